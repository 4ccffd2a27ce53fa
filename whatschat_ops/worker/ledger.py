"""Which rows of a shard are still to be sent to, which are begun, and what came of them. In memory, for one attempt.

    pages ──▶ take() ──▶ sender ──▶ settle() ──▶ cut(): what the next part says

The sending thread takes and settles, the recorder's thread cuts. Rows are handed out in the order in which they are read, as far as is
allowed; a page is whole when all of its rows have an outcome, and the position moves over whole pages only.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Self

from whatschat_ops.sender.model import Result, Snapshot, Target
from whatschat_ops.worker.actions import ACTIONS, Action
from whatschat_ops.worker.kinds import BROADCAST
from whatschat_ops.worker.parts import Ended, Part, Totals, ended_of
from whatschat_ops.worker.pruning import Pruning
from whatschat_ops.worker.rows import END, Keep, Page, Position, Row

ROWS_AT_HAND = 2_000
"""With fewer, the next page is read."""


@dataclass(frozen=True, slots=True)
class Before:
    """What earlier attempts did: their last part and its number (0: none), and ids with an outcome behind its position."""

    part: Part = field(default_factory=lambda: Part(""))
    number: int = 0
    done: frozenset[str] = frozenset()

    @classmethod
    def of(cls, parts: Mapping[int, Part]) -> Self:
        """Of the parts by number: the last one, and those that it refers to by `since`."""
        if not parts:
            return cls()
        number = max(parts)
        last = parts[number]
        behind = (part for place, part in parts.items() if place >= last.since)
        return cls(last, number, frozenset(each.row.connection_id for part in behind for each in part.ended))


@dataclass(slots=True)
class _OpenPage:
    position: Position
    since: int
    left: int


class Ledger:
    """The rows of one attempt at a shard."""

    def __init__(
        self, pages: Iterator[Page], before: Before, keep: Keep, action: Action = ACTIONS[BROADCAST]
    ) -> None:
        self._pages = pages
        self._action = action
        self._keep = keep
        self._done = set(before.done)
        self._since_before = before.part.since
        self._position = before.part.position
        self._totals = before.part.totals
        self._totals.in_doubt += before.part.begun
        self._unpruned = {row.connection_id: row for row in before.part.unpruned}
        self._counters: dict[str, int] = {}
        self._open: deque[_OpenPage] = deque()
        self._ready: deque[tuple[Row, _OpenPage]] = deque()
        self._begun: dict[int, tuple[Row, _OpenPage]] = {}
        self._ended: list[Ended] = []
        self._number = 0
        self._exhausted = self._position == END
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="pages")
        self._reading: Future[Page | None] | None = None
        self.next_part = before.number + 1
        self.allowed = self._next_allowed = 0
        """How many rows may be begun in this attempt."""
        self.reached = 0
        """How many were."""
        self.may_open = True
        """Whether another page may be begun."""

    # -- the sending thread

    def preload(self) -> None:
        """Read the first page, before any part says what may be begun of it. Raises what reading raises."""
        with self._lock:
            if not self._exhausted:
                self._reading = self._pool.submit(next, self._pages, None)
                self._reading.exception()
                self._absorb()

    def take(self, limit: int) -> Sequence[Target] | None:
        """Rows to send to now, at most `limit`; None: there will be no more. Raises what reading a page raises."""
        with self._lock:
            self._absorb()
            targets: list[Target] = []
            while len(targets) < limit and self.reached < self.allowed:
                self._number += 1
                self._begun[self._number] = self._ready.popleft()
                targets.append(Target(self._number, self._begun[self._number][0].connection_id))
                self.reached += 1
            return targets if targets or self._ready or self._may_go_on() else None

    def settle(self, results: Sequence[Result]) -> None:
        """How it ended; `sender.model.OnResults`."""
        with self._lock:
            for result in results:
                row, page = self._begun.pop(result.number)
                ended = ended_of(row, self._action.judged(result))
                page.left -= 1
                self._ended.append(ended)
                self._totals.add(ended)
            self._move()

    def close(self) -> None:
        """Read no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    # -- the recorder's thread

    def cut(
        self,
        attempt: str,
        snapshot: Callable[[], Snapshot],
        *,
        ahead: int | None,
        in_order: bool = False,
        final: bool = False,
    ) -> Part:
        """The next part: where the shard stands now, and the outcomes since the last cut.

        `ahead`: so many of the rows at hand may be begun once it is written (`allow`), None: no more. `in_order`: nothing is in flight. `final`: if
        nothing is left.
        """
        with self._lock:
            ended, self._ended = self._ended, []
            self._counters = self._totals.add_counters(snapshot(), self._counters)
            self._unpruned |= {row.connection_id: row for row in self.to_delete(ended)}
            more = 0 if ahead is None else min(ahead, len(self._ready))
            self._next_allowed = self.reached + (
                more if ahead is None else max(more, self.allowed - self.reached)
            )
            part = Part(
                attempt,
                position=self._position,
                since=self._since(),
                begun=0 if in_order else len(self._begun) + self._next_allowed - self.reached,
                pending=sum(page.left for page in self._open),
                final=final and self._exhausted and not self._open,
                totals=Totals.from_document(self._totals.to_document()),
                unpruned=list(self._unpruned.values()),
                ended=ended,
            )
            self.next_part += 1
            return part

    @property
    def at_hand(self) -> int:
        """How many rows were read and are not begun."""
        return len(self._ready)

    def may_allow(self, ahead: int) -> bool:
        """Whether the sender comes near what it is allowed, and there are rows that it is not allowed to begin."""
        left = self.allowed - self.reached
        return left < ahead // 2 and left < len(self._ready)

    def allow(self) -> None:
        """What the last cut says may be begun: its part is written."""
        self.allowed = self._next_allowed

    @property
    def has_news(self) -> bool:
        """Whether there are outcomes that no part has."""
        return bool(self._ended)

    @property
    def has_rows_to_delete(self) -> bool:
        """Whether there are such rows that no part has."""
        with self._lock:
            return bool(self.to_delete(self._ended))

    def to_delete(self, ended: Sequence[Ended]) -> list[Row]:
        """The rows of these that are to be deleted."""
        return [each.row for each in ended if each.outcome in self._action.deletes]

    def pruned(self, rows: Sequence[Row], became: Sequence[Pruning], why: str) -> None:
        """What became of gone rows."""
        with self._lock:
            self._totals.add_pruned(became, why)
            for row in rows:
                del self._unpruned[row.connection_id]

    @property
    def is_finished(self) -> bool:
        """Whether every row has an outcome."""
        return self._exhausted and not self._open

    @property
    def position(self) -> Position:
        """The pages before it are whole."""
        return self._position

    @property
    def totals(self) -> Totals:
        """So far, of all attempts."""
        return self._totals

    # -- inside: the lock is held

    def _may_go_on(self) -> bool:
        return self.may_open and not self._exhausted

    def _absorb(self) -> None:
        """Put the rows of a page that has been read at the end of those at hand, and read on while these are few."""
        while self._may_go_on():
            if self._reading is None:
                if len(self._ready) >= ROWS_AT_HAND:
                    return
                self._reading = self._pool.submit(next, self._pages, None)
            if not self._reading.done():
                return
            page, self._reading = self._reading.result(), None
            if page is None:
                self._exhausted = True
            else:
                self._begin_page(page)

    def _begin_page(self, page: Page) -> None:
        since = self._since_before if self._done else self.next_part
        done = {row.connection_id for row in page.rows if row.connection_id in self._done}
        self._done -= done
        rows = [row for row in page.rows if row.connection_id not in done and self._keep(row)]
        self._totals.add_missing(page.missing)
        opened = _OpenPage(page.position, since, len(rows))
        self._open.append(opened)
        self._ready.extend((row, opened) for row in rows)
        self._move()

    def _since(self) -> int:
        """The first part with outcomes behind the position. Those of earlier attempts count until all of their rows were read again;
        rows that are deleted never are."""
        earlier = [self._since_before] if self._done else []
        return min([*earlier, *(page.since for page in self._open)], default=self.next_part + 1)

    def _move(self) -> None:
        while self._open and not self._open[0].left:
            self._position = self._open.popleft().position
