"""Charts and words of tiles as text."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.unit.watch.snapshots import DEPLOY, FINE, LOST, RED, START, changed
from whatschat_ops.watch import plain, tiles
from whatschat_ops.watch.snapshot import Level, Mark, Tile
from whatschat_ops.watch.text import axis, chart, marks_row, printable, value_of


@pytest.mark.parametrize(
    ("tile", "words"),
    [
        (Tile("a", value=12.0, unit="open"), "12 open"),
        (Tile("a", value=3.44, unit="/min"), "3.4 /min"),
        (Tile("a", value=1234.5, unit="/min"), "1,234 /min"),
        (Tile("a", value=0.01234, unit="$/h"), "$0.0123/h"),
        (Tile("a"), "-"),
        (Tile("a", value=1.0).failed("no answer"), "unknown"),
    ],
)
def test_value_in_words(tile: Tile, words: str) -> None:
    assert value_of(tile) == words


def test_highest_value_fills_the_chart_and_none_is_blank() -> None:
    rows = chart((0.0, None, 8.0, 16.0), (), 4, 2)
    assert [bars for bars, _ in rows] == ["   █", "▁ ██"]


def test_ghost_of_the_time_before_is_at_its_height() -> None:
    rows = chart((1.0, 1.0), (16.0, 1.0), 2, 2)
    assert [ghosts for _, ghosts in rows] == ["· ", " ·"]


def test_chart_of_zeros_has_a_base_line() -> None:
    assert [bars for bars, _ in chart((0.0, 0.0), (), 2, 2)] == ["  ", "▁▁"]


@pytest.mark.parametrize("width", [1, 7, 59, 60, 61, 200])
def test_chart_is_as_wide_as_it_may_be_and_keeps_the_highest(width: int) -> None:
    rows = chart((*(1.0,) * 30, 9.0, *(1.0,) * 29), (2.0,) * 60, width, 3)
    assert {len(bars) for bars, _ in rows} == {len(ghosts) for _, ghosts in rows} == {width}
    assert "█" in rows[0][0]


def test_chart_without_room_is_empty() -> None:
    assert chart((1.0,), (), 0, 2) == [("", ""), ("", "")]


def test_mark_stands_under_its_minute() -> None:
    (tile, *_) = FINE.tiles
    row = marks_row([DEPLOY, Mark(START - timedelta(hours=3), "old")], tile, 60)
    assert row == " " * 30 + "▲"
    assert marks_row([DEPLOY], Tile("Alarms"), 60) == ""


def test_axis_has_the_times_of_both_ends() -> None:
    (tile, *_) = FINE.tiles
    assert len(axis(tile, 40)) == 40
    assert axis(Tile("Alarms"), 40) == ""


def test_what_moves_a_cursor_is_replaced() -> None:
    assert printable("a\x1b[2Jb\r\n") == "a�[2Jb��"


def test_line_has_every_figure() -> None:
    (line,) = plain.lines(FINE, FINE)
    assert "connections 12 open  messages 3.4 /min" in line
    assert line.endswith("changes 1 in 2 h")
    assert all(f"{name.lower()} " in line for name in tiles.COMMANDS)


def test_lines_say_what_went_wrong_and_when_it_is_well() -> None:
    assert "          bad errors: integration 40" in list(plain.lines(RED, FINE))
    assert "          unknown messages: GetMetricData: Could not connect" in list(plain.lines(LOST, RED))
    assert "          ok errors" in list(plain.lines(FINE, RED))
    assert len(list(plain.lines(RED, RED))) == 1


def test_lines_tell_another_number_of_errors_once_but_each_alarm() -> None:
    worse = changed(RED, 1, errors=replace(RED.named("Errors") or FINE.tiles[2], value=50.0, lines=("more",)))
    assert len(list(plain.lines(worse, RED))) == 1
    one, two = (
        changed(FINE, 1, alarms=Tile("Alarms", value=1.0, level=Level.BAD, lines=(line,)))
        for line in ("a", "b")
    )
    assert "          bad alarms: b" in list(plain.lines(two, one))


def test_lines_name_a_new_mark_once() -> None:
    before = changed(FINE, 0, changes=Tile(tiles.CHANGES))
    assert [line.split()[-2:] for line in plain.lines(FINE, before)][1:] == [["lambda", "deploy"]]
    assert Level.OK not in "".join(plain.lines(FINE, None))
