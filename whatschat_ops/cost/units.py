"""Amounts of usage with their units and limits: a letter behind them would read as another unit."""

from __future__ import annotations

from whatschat_ops.pricing.amounts import Amount
from whatschat_ops.quotas import (
    FREE_TMP_MB,
    MAX_FUNCTION_MEMORY_MB,
    MAX_FUNCTION_TIMEOUT_S,
    MAX_MESSAGE_BYTES,
    MAX_TMP_MB,
    MIN_FUNCTION_MEMORY_MB,
)


class SizeGb(Amount):
    """Of stored or sent data in a month."""

    unit = "GB"


class Minutes(Amount):
    """Summed over all who are connected."""

    unit = "minutes"


class SizeKb(Amount):
    """Of a message."""

    unit = "KB"
    most = MAX_MESSAGE_BYTES // 1024


class HoursADay(Amount):
    """Of 24."""

    unit = "hours"
    most = 24


class DaysAMonth(Amount):
    """Of 31."""

    unit = "days"
    most = 31


class Percent(Amount):
    """Of 100."""

    unit = "percent"
    most = 100


class DurationMs(Amount):
    """Of one invocation."""

    unit = "ms"
    most = MAX_FUNCTION_TIMEOUT_S * 1000


class MemoryMb(Amount):
    """Of one function, as Lambda allows it."""

    unit = "MB"
    least = MIN_FUNCTION_MEMORY_MB
    most = MAX_FUNCTION_MEMORY_MB


class TmpMb(Amount):
    """Of one function, as Lambda allows it."""

    unit = "MB"
    least = FREE_TMP_MB
    most = MAX_TMP_MB
