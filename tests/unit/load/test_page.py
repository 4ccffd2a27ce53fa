"""The HTML report: well-formed, self-contained, and nothing in it comes through as markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.load.load_reports import a_report
from whatschat_ops.load.page import page
from whatschat_ops.measure.histogram import Column
from whatschat_ops.report.charts import Series, distribution, lines, nice_ticks, short

VOID = {"meta", "br", "link", "img", "input"}
EVIL = "\"><script>alert(1)</script><img src=x onerror=alert(1)>&'"


class Outline(HTMLParser):
    """Checks that every element is closed in its turn; collects elements, attributes and texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.elements.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_page_is_well_formed_and_has_every_chart() -> None:
    outline = Outline(page(a_report(), command="whatschat-ops ws load"))
    assert outline.open == []
    assert outline.elements.count("svg") == 7
    assert {"10.0", "20.0"} <= set(outline.texts), "the percentiles are there to be read"


def test_page_loads_nothing_from_elsewhere() -> None:
    text = page(a_report(), command="whatschat-ops ws load")
    outline = Outline(text)
    assert not {"script", "link", "img", "iframe", "object", "embed"} & set(outline.elements)
    assert not [
        name
        for name, _ in outline.attributes
        if name in ("src", "href", "xlink:href") or name.startswith("on")
    ]
    assert not re.search(r"url\(|@import|https?://", text)
    assert "default-src 'none'" in text


def test_texts_from_elsewhere_are_not_markup() -> None:
    text = page(a_report(error=EVIL, url=f"ws://{EVIL}"), command=f"ws load {EVIL}")
    outline = Outline(text)
    assert outline.open == []
    assert "script" not in outline.elements
    assert "img" not in outline.elements
    assert not [name for name, _ in outline.attributes if name.startswith("on")]
    assert any(EVIL in shown for shown in outline.texts)


def test_page_of_a_test_without_an_open_socket_is_complete() -> None:
    outline = Outline(page(a_report(count=0, error=""), command="x"))
    assert outline.open == []


def test_page_follows_the_readers_dark_or_light() -> None:
    text = page(a_report(), command="x")
    assert "prefers-color-scheme: dark" in text
    assert "color-scheme: light dark" in text
    # Everything drawn takes its colour from the style sheet.
    assert not re.search(r'(?:fill|stroke)="', text)


@given(st.floats(1e-6, 1e12))
def test_ticks_are_few_evenly_spaced_and_reach_the_largest_value(largest: float) -> None:
    ticks = nice_ticks(largest)
    assert ticks[0] == 0
    assert ticks[-1] >= largest * 0.999
    assert 3 <= len(ticks) <= 8
    step = ticks[1]
    assert all(tick == pytest.approx(place * step) for place, tick in enumerate(ticks))


@given(st.lists(st.one_of(st.none(), st.floats(0, 1e9)), min_size=1, max_size=50))
def test_lines_stay_inside_the_chart_and_break_at_gaps(values: list[float | None]) -> None:
    at_s = [float(place) for place in range(len(values))]
    drawn = lines("t", at_s, [Series("a", "c1", values)], "u")
    points = re.findall(r'points="([^"]*)"', drawn)
    numbers = [tuple(map(float, pair.split(","))) for run in points for pair in run.split()]
    assert len(numbers) == sum(value is not None for value in values)
    assert all(0 <= x <= 720 and 0 <= y <= 240 for x, y in numbers)


def test_bars_say_their_share() -> None:
    drawn = distribution("t", [Column(1, 2, 1), Column(2, 4, 3)], "c1")
    assert "2 to 4 ms: 3 (75.0%)" in drawn
    assert distribution("t", [], "c1") == ""


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0"), (0.123, "0.12"), (3.44, "3.44"), (57, "57"), (1200, "1.2k"), (3e6, "3M")]
)
def test_axis_numbers_are_short(value: float, shown: str) -> None:
    assert short(value) == shown
