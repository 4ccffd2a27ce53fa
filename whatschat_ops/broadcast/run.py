"""The running of a broadcast: the list is read, messages are sent and gone rows are pruned at once, over one journal.

    listing thread    source ──▶ journal
    this thread       journal ──▶ engine ──▶ journal        (engine.run blocks; it alone decides the rate)
    pruning threads   journal ──▶ prune ──▶ journal
    watching thread   progress, and a sign of life in the journal, every second

Threads hand things to one another through the journal only, so no queue grows with the number of connections and a kill at
any moment leaves what the journal says.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from whatschat_ops.broadcast.audience.targets import Source
from whatschat_ops.broadcast.engine import Engine
from whatschat_ops.broadcast.journal.journal import Journal
from whatschat_ops.broadcast.journal.summary import Counts, Percentiles, RunState, RunSummary
from whatschat_ops.broadcast.pruning import POLL_S, Prune, prune_gone
from whatschat_ops.errors import OpsError
from whatschat_ops.sender.model import Snapshot

WATCH_INTERVAL_S = 1.0
FAR_AHEAD = 25_000
"""This many connections that are listed and not begun keep the sender busy for seconds."""
PAUSE_FOR_ROW_S = 10e-6
"""Twice what listing a row takes: whenever the sender lets go of the interpreter, for a system call, the listing would take it
for milliseconds; so the list is then read a third of the time."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is. `active_s` is the time since this process began to work on it, `detail` what the engine adds, in words.

    `latencies` are those of the run's summary, so far.
    """

    counts: Counts
    list_complete: bool
    snapshot: Snapshot
    active_s: float
    latencies: Percentiles | None = None
    detail: str = ""


OnProgress = Callable[[Progress], None]
"""Called about every second from a thread of its own, and once more at the end."""


def run_broadcast(
    journal: Journal,
    source: Source | None,
    engine: Engine,
    prune: Prune | None,
    *,
    may_prune: Callable[[Counts], bool] = lambda _: True,
    progress: OnProgress = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
    interval_s: float = WATCH_INTERVAL_S,
) -> RunSummary:
    """Work on the run until it is finished or `should_stop`, and close the journal.

    `source` and `prune` are None when the engine lists and prunes. No row is deleted before `may_prune` says so, and none at all when it never does.

    Raises what engine, source and journal raise, after what is in flight has ended: the run can be resumed then.
    """
    work = _Work(journal, source, engine, prune, may_prune, progress, should_stop, interval_s)
    try:
        summary = work.all()
    except BaseException:
        with suppress(OpsError):  # a full disk: the first error says so
            journal.close(RunState.INTERRUPTED, in_order=False)
        journal.abandon()
        raise
    return summary


@dataclass(slots=True)
class _Work:
    journal: Journal
    source: Source | None
    engine: Engine
    prune: Prune | None
    may_prune: Callable[[Counts], bool]
    progress: OnProgress
    should_stop: Callable[[], bool]
    interval_s: float
    error: BaseException | None = None
    sent: threading.Event = field(default_factory=threading.Event)
    """Nothing is in flight any more, and nothing will be."""
    ended: threading.Event = field(default_factory=threading.Event)

    def all(self) -> RunSummary:
        with (
            self._thread("progress", self._watch, self.ended),
            self._thread("pruning", self._prune, self.sent),
            self._thread("listing", self._list),
        ):
            self.engine.run(self.journal, self.stopping)
        if self.error is not None:
            raise self.error
        return self.journal.close(self._state())

    def stopping(self) -> bool:
        return self.error is not None or self.should_stop()

    @contextmanager
    def _thread(
        self, name: str, work: Callable[[], None], over: threading.Event | None = None
    ) -> Iterator[None]:
        """Run `work` beside the body, and wait for it. What either raises stops the other."""
        thread = threading.Thread(target=self._guarded, args=(work,), name=f"broadcast-{name}")
        thread.start()
        try:
            yield
        except BaseException as error:
            self.error = self.error or error
            raise
        finally:
            if over is not None:
                over.set()
            thread.join()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that called run_broadcast
            self.error = self.error or error

    def _list(self) -> None:
        if self.journal.list_complete or self.source is None:
            return
        pages = iter(self.source.pages(self.journal.position))
        try:
            for page in pages:
                self.journal.add(page)
                if self.stopping():
                    return
                if self.journal.begun_by_claim and self.journal.not_begun > FAR_AHEAD:
                    self.sent.wait(len(page.rows) * PAUSE_FOR_ROW_S)
        finally:
            close = getattr(pages, "close", None)  # a generator ends its own threads then
            if close is not None:
                close()
        self.journal.finish_listing()

    def _prune(self) -> None:
        if self.prune is None:
            return
        while not self.may_prune(self.journal.counts()):
            if self.sent.wait(POLL_S):
                break
        if not self.may_prune(self.journal.counts()):
            return
        prune_gone(self.journal, self.prune, finished=self.sent, should_stop=self.stopping)

    def _watch(self) -> None:
        while True:
            last = self.ended.wait(self.interval_s)
            self.progress(self._where())
            if last:
                return

    def _where(self) -> Progress:
        journal, snapshot = self.journal, self.engine.snapshot()
        journal.note_progress(snapshot.account_throttled)
        return Progress(
            journal.counts(),
            journal.list_complete,
            snapshot,
            journal.active_s,
            journal.latencies(),
            self.engine.detail(),
        )

    def _state(self) -> RunState:
        """Finished: every connection has an outcome, and what is to be pruned was at least tried."""
        journal = self.journal
        done = journal.list_complete and not journal.counts().pending
        if done and not (self.should_stop() and journal.unpruned(1)):
            return RunState.FINISHED
        return RunState.INTERRUPTED
