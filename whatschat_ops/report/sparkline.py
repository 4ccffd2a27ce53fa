"""A series of numbers as one line of text. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

BLOCKS: Final = "▁▂▃▄▅▆▇█"
GAP: Final = " "


def sparkline(values: Sequence[float | None], width: int) -> str:
    """At most `width` characters, oldest first; the height is the share of the highest value. A blank is no data.

    >>> sparkline([0, 1, None, 8], 4)
    '▁▁ █'
    """
    columns = _columns(values, width)
    highest = max((value for value in columns if value is not None), default=0.0)
    steps = len(BLOCKS) - 1
    return "".join(
        GAP if value is None else BLOCKS[int(value / highest * steps) if highest > 0 else 0]
        for value in columns
    )


def _columns(values: Sequence[float | None], width: int) -> list[float | None]:
    """One value for each character: the highest of those that fall into it."""
    count = min(width, len(values))
    edges = [len(values) * place // count for place in range(count + 1)] if count else []
    return [
        max((value for value in values[start:end] if value is not None), default=None)
        for start, end in pairwise(edges)
    ]
