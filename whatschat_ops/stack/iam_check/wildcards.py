"""Patterns of IAM: `*` is any text, `?` any one character. Pure.

A need may be a pattern itself (all meetings of the account), so one pattern is held against another: `covers` when it
matches everything that the other can match, `overlaps` when there is something that both match.
"""

from __future__ import annotations

import re
from functools import lru_cache


@lru_cache(maxsize=4096)
def covers(pattern: str, other: str) -> bool:
    """Whether `pattern` matches all that `other` matches.

    Exact for patterns with `*` that stand for whole parts, as in ARNs; in doubt the answer is no.
    """
    # A `*` of the other is text that only a `*` can take; a `?` of the other takes any one character.
    expression = "".join({"*": ".*", "?": "[^*]"}.get(char) or re.escape(char) for char in pattern)
    return re.fullmatch(expression, other, re.DOTALL) is not None


@lru_cache(maxsize=4096)
def overlaps(one: str, other: str) -> bool:
    """Whether some text matches both patterns."""
    reachable = {0}  # positions in `other`, at the current position in `one`
    for char in one:
        reachable = _after(char, _skip_stars(reachable, other), other)
        if not reachable:
            return False
    return len(other) in _skip_stars(reachable, other)


def _after(char: str, positions: set[int], other: str) -> set[int]:
    if char == "*":
        return set(range(min(positions), len(other) + 1))
    after = set()
    for position in positions:
        there = other[position : position + 1]
        if there == "*":
            after.add(position)
        elif there and ("?" in (char, there) or char == there):
            after.add(position + 1)
    return after


def _skip_stars(positions: set[int], other: str) -> set[int]:
    found = set(positions)
    for position in positions:
        end = position
        while other[end : end + 1] == "*":
            end += 1
            found.add(end)
    return found
