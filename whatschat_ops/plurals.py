"""Numbers of things in words."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """`1 user`, `2,000 users`, `2 entries` (with a plural of its own)."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
