"""Numbers of things in words."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """`1 user`, `2,000 users`, `2 entries` (with a plural of its own)."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def rounded(value: float) -> str:
    """`12.3`, `699`, `1,656`: a decimal only below 100, and only where there is one."""
    return f"{value:,.1f}".removesuffix(".0") if abs(value) < 99.95 else f"{value:,.0f}"
