"""Charts whose marks a script can move: groups of bars, and the cost by messages. Pure; every text is escaped."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from typing import Final

from whatschat_ops.report.charts import WIDTH, figure, short

LAYOUT: Final = {"left": 64, "width": 630, "bottom": 200, "height": 186, "bar": 330}
_LABEL_WIDTH: Final = 250
_ROW: Final = 18


@dataclass(frozen=True, slots=True)
class Bar:
    """A group of bars: one for each card, with its value in words."""

    label: str
    values: Sequence[Decimal]
    words: Sequence[str]


def nice(largest: float) -> float:
    """The same as of page.js: a round number, not less."""
    if largest <= 0:
        return 1
    power = math.pow(10, math.floor(math.log10(largest) + 1e-12))
    return next(top for factor in (1, 2, 4, 5, 8, 10) if (top := factor * power) >= largest * (1 - 1e-9))


def bars(title: str, cards: Sequence[str], groups: Sequence[Bar], *, moves: bool = True) -> str:
    """Horizontal bars. With `moves` they have the ids by which the script finds them."""
    widest = max((value for group in groups for value in group.values), default=Decimal(0)) or Decimal(1)
    parts, y = [], 4
    for place, group in enumerate(groups):
        middle = y + _ROW * len(cards) / 2 + 4
        parts.append(
            f'<text class="label" x="{_LABEL_WIDTH - 8}" y="{middle:.0f}" text-anchor="end">{escape(group.label)}</text>'
        )
        for card, (value, words) in enumerate(zip(group.values, group.words, strict=True)):
            width = LAYOUT["bar"] * float(value / widest)
            names = [f' id="{kind}-{card}-{place}"' if moves else "" for kind in ("bar", "amount")]
            parts.append(
                f'<rect{names[0]} class="fill c{card % 4 + 1}" x="{_LABEL_WIDTH}" y="{y + 2}" width="{width:.1f}" height="{_ROW - 4}"/>'
                f'<text{names[1]} class="label amount" x="{WIDTH - 8}" y="{y + _ROW - 5}" text-anchor="end">{escape(words)}</text>'
            )
            y += _ROW
        y += 8
    return _figure(title, parts, cards, y)


def curve(
    title: str,
    at: Sequence[Decimal],
    costs: Mapping[str, Sequence[Decimal]],
    *,
    here: tuple[Decimal, Mapping[str, Decimal]],
    edges: Sequence[Decimal],
) -> str:
    """A line for each card, a mark where the month is, and a dashed line at each tier of messages."""
    end, top = float(at[-1]), nice(float(max(value for values in costs.values() for value in values)))

    def x(value: Decimal) -> float:
        return LAYOUT["left"] + LAYOUT["width"] * float(value) / end

    def y(value: Decimal) -> float:
        return LAYOUT["bottom"] - LAYOUT["height"] * float(value) / top

    parts = [_axes(end, top)]
    for edge in edges:
        place = f"{x(edge):.1f}" if float(edge) <= end else "-9"
        parts.append(
            f'<line class="edge" data-edge="{edge:f}" x1="{place}" x2="{place}" y1="{LAYOUT["bottom"] - LAYOUT["height"]}" y2="{LAYOUT["bottom"]}"/>'
        )
    for card, (name, values) in enumerate(costs.items()):
        points = " ".join(f"{x(each):.1f},{y(value):.1f}" for each, value in zip(at, values, strict=True))
        css = f"c{card % 4 + 1}"
        parts.append(f'<polyline id="curve-{card}" class="line {css}" points="{points}"/>')
        parts.append(
            f'<circle id="here-{card}" class="fill {css}" r="5" cx="{x(here[0]):.1f}" cy="{y(here[1][name]):.1f}"/>'
        )
    return _figure(title, parts, list(costs), LAYOUT["bottom"] + 40)


def _axes(end: float, top: float) -> str:
    parts = []
    for tick in range(5):
        y = LAYOUT["bottom"] - LAYOUT["height"] * tick / 4
        x = LAYOUT["left"] + LAYOUT["width"] * tick / 4
        parts.append(
            f'<line class="grid" x1="{LAYOUT["left"]}" x2="{LAYOUT["left"] + LAYOUT["width"]}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="label" id="y-{tick}" x="{LAYOUT["left"] - 6}" y="{y + 4:.1f}" text-anchor="end">${short(top * tick / 4)}</text>'
            f'<text class="label" id="x-{tick}" x="{x:.1f}" y="{LAYOUT["bottom"] + 16}" text-anchor="middle">{short(end * tick / 4)}</text>'
        )
    middle = LAYOUT["left"] + LAYOUT["width"] / 2
    parts.append(
        f'<text class="label" x="{middle:.0f}" y="{LAYOUT["bottom"] + 34}" text-anchor="middle">messages a month</text>'
    )
    return "".join(parts)


def _figure(title: str, parts: Sequence[str], names: Sequence[str], height: float) -> str:
    keys = [(f"c{number % 4 + 1}", name) for number, name in enumerate(names)]
    return figure(title, parts, keys, height=height, beside="; the table below has the figures")
