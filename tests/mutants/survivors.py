"""Faults that no test finds, by (path, after): why that is so, or why it does no harm."""

from __future__ import annotations

EXPLAINED: dict[tuple[str, str], str] = {}
