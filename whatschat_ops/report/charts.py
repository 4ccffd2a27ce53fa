"""Charts as inline SVG. Pure; every text is escaped; colours come from the page's CSS classes, so they follow dark and light."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import Final

from whatschat_ops.measure.histogram import Column

WIDTH: Final = 720
HEIGHT: Final = 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 12, 40
_INNER_WIDTH: Final = WIDTH - _LEFT - _RIGHT
_INNER_HEIGHT: Final = HEIGHT - _TOP - _BOTTOM
_FLOOR: Final = _TOP + _INNER_HEIGHT
_WIDEST_BAR: Final = 56


@dataclass(frozen=True, slots=True)
class Series:
    """A named line; `css_class` gives its colour. None is a gap."""

    name: str
    css_class: str
    values: Sequence[float | None]


def distribution(title: str, columns: Sequence[Column], css_class: str) -> str:
    """A bar for each column; their widths on the page are equal, so the axis is logarithmic."""
    if not columns:
        return ""
    largest = max(column.count for column in columns)
    ticks = nice_ticks(largest)
    width = min(_WIDEST_BAR, _INNER_WIDTH / len(columns))
    total = sum(column.count for column in columns)
    every = max(1, math.ceil(len(columns) / 9))
    parts = [_y_axis(ticks, "times")]
    for place, column in enumerate(columns):
        x = _LEFT + place * width
        height = _INNER_HEIGHT * column.count / ticks[-1]
        words = f"{short(column.from_ms)} to {short(column.to_ms)} ms: {column.count:,} ({column.count / total:.1%})"
        parts.append(
            f'<rect class="fill {escape(css_class)}" x="{x + 0.5:.1f}" y="{_FLOOR - height:.1f}" '
            f'width="{max(0.5, width - 1):.1f}" height="{height:.1f}"><title>{escape(words)}</title></rect>'
        )
        if place % every == 0:
            parts.append(_x_label(x, short(column.from_ms)))
    if every == 1 or (len(columns) - 1) % every > every // 2:
        parts.append(_x_label(_LEFT + len(columns) * width, short(columns[-1].to_ms)))
    parts.append(_x_title("milliseconds"))
    return figure(title, parts)


def lines(title: str, at_s: Sequence[float], series: Sequence[Series], unit: str) -> str:
    """Lines over time in seconds."""
    if not at_s:
        return ""
    ticks = nice_ticks(max((value for one in series for value in one.values if value is not None), default=0))
    end_s = max(at_s[-1], 1e-9)
    x_of = _scale(0, end_s, _LEFT, _LEFT + _INNER_WIDTH)
    y_of = _scale(0, ticks[-1], _FLOOR, _TOP)
    parts = [_y_axis(ticks, unit)]
    parts += [_x_label(x_of(tick), short(tick)) for tick in nice_ticks(end_s) if tick <= end_s]
    for one in series:
        pairs = list(zip(at_s, one.values, strict=True))
        for there, run in groupby(pairs, key=lambda pair: pair[1] is not None):
            if there:
                path = " ".join(f"{x_of(at):.1f},{y_of(value or 0):.1f}" for at, value in run)
                parts.append(f'<polyline class="line {escape(one.css_class)}" points="{path}"/>')
    parts.append(_x_title("seconds"))
    return figure(title, parts, [(one.css_class, one.name) for one in series])


SMALLEST_SCALE = 1e-6
"""Less than this is nothing on a chart of seconds or counts (and ticks are rounded to ten places)."""


def nice_ticks(largest: float) -> list[float]:
    """Round numbers from 0 to at least `largest`, four to seven of them."""
    if largest < SMALLEST_SCALE:
        return [0.0, 1.0]
    rough = largest / 5
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    return [round(place * step, 10) for place in range(math.ceil(largest / step - 1e-9) + 1)]


def short(value: float) -> str:
    """A number as an axis shows it: 0.12, 3.4, 57, 1.2k, 3M, 2B."""
    for limit, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}" if value >= 1 else f"{value:.2g}"


def _scale(low: float, high: float, to_low: float, to_high: float) -> Callable[[float], float]:
    factor = (to_high - to_low) / ((high - low) or 1)
    return lambda value: to_low + (value - low) * factor


def _y_axis(ticks: Sequence[float], unit: str) -> str:
    parts = []
    y_of = _scale(0, ticks[-1], _FLOOR, _TOP)
    for tick in ticks:
        y = y_of(tick)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text class="label" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{short(tick)}</text>'
        )
    middle = _TOP + _INNER_HEIGHT / 2
    parts.append(
        f'<text class="label" transform="translate(14 {middle:.0f}) rotate(-90)" text-anchor="middle">{escape(unit)}</text>'
    )
    return "".join(parts)


def _x_label(x: float, text: str) -> str:
    return f'<text class="label" x="{x:.1f}" y="{_FLOOR + 15}" text-anchor="middle">{escape(text)}</text>'


def _x_title(text: str) -> str:
    return f'<text class="label" x="{_LEFT + _INNER_WIDTH / 2:.0f}" y="{HEIGHT - 6}" text-anchor="middle">{escape(text)}</text>'


def figure(
    title: str,
    parts: Sequence[str],
    keys: Sequence[tuple[str, str]] = (),
    *,
    height: float = HEIGHT,
    beside: str = "",
) -> str:
    """A drawing with its title and a legend of (CSS class, name). `beside`: what a screen reader says after the title."""
    legend = "".join(f'<span><i class="key {escape(css)}"></i>{escape(name)}</span>' for css, name in keys)
    below = f'<div class="legend">{legend}</div>' if legend else ""
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title + beside)}">{"".join(parts)}</svg>'
        f"{below}</figure>"
    )
