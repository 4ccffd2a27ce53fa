"""The charts of the page: escaped, the right way up, with ticks that a person reads."""

from __future__ import annotations

import re

import pytest

from whatschat_ops.measure.histogram import Column
from whatschat_ops.report.charts import Series, distribution, lines, nice_ticks

EVIL = '<script>"&'
ESCAPED = "&lt;script&gt;&quot;&amp;"


def test_every_text_of_a_chart_is_escaped() -> None:
    drawn = lines(EVIL, [0.0, 1.0], [Series(EVIL, EVIL, [1.0, 2.0])], EVIL)
    drawn += distribution(EVIL, [Column(1.0, 2.0, 3)], EVIL)
    assert "<script>" not in drawn
    assert drawn.count(f"<figcaption>{ESCAPED}</figcaption>") == 2
    assert drawn.count(f'aria-label="{ESCAPED}"') == 2


def test_larger_value_stands_higher() -> None:
    drawn = lines("t", [0.0, 1.0], [Series("s", "c", [1.0, 5.0])], "ms")
    found = re.search(r'<polyline [^>]*points="([^"]+)"', drawn)
    assert found is not None
    (x_first, y_first), (x_last, y_last) = (map(float, point.split(",")) for point in found[1].split())
    assert x_first < x_last
    assert y_first > y_last  # y grows downwards in SVG


@pytest.mark.parametrize(
    ("largest", "ticks"),
    [
        (5, [0, 1, 2, 3, 4, 5]),
        (9, [0, 2, 4, 6, 8, 10]),
        (23, [0, 5, 10, 15, 20, 25]),
        (47, [0, 10, 20, 30, 40, 50]),
        (0.4, [0, 0.1, 0.2, 0.3, 0.4]),
        (0, [0, 1]),
    ],
)
def test_ticks_are_multiples_of_1_2_or_5(largest: float, ticks: list[float]) -> None:
    assert nice_ticks(largest) == pytest.approx(ticks)
