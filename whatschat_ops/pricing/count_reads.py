"""What the scheduled count of open connections reads in a month, for the plan and the estimate alike."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import Final

from whatschat_ops.pricing.amounts import plain

MINUTES_PER_MONTH: Final = 30 * 24 * 60
BYTES_PER_ROW: Final = 120
"""A row of the built-in functions: its four attributes with their names, and ids of usual lengths."""
_BYTES_PER_UNIT: Final = 4_096
_EVENTUAL: Final = Decimal("0.5")
"""Units of an eventually consistent read for each 4 KB (DynamoDB developer guide, "Read consistency")."""


def count_reads(table_bytes: int, every_minutes: int) -> Decimal:
    """Read units a month of counting a table of this size.

    >>> count_reads(8_192, 5)  # one unit, 8,640 times
    Decimal('8640')
    """
    units = (Decimal(table_bytes) / _BYTES_PER_UNIT).to_integral_value(ROUND_CEILING) * _EVENTUAL
    counts = (Decimal(MINUTES_PER_MONTH) / every_minutes).to_integral_value(ROUND_CEILING)
    return plain(units * counts)
