"""The recorded incident of docs/watch.md, replayed: functions throttled by hand, an alarm, a broadcast, drift, and the repair."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tests.in_process import run
from whatschat_ops.errors import ExitCode
from whatschat_ops.watch import tiles
from whatschat_ops.watch.record import read
from whatschat_ops.watch.snapshot import Level, Snapshot

INCIDENT = Path(__file__).parents[3] / "docs" / "watch-incident.jsonl.gz"
SNAPSHOTS = read(INCIDENT)


def levels(name: str) -> list[Level]:
    found = [snapshot.named(name) for snapshot in SNAPSHOTS]
    return [tile.level for tile in found if tile is not None]


def first(name: str, level: Level) -> Snapshot:
    return SNAPSHOTS[levels(name).index(level)]


def test_recording_tells_the_incident_in_order() -> None:
    errors, alarms = first(tiles.ERRORS, Level.BAD), first(tiles.ALARMS, Level.BAD)
    marks = {mark.what: mark.at for mark in SNAPSHOTS[-1].marks if mark.what != "provision"}
    assert (
        list(marks) == ["lambda deploy", "alarm default-throttles", "ws broadcast"] or "ws broadcast" in marks
    )
    assert marks["lambda deploy"] < errors.at <= alarms.at
    broadcasts = [snapshot.named(tiles.BROADCASTS) for snapshot in SNAPSHOTS]
    assert any(tile is not None and tile.value == 1 and "running" in tile.lines[0] for tile in broadcasts)
    assert Level.BAD in levels(tiles.DRIFT)
    for name in (tiles.ERRORS, tiles.ALARMS, tiles.DRIFT):
        assert levels(name)[-1] is Level.OK


def test_replay_in_a_pipe_prints_the_whole_incident() -> None:
    done = run("watch", "--replay", str(INCIDENT))
    assert done.code == ExitCode.DONE, done.said
    said = done.stdout.splitlines()
    assert len([line for line in said if line[:1].isdigit()]) == len(SNAPSHOTS)
    assert any("bad alarms: default-throttles" in line for line in said)
    assert any(line.endswith(" lambda deploy") and " mark " in line for line in said)
    assert "          ok alarms" in said


def test_replay_as_json_starts_where_it_is_told_to() -> None:
    done = run("watch", "--replay", str(INCIDENT), "--at", "5m", "--json")
    assert done.code == ExitCode.DONE, done.said
    documents = [json.loads(line) for line in done.stdout.splitlines()]
    later = [snapshot for snapshot in SNAPSHOTS if (snapshot.at - SNAPSHOTS[0].at).total_seconds() >= 300]
    assert len(documents) == len(later)
    assert documents[0]["tiles"][0]["name"] == tiles.CONNECTIONS


def test_replay_is_saved_as_a_picture(tmp_path: Path) -> None:
    done = run("watch", "--replay", str(INCIDENT), "--at", "7m", "--svg", str(tmp_path / "red.svg"))
    assert done.code == ExitCode.DONE, done.said
    assert "default-throttles" in (tmp_path / "red.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--replay", "x", "--record", "y"), "exclude each other"),
        (("--replay", "x", "--every", "5s"), "times of its own"),
        (("--svg", "x", "--once"), "--svg saves one screen"),
        (("--svg", "x", "--record", "y"), "--svg saves one screen"),
        (("--at", "5m"), "--at is for --replay only"),
        (("--every", "1s"), "at least 5s"),
        (("--replay", "{garbage}"), "cannot be replayed"),
        (("--replay", "{cut}"), "cannot be replayed"),
        (("--replay", "/nonexistent"), "cannot be read"),
    ],
)
def test_wrong_options_are_refused(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    (tmp_path / "garbage").write_bytes(bytes(range(256)))
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"x")[:6])
    paths = {"garbage": tmp_path / "garbage", "cut": tmp_path / "cut.gz"}
    done = run("watch", *(each.format(**paths) for each in arguments))
    assert done.code == ExitCode.USAGE, done.said
    assert says in done.stderr


def test_without_textual_the_screen_names_what_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    arguments = ("watch", "--replay", str(INCIDENT))
    refused = run(*arguments, "--svg", str(tmp_path / "red.svg"))
    assert refused.code == ExitCode.FAILED
    assert "--plain works without it" in refused.stderr
    assert "install" in refused.stderr
    assert run(*arguments, "--plain").code == ExitCode.DONE
