"""Reads the events of several log groups as they come, each once: the reading half of `logs tail`.

First everything since the start, in exact order (`_catch_up`). Then, when following, in rounds: the end of every group is read
again from a little before the last time, because events become visible some seconds after their time and not in its
order, and pages of an older time, so that an event that is minutes late is found too (`seen.HORIZON_MS`). A group that is not
there is skipped and looked for again; a group that falls behind is caught up with.

Waits and asks AWS; knows nothing of the order in which events are shown (`settling.py`), nor of what they say.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from whatschat_ops.errors import AwsError, NotFound, PermissionDenied, Rejected, Throttled, Unavailable
from whatschat_ops.logs.events import LogEvent
from whatschat_ops.logs.groups import LogGroup
from whatschat_ops.logs.parsed import parse
from whatschat_ops.logs.reading import LogReader, Page, Search
from whatschat_ops.logs.seen import HORIZON_MS, Seen
from whatschat_ops.logs.selecting import Selection, pattern_of_users
from whatschat_ops.quotas import MAX_CONNECTION_S

POLL_S: Final = 1.0
"""At least, between the beginnings of two rounds."""
BEHIND_MS: Final = 30_000
"""A group whose page ends this long before now has more to read than a round should wait for."""
RETRY_GROUPS_S: Final = 10.0
"""How often a group that is not there is looked for."""
_LOOK_BACK_S: Final = 5.0
"""At least, between the beginnings of two looks at the same older time."""
_CHUNK: Final = 500
_LONGEST_PAUSE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Query:
    """Which events. Times in ms; `end_ms` is inclusive. `settle_s`: how late an event may be for its order to be right."""

    groups: Sequence[LogGroup]
    start_ms: int
    end_ms: int | None = None
    pattern: str = ""
    follow: bool = False
    settle_s: float = 2.0

    @property
    def overlap_ms(self) -> int:
        """How long before its newest event a group is read again, each time."""
        return max(1_000, round(self.settle_s * 1000))


class Read(NamedTuple):
    """New events of one group, which arrived at `arrived_s` of the clock, and before `now_ms` of AWS's.

    `arrived_s` is None for events of all groups in the order of their time.
    """

    events: Sequence[LogEvent]
    now_ms: int
    arrived_s: float | None


class RoundEnded(NamedTuple):
    """Every group was read to its end, in a pass that began at `began_s` of the clock."""

    began_s: float


Item: TypeAlias = Read | RoundEnded


class _Followed:
    """One group while it is read. All that was visible at `read_ms` of AWS's clock was read, since the start."""

    def __init__(self, group: LogGroup, start_ms: int) -> None:
        self.group = group
        self.seen = Seen(start_ms)
        self.read_ms = start_ms
        self.skipped = False
        self.look_back: Iterator[Page] | None = None
        self.look_back_at_s = 0.0
        self._newest_ms = start_ms

    def new(self, page: Page, overlap_ms: int) -> list[LogEvent]:
        """The events of a page that were not read before."""
        found = [event for event in page.events if self.seen.add(event)]
        if found:
            self._newest_ms = max(self._newest_ms, min(found[-1].time_ms, page.answered_ms))
        self.seen.forget(self._newest_ms, 4 * overlap_ms)
        return found

    def from_ms(self, overlap_ms: int) -> int:
        """Where to read from, to find what became visible since, up to so long after its time."""
        return max(self.seen.floor_ms, self.read_ms - overlap_ms)


class Tail:
    """The events of a query, as an iterator of what was read. `warn` is told what is skipped, and why.

    Raises NotFound when no group exists and PermissionDenied when none may be read, CredentialsError, and, unless it follows, what
    cannot be read at all: Throttled, Unavailable.
    """

    def __init__(
        self,
        reader: LogReader,
        query: Query,
        warn: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._reader = reader
        self._query = query
        self._warn = warn
        self._clock = clock
        self._sleep = sleep
        self._now_ms = now_ms
        self._groups = [_Followed(group, query.start_ms) for group in query.groups]
        self._failures: list[AwsError] = []
        self._behind = False
        self._aws_now_ms = now_ms()
        self._groups_tried_s = clock()

    @property
    def read_ms(self) -> int:
        """Up to when all groups that are there were read."""
        return min((each.read_ms for each in self._live()), default=self._query.start_ms)

    def items(self) -> Iterator[Item]:
        """What is read, without an end when it follows."""
        yield from self._catch_up()
        self._require_groups()
        while self._query.follow:
            began_s = self._clock()
            yield from self._round(began_s)
            self._look_for_groups()
            if self._behind:
                yield from self._catch_up()
            self._sleep(max(0.0, began_s + POLL_S - self._clock()))

    def _require_groups(self) -> None:
        denied = [error for error in self._failures if isinstance(error, PermissionDenied)]
        if not self._live() and (denied or not self._query.follow):
            raise [*denied, *self._failures][0]

    def _live(self) -> list[_Followed]:
        return [each for each in self._groups if not each.skipped]

    # --- in exact order -------------------------------------------------------------------------------------------

    def _catch_up(self) -> Iterator[Item]:
        """All that is there, merged page by page. When following, without the newest events: they are not in order yet."""
        self._behind = False
        end_ms = self._query.end_ms
        if self._query.follow:
            end_ms = self._now_ms() - self._query.overlap_ms
        merged = heapq.merge(
            *(self._all(each, end_ms) for each in self._live()), key=lambda event: event.time_ms
        )
        chunk: list[LogEvent] = []
        for event in merged:
            chunk.append(event)
            if len(chunk) == _CHUNK:
                yield Read(chunk, self._aws_now_ms, None)
                chunk = []
        yield Read(chunk, self._aws_now_ms, None)

    def _all(self, followed: _Followed, end_ms: int | None) -> Iterator[LogEvent]:
        overlap_ms = self._query.overlap_ms
        for page in self._pages(followed, followed.from_ms(overlap_ms), end_ms, counts=True):
            yield from followed.new(page, overlap_ms)

    # --- following ------------------------------------------------------------------------------------------------

    def _round(self, began_s: float) -> Iterator[Item]:
        for followed in self._live():
            yield from self._end_of(followed)
        if not self._behind:
            yield RoundEnded(began_s)
            yield from self._look_back(began_s + POLL_S)

    def _end_of(self, followed: _Followed) -> Iterator[Item]:
        overlap_ms = self._query.overlap_ms
        for page in self._pages(followed, followed.from_ms(overlap_ms), None, counts=True):
            if found := followed.new(page, overlap_ms):
                yield Read(found, self._aws_now_ms, self._clock())
            if page.token and page.events and page.answered_ms - page.events[-1].time_ms > BEHIND_MS:
                self._behind = True
                return

    def _look_back(self, until_s: float) -> Iterator[Item]:
        """Pages of an older time, of the group whose turn it is: one, and more while there is time."""
        while True:
            due = [each for each in self._live() if each.look_back_at_s <= self._clock()]
            if not due:
                return
            yield from self._page_of_older(min(due, key=lambda each: each.look_back_at_s))
            if self._clock() >= until_s:
                return

    def _page_of_older(self, followed: _Followed) -> Iterator[Item]:
        if followed.look_back is None:
            until_ms = followed.from_ms(self._query.overlap_ms)
            followed.look_back = self._pages(followed, followed.from_ms(HORIZON_MS), until_ms)
        page = next(followed.look_back, None)
        followed.look_back_at_s = self._clock()
        if page is None or page.token is None:
            followed.look_back = None
            followed.look_back_at_s += _LOOK_BACK_S
        if page and (found := followed.new(page, self._query.overlap_ms)):
            yield Read(found, self._aws_now_ms, self._clock())

    # --- pages, whatever happens ----------------------------------------------------------------------------------

    def _pages(
        self, followed: _Followed, start_ms: int, end_ms: int | None, *, counts: bool = False
    ) -> Iterator[Page]:
        """The pages of a search. Ends early for a group that has gone, which is skipped from then on.

        If it `counts`, the group was read up to its beginning, or its end, when it is over.
        """
        token: str | None = None
        began_ms: int | None = None
        while end_ms is None or start_ms <= end_ms:
            try:
                page = self._page(followed, Search(start_ms, end_ms, self._query.pattern), token)
            except (NotFound, PermissionDenied) as error:
                self._skip(followed, error)
                return
            except Rejected:
                if token is None:
                    raise
                token = None  # it has expired: what was read is known, and not shown again
                continue
            began_ms = page.answered_ms if began_ms is None else began_ms
            self._aws_now_ms = page.answered_ms + 1_000  # HTTP's dates have no parts of a second
            yield page
            token = page.token
            if token is None:
                if counts:
                    followed.read_ms = began_ms if end_ms is None else min(began_ms, end_ms)
                return

    def _page(self, followed: _Followed, search: Search, token: str | None) -> Page:
        pause_s, told = 1.0, False
        while True:
            try:
                return self._reader.page(followed.group, search, token)
            except (Throttled, Unavailable) as error:
                if not self._query.follow:
                    raise
                if not told:
                    self._warn(f"{error.message.rstrip('.')}. Trying again.")
                told = True
                self._sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _skip(self, followed: _Followed, error: AwsError) -> None:
        followed.skipped = True
        followed.look_back = None
        why = "does not exist" if isinstance(error, NotFound) else "may not be read"
        self._failures.append(error)
        self._warn(f"The log group {followed.group.name} {why}: {followed.group.source} is skipped.")

    def _look_for_groups(self) -> None:
        """Follow groups that have appeared since."""
        skipped = [each for each in self._groups if each.skipped]
        if not skipped or self._clock() < self._groups_tried_s + RETRY_GROUPS_S:
            return
        self._groups_tried_s = self._clock()
        for followed in skipped:
            try:
                self._page(followed, Search(followed.read_ms, None, self._query.pattern), None)
            except (NotFound, PermissionDenied):
                continue
            followed.skipped = False
            self._warn(f"The log group {followed.group.name} exists now.")


def learn_from_earlier(selection: Selection, reader: LogReader, query: Query) -> None:
    """Learn the connections that a user opened before the start, as far back as they may still be open."""
    if not selection.users:
        return
    start_ms = query.start_ms - MAX_CONNECTION_S * 1000
    search = Search(start_ms, query.end_ms, pattern_of_users(selection.users))
    for group in query.groups:
        with suppress(NotFound, PermissionDenied):  # said when it is read
            for event in reader.events(group, search):
                selection.learn(parse(event))
