"""The example outputs of docs/migrate.md: what the commands print of these figures, word for word."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from whatschat_ops.cli.migrate.gate import render_gate, render_replays
from whatschat_ops.cli.terminal.tables import Blocks
from whatschat_ops.migration.checks import MINUTE_S, MinuteFigures, judge_minutes
from whatschat_ops.migration.cohort import Service
from whatschat_ops.migration.gate import PathFigures, Thresholds
from whatschat_ops.migration.gating import METRICS, GateReport, Replay, shown_checks, with_doctor
from whatschat_ops.migration.replay import replay

PAGE = Path(__file__).parents[3] / "docs" / "migrate.md"
NOW = datetime(2026, 11, 29, 15, 0, tzinfo=UTC)
WIDTH = 120
LIMITS = Thresholds()

OLD = PathFigures(400, 1, 22.0, 2, 1)
GOOD = PathFigures(60, 0, 68.0, 1, 0)
BROKEN = PathFigures(60, 24, 71.0, 1, 0)
QUIET = PathFigures(4, 0, 64.0, 0, 0)


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def report(*new: PathFigures, old: PathFigures = OLD) -> GateReport:
    minutes = MinuteFigures((old,) * len(new), new)
    judgement, checks = judge_minutes(minutes, LIMITS)
    since = NOW - timedelta(seconds=len(new) * MINUTE_S)
    shown = shown_checks(checks, since)
    return GateReport(
        Service.WEBSOCKET, METRICS, judgement.verdict, judgement.reasons, judgement.wait_seconds, shown, (), (), LIMITS
    )  # fmt: skip


def text(found: GateReport) -> str:
    return Blocks(render_gate(found)).text(WIDTH, styled=False).rstrip()


def replayed() -> str:
    new = (*[QUIET] * 60, *[GOOD] * 30, *[BROKEN] * 10, *[GOOD] * 20)
    first = NOW - timedelta(minutes=len(new))
    minutes = MinuteFigures((PathFigures(),) * len(new), new)
    judgements = replay(minutes, first, first, LIMITS)
    found = Replay(Service.WEBSOCKET, first, LIMITS.interval_s, tuple(judgements), ())
    return render_replays([found]).text(WIDTH, styled=False).rstrip()


EXAMPLES = {
    "passed": lambda: text(report(*[GOOD] * 10)),
    "failed": lambda: text(report(*[GOOD] * 5, *[BROKEN] * 5)),
    "failed doctor": lambda: text(
        with_doctor(
            report(*[GOOD] * 10), ["WS018 websocket.function-concurrency: every invocation is throttled."], 0
        )
    ),
    "inconclusive": lambda: text(report(*[QUIET] * 10, old=PathFigures())),
    "replay": replayed,
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_in_the_docs_is_what_is_printed(name: str) -> None:
    shown = "\n".join(line.rstrip() for line in EXAMPLES[name]().splitlines())
    assert shown in PAGE.read_text(encoding="utf-8"), f"\n{shown}"
