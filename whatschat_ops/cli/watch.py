"""`watch`: the live view of the stack, in a terminal or as lines; recordings of it; a screen as SVG."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from whatschat_ops.cli.durations import parse_duration
from whatschat_ops.cli.run import Run
from whatschat_ops.errors import PROGRAM, OpsError, UsageError

if TYPE_CHECKING:
    from whatschat_ops.watch.collector import Collector
    from whatschat_ops.watch.player import Player
    from whatschat_ops.watch.record import Recorder
    from whatschat_ops.watch.snapshot import Snapshot, Tile

LEAST_EVERY: Final = timedelta(seconds=5)
ATTEMPTS, READ_TIMEOUT_S = 2, 20.0
"""Of each request: the next look asks again, and what cannot be reached is to be said soon."""
DRAWN: Final = (120, 38)
"""Columns and lines of an SVG, unless the terminal says otherwise."""


def watch(
    run: Run,
    plain: Annotated[
        bool, typer.Option("--plain", help="Print lines [default: where there is no terminal]")
    ] = False,
    every: Annotated[
        str | None,
        typer.Option("--every", metavar="DURATION", help="How often AWS is read, at least 5s [default: 60s]"),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Print lines of one look, then end")] = False,
    record: Annotated[
        Path | None,
        typer.Option("--record", metavar="FILE", help="Record what is read; .gz and .zst are compressed"),
    ] = None,
    replay: Annotated[
        Path | None, typer.Option("--replay", metavar="FILE", help="Show a recording, without AWS")
    ] = None,
    at: Annotated[
        str, typer.Option("--at", metavar="DURATION", help="Start a replay so long after its start")
    ] = "0",
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE", help="Save a screen as SVG, then end")
    ] = None,
) -> None:
    """Watch the stack live.

    Connections, messages, errors, latencies, alarms, broadcasts, meetings, drift and dollars an hour, with deploys as marks. A
    number opens the logs or the doctor for that figure. What cannot be read is unknown, with the reason. Reading costs about a
    cent an hour on an account (docs/watch.md).

    Example:
        whatschat-ops watch
        whatschat-ops watch --record tonight.jsonl.gz
        whatschat-ops watch --replay tonight.jsonl.gz --at 2h
        whatschat-ops watch --plain --every 30s
    """
    if replay is not None and record is not None:
        raise UsageError("--record and --replay exclude each other: a recording is there already.")
    if replay is not None and every is not None:
        raise UsageError("--every and --replay exclude each other: a recording has times of its own.")
    if svg is not None and (plain or once or record is not None or run.out.as_json):
        raise UsageError("--svg saves one screen and ends: it takes no --plain, --once, --record or --json.")
    start = parse_duration(at, "--at")
    if start and replay is None:
        raise UsageError("--at is for --replay only.")
    every_s = _every_s(every or "60s")
    is_plain = plain or once or run.out.as_json or _is_dumb(run)
    if svg is not None or not is_plain:
        _require_textual()
    player = _player(replay, start) if replay is not None else None
    if svg is not None:
        _save(run, player, svg, every_s)
    elif is_plain:
        _print(run, player, every_s, record, once=once)
    else:
        _show(run, player, every_s, record)


def _every_s(text: str) -> float:
    every = parse_duration(text, "--every")
    if every < LEAST_EVERY:
        raise UsageError(
            "--every is at least 5s: CloudWatch has one value a minute, and each look is billed."
        )
    return every.total_seconds()


def _is_dumb(run: Run) -> bool:
    return not (run.out.is_terminal and sys.stdin.isatty()) or os.environ.get("TERM", "dumb") == "dumb"


def _require_textual() -> None:
    import importlib.util

    from whatschat_ops.installation import extra_command

    if importlib.util.find_spec("textual") is None:
        raise OpsError(
            f"The screen of watch is not installed: textual missing from {sys.prefix}. --plain works without it.",
            hint=extra_command("watch"),
        )


def _player(path: Path, start: timedelta) -> Player:
    from whatschat_ops.watch.player import Player
    from whatschat_ops.watch.record import read

    return Player(read(path)).seek(start)


def _collector(run: Run, every_s: float) -> Collector:
    from whatschat_ops.watch.collector import Collector
    from whatschat_ops.watch.sources import StackSources

    aws = run.aws
    aws.attempts, aws.read_timeout_s = ATTEMPTS, READ_TIMEOUT_S
    api_id = run.outputs.api_id
    sources = StackSources(aws, run.settings, api_id, run.broadcasts_directory, every_s)
    return Collector(run.names.stack, aws.region, sources.all())


def _recorder(record: Path | None) -> AbstractContextManager[Recorder | None]:
    from whatschat_ops.watch.record import Recorder

    return nullcontext() if record is None else Recorder(record)


@dataclass(frozen=True)
class _Commands:
    """Command lines of this environment, from any directory. In a replay they look at its time."""

    place: tuple[str, ...]
    in_replay: bool

    def words(self, tile: Tile, at: Snapshot) -> str:
        """As a person types it."""
        return shlex.join((PROGRAM, *self.place, *self._of(tile, at)))

    def argv(self, tile: Tile, at: Snapshot) -> list[str]:
        """As a process is started."""
        return [sys.executable, "-m", "whatschat_ops", *self.place, *self._of(tile, at)]

    def _of(self, tile: Tile, at: Snapshot) -> tuple[str, ...]:
        if not self.in_replay or tile.command[:2] != ("logs", "tail"):
            return tile.command
        first = at.at - timedelta(minutes=15)
        return (
            "logs",
            "tail",
            "--since",
            f"{first:%Y-%m-%dT%H:%M:%S}",
            "--until",
            f"{at.at:%Y-%m-%dT%H:%M:%S}",
        )


def _show(run: Run, player: Player | None, every_s: float, record: Path | None) -> None:
    """On the screen, until a key or a signal."""
    from whatschat_ops.watch.collector import Feed
    from whatschat_ops.watch.screen.app import Notice, SnapshotRead, WatchApp
    from whatschat_ops.watch.screen.running import run as run_app

    if player is not None:
        run_app(WatchApp(_Commands(run.options.place_words, in_replay=True), player))
    else:
        place = tuple(word for item in run.full_place().items() for word in item)
        collector = _collector(run, every_s)
        with _recorder(record) as recorder:

            def deliver(snapshot: Snapshot) -> None:
                app.post_message(SnapshotRead(snapshot))
                try:
                    if recorder is not None:
                        recorder.write(snapshot)
                except OpsError as error:
                    app.post_message(Notice(f"Not recorded: {error.message}"))

            feed = Feed(collector, deliver)
            app = WatchApp(_Commands(place, in_replay=False), refresh_feed=feed.refresh)
            run_app(app, feed)


def _print(run: Run, player: Player | None, every_s: float, record: Path | None, *, once: bool) -> None:
    """As lines, until a signal, or the end of a recording."""
    from whatschat_ops.cli.terminal.interrupts import interrupted_while_pausing, until_interrupted
    from whatschat_ops.watch.plain import lines

    before: Snapshot | None = None
    with until_interrupted(), interrupted_while_pausing() as pause, _recorder(record) as recorder:
        found = iter(player.snapshots[player.place :]) if player else _live(run, every_s, pause, once=once)
        for snapshot in found:
            if recorder is not None:
                recorder.write(snapshot)
            if run.out.as_json:
                run.out.stream(snapshot, str)
            else:
                run.out.lines(lines(snapshot, before))
            before = snapshot
            if once:
                return


def _live(run: Run, every_s: float, pause: Callable[[float], None], *, once: bool) -> Iterator[Snapshot]:
    collector = _collector(run, every_s)
    while True:
        if (snapshot := collector.poll(everything=once)) is not None:
            yield snapshot
        pause(collector.wait_s())


def _save(run: Run, player: Player | None, path: Path, every_s: float) -> None:
    """One screen, without a terminal."""
    from whatschat_ops.files import require_writable
    from whatschat_ops.watch.player import Player
    from whatschat_ops.watch.screen.app import WatchApp
    from whatschat_ops.watch.screen.saving import save_first_screen

    require_writable(path, flag="--svg")
    if player is None:
        with run.out.status("Reading the stack"):
            snapshot = _collector(run, every_s).poll(everything=True)
        assert snapshot is not None
        player = Player([snapshot])
    size = shutil.get_terminal_size(DRAWN)
    app = WatchApp(_Commands(run.options.place_words, in_replay=True), replace(player, paused=True))
    save_first_screen(app, path, (size.columns, max(size.lines, DRAWN[1])), flag="--svg")
    run.out.note(f"Saved {path}.")
