"""Results as JSON-ready data."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

from whatschat_ops.errors import Hint
from whatschat_ops.redaction import Secret, redact


def encoded(value: Any, words: Callable[[Hint], str], *, show_secrets: bool) -> Any:
    """Money as strings, times as ISO 8601 UTC, secrets hidden, hints in `words`."""

    def each(part: Any) -> Any:
        if isinstance(part, Hint):
            said = words(part)  # with the options of this command line, which no value held before
            return said if show_secrets else redact(said)
        if dataclasses.is_dataclass(part) and not isinstance(part, type):
            return {field.name: each(getattr(part, field.name)) for field in dataclasses.fields(part)}
        if fields := getattr(part, "__struct_fields__", None):  # a msgspec struct
            return {name: each(getattr(part, name)) for name in fields}
        if isinstance(part, Secret):
            return part.reveal() if show_secrets else str(part)
        if isinstance(part, Mapping):
            return {str(each(key)): each(item) for key, item in part.items()}
        if isinstance(part, (list, tuple, set, frozenset)):
            return [each(item) for item in part]
        return _scalar(part)

    return each(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no Infinity and no NaN
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")  # str() would say 1E+7
    if isinstance(value, Path):
        return str(value)
    return value
