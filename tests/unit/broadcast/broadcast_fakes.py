"""A source and an engine for tests of a run, and a record to make journals from. Hand-written; no AWS."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from whatschat_ops.broadcast.audience.targets import Page, Row
from whatschat_ops.broadcast.journal.gone import GoneRow
from whatschat_ops.broadcast.journal.journal import Journal
from whatschat_ops.broadcast.journal.record import RunRecord, new_run_id
from whatschat_ops.broadcast.journal.summary import Pruning
from whatschat_ops.sender.model import Outcome, Result, Snapshot, Target

MESSAGE = b'{"type":"notice","payload":"hello"}'


@pytest.fixture(autouse=True)
def let_go(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close the files of all journals that a test leaves open."""
    made: list[Journal] = []
    begin = Journal.__init__

    def remember(self: Journal, path: Path, *connections: sqlite3.Connection) -> None:
        begin(self, path, *connections)
        made.append(self)

    monkeypatch.setattr(Journal, "__init__", remember)
    yield
    for journal in made:
        journal.abandon()


def record(run_id: str = "", *, message: bytes = MESSAGE) -> RunRecord:
    """A record of a run in the environment `test`."""
    return RunRecord(
        run_id=run_id or new_run_id(),
        created_at="2026-11-23T10:15:02+00:00",
        environment="test",
        stack="whatschat-test",
        table_name="websocket-connections",
        region="us-east-1",
        callback_url="http://127.0.0.1:1/production",
        message=message,
        message_id="m-1",
        selection="{}",
        policy="{}",
        engine="local",
        caller_arn="arn:aws:iam::000000000000:user/operator",
    )


def row(index: int) -> Row:
    """The index-th row (from 0); its connection is `c<index>`."""
    return Row(f"c{index}", f"user-{index}", f'{{"S":"{index}"}}')


def new_journal(directory: Path, *, rows: int = 0, complete: bool = True) -> Journal:
    """A journal with rows in it, in one page."""
    journal = Journal.create(directory, record())
    if rows:
        journal.add(Page([row(index) for index in range(rows)], "all"))
    if complete:
        journal.finish_listing()
    return journal


def result(number: int, outcome: Outcome = Outcome.DELIVERED, reason: str = "", attempts: int = 1) -> Result:
    """How it ended for one target."""
    return Result(number, outcome, reason, attempts, 0.01)


@dataclass
class PagedRows:
    """A source of rows c0, c1... in pages; `fail_after` so many pages it raises."""

    rows: int
    page_size: int = 7
    fail_after: int | None = None
    error: Exception = field(default_factory=lambda: RuntimeError("the table cannot be read"))
    closed: bool = False

    def pages(self, position: str | None) -> Iterator[Page]:
        """Pages from a position, which is the index of the next row."""
        try:
            for count, start in enumerate(range(int(position or 0), self.rows, self.page_size)):
                if count == self.fail_after:
                    raise self.error
                end = min(start + self.page_size, self.rows)
                yield Page([row(index) for index in range(start, end)], str(end))
        finally:
            self.closed = True


@dataclass
class RecordingEngine:
    """An engine that notes who got the message. Connections in `gone` are gone, those in `failing` fail, to those in `unanswered`
    it sends twice."""

    gone: Collection[str] = ()
    failing: Collection[str] = ()
    unanswered: Collection[str] = ()
    got: list[str] = field(default_factory=list)
    batch: int = 5
    before_results: Callable[[Sequence[Target]], None] = lambda _targets: None

    def run(self, journal: Journal, should_stop: Callable[[], bool]) -> None:
        """As engine.Engine."""
        while not should_stop():
            targets = journal.claim(self.batch)
            if targets is None:
                return
            if not targets:
                time.sleep(0.001)
                continue
            self.got += [target.connection_id for target in targets if target.connection_id not in self.gone]
            twice = [target.connection_id for target in targets if target.connection_id in self.unanswered]
            if twice:
                journal.add_in_doubt(len(twice))
                self.got += twice
            self.before_results(targets)
            journal.record_results([self._result(target) for target in targets])

    def snapshot(self) -> Snapshot:
        """Only what a journal keeps of it."""
        return Snapshot(account_throttled=3)

    def detail(self) -> str:
        """Nothing."""
        return ""

    def _result(self, target: Target) -> Result:
        if target.connection_id in self.gone:
            return result(target.number, Outcome.GONE)
        if target.connection_id in self.failing:
            return result(target.number, Outcome.FAILED, "HTTP 500", attempts=8)
        return result(target.number)


@dataclass
class RecordingPruner:
    """A Prune that notes what it deleted. Rows in `rewritten` were written again since."""

    rewritten: Collection[str] = ()
    error: Exception | None = None
    deleted: list[str] = field(default_factory=list)
    calls: int = 0

    def __call__(self, rows: Sequence[GoneRow]) -> Sequence[Pruning]:
        """As run.Prune."""
        self.calls += 1
        if self.error is not None:
            raise self.error
        became = [
            Pruning.REWRITTEN if each.connection_id in self.rewritten else Pruning.PRUNED for each in rows
        ]
        self.deleted += [
            each.connection_id for each, this in zip(rows, became, strict=True) if this is Pruning.PRUNED
        ]
        return became
