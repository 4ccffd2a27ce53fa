"""Where a replay is after each key."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.unit.watch.snapshots import FINE, NIGHT, changed
from whatschat_ops.watch.player import LONGEST_WAIT_S, Player

PLAYER = Player(NIGHT)


def test_next_snapshot_is_due_as_the_speed_says() -> None:
    assert PLAYER.wait_s == 1.0
    assert PLAYER.change_speed(-1).wait_s == LONGEST_WAIT_S  # 6 s
    assert PLAYER.change_speed(1).wait_s == pytest.approx(0.2)


def test_gap_of_hours_is_waited_for_shortly() -> None:
    assert Player((FINE, changed(FINE, 600))).wait_s == LONGEST_WAIT_S


def test_paused_and_ended_replays_do_not_go_on() -> None:
    assert PLAYER.toggle().wait_s is None
    assert PLAYER.step(100).wait_s is None
    assert PLAYER.toggle().toggle() == PLAYER


def test_steps_stay_within_the_recording() -> None:
    assert PLAYER.step(-1).place == 0
    assert PLAYER.step(1_000).place == len(NIGHT) - 1
    assert PLAYER.step(1_000).toggle().place == 0


def test_jump_goes_by_the_time_of_the_recording() -> None:
    assert PLAYER.jump(timedelta(minutes=10)).place == 10
    assert PLAYER.step(15).jump(timedelta(minutes=-10)).place == 5
    assert PLAYER.step(15).jump(timedelta(hours=-1)).place == 0


def test_seek_is_from_the_start() -> None:
    assert PLAYER.step(20).seek(timedelta(minutes=5)).place == 5
    assert PLAYER.seek(timedelta(days=3)).is_last


def test_speed_has_limits() -> None:
    assert (PLAYER.change_speed(-9).speed, PLAYER.change_speed(9).speed) == (1, 900)
