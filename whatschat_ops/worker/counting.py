"""One segment of the table, read without doing anything to a connection: counted (tally.py), or sampled.

What is found are sums of a fixed size, and items, users or rows, which are written to objects of their own, so that no memory grows
with the segment. The object with the sums names those with the items, and is written once: of two attempts at a segment the first to
end counts. A worker whose time ends hands over such an object, and the position; the next worker adds to it.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

from whatschat_ops.worker.bucket import Objects
from whatschat_ops.worker.control import CONTROL_S, Control
from whatschat_ops.worker.objects import Keys, given_bytes
from whatschat_ops.worker.parts import Totals, compressed
from whatschat_ops.worker.rows import END, Keep, Position, Row, StoredPage, live_rows
from whatschat_ops.worker.tally import Tally

ITEMS_OF_AN_OBJECT: Final = 50_000
"""A few MB: a worker has 128 MB at least."""


class Found(Protocol):
    """What is found in a segment."""

    @property
    def rows(self) -> int:
        """How many rows were found, in all."""
        ...

    @property
    def waiting(self) -> int:
        """How many items are to be written."""
        ...

    def add(self, items: Sequence[Mapping[str, Any]]) -> None:
        """Look at rows as they are stored."""
        ...

    def take(self) -> list[Any]:
        """Those items, which are forgotten here."""
        ...

    def to_document(self) -> dict[str, Any]:
        """The sums, as JSON has them."""
        ...

    def go_on_from(self, document: Mapping[str, Any]) -> None:
        """Take these sums as those so far."""
        ...


@dataclass(slots=True)
class Counted:
    """Sums at the time `now` of the whole run; the items are users with their connections."""

    now: datetime
    tally: Tally = field(default_factory=Tally)

    @property
    def rows(self) -> int:
        """How many rows were counted."""
        return self.tally.rows

    @property
    def waiting(self) -> int:
        """How many users are to be written."""
        return len(self.tally.users)

    def add(self, items: Sequence[Mapping[str, Any]]) -> None:
        """Count rows."""
        for item in items:
            self.tally.add_item(item, self.now)

    def take(self) -> list[Any]:
        """The users and their connections since the last time."""
        users = list(self.tally.users.items())
        self.tally.users.clear()
        return users

    def to_document(self) -> dict[str, Any]:
        """As JSON has it."""
        return self.tally.to_document()

    def go_on_from(self, document: Mapping[str, Any]) -> None:
        """Add to these sums."""
        self.tally = Tally.from_document(document)


@dataclass(slots=True)
class Kept:
    """The rows that have not expired and that `keep` wants; they are the items. `now_s`: the time in epoch seconds."""

    keep: Keep
    now_s: Callable[[], float]
    rows: int = 0
    _waiting: list[Row] = field(default_factory=list)

    @property
    def waiting(self) -> int:
        """How many rows are to be written."""
        return len(self._waiting)

    def add(self, items: Sequence[Mapping[str, Any]]) -> None:
        """Keep some of these rows."""
        kept = list(filter(self.keep, live_rows(items, self.now_s())))
        self.rows += len(kept)
        self._waiting += kept

    def take(self) -> list[Any]:
        """The rows since the last time."""
        rows, self._waiting = self._waiting, []
        return rows

    def to_document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"rows": self.rows}

    def go_on_from(self, document: Mapping[str, Any]) -> None:
        """Add to these."""
        self.rows = document["rows"]


@dataclass(slots=True)
class Count:
    """One attempt at a segment. `pages` gives those from a position on; `left_s` is the time until the worker has to end."""

    objects: Objects
    keys: Keys
    shard: int
    attempt: str
    pages: Callable[[Position], Iterator[StoredPage]]
    found: Found
    left_s: Callable[[], float]
    clock_s: Callable[[], float] = time.monotonic
    items_of_an_object: int = ITEMS_OF_AN_OBJECT
    _written: list[str] = field(default_factory=list)

    def work(self) -> bool:
        """Read what is left of the segment, and write down that it is finished; whether the worker is to be called again for the rest.

        It ends early when its time does, which is looked at after each page, or when the run is stopped. Nothing is written then.
        """
        if self._is_stopped():
            return False
        position, handed = self._begin()
        looked_s = self.clock_s()
        for page in self.pages(position):
            self._add(page)
            position = page.position
            if position == END:
                break
            if self.clock_s() - looked_s >= CONTROL_S:
                if self._is_stopped():
                    return False
                looked_s = self.clock_s()
            if self.left_s() <= 0:
                break
        return self._end(position, handed)

    def _end(self, position: Position, handed: int) -> bool:
        if self.found.waiting:
            self._write_items()
        sums = {"sums": self.found.to_document(), "items": self._written, "position": position}
        content = compressed(json.dumps(sums).encode())
        if position != END:
            # where another attempt was faster, its object is what the next worker goes on from
            self.objects.create(self.keys.handed(self.shard, handed + 1), content)
            return True
        self.objects.create(self.keys.counted(self.shard), content)
        self.objects.put(self.keys.done(self.shard), Totals(delivered=self.found.rows).to_bytes())
        return False

    def _begin(self) -> tuple[Position, int]:
        """Where to go on, and how many workers have handed over the segment."""
        handed = self.objects.keys(self.keys.handed_of(self.shard))
        if not handed:
            return None, 0
        sums, self._written, position = _document(self.objects.get(handed[-1]))
        self.found.go_on_from(sums)
        return position, len(handed)

    def _is_stopped(self) -> bool:
        try:
            return Control.from_bytes(self.objects.get(self.keys.control)).stop
        except Exception:
            if self.objects.keys(self.keys.control):
                raise
            return True  # the command has deleted the run

    def _add(self, page: StoredPage) -> None:
        self.found.add(page.items)
        if self.found.waiting >= self.items_of_an_object:
            self._write_items()

    def _write_items(self) -> None:
        key = self.keys.counted_items(self.shard, self.attempt, len(self._written) + 1)
        self.objects.put(key, given_bytes(self.found.take()))
        self._written.append(key)


def counted_in(content: bytes) -> tuple[Mapping[str, Any], Sequence[str]]:
    """The sums of a segment, and the keys of its items."""
    sums, items, _ = _document(content)
    return sums, items


def _document(content: bytes) -> tuple[Mapping[str, Any], list[str], Position]:
    found = json.loads(gzip.decompress(content))
    return found["sums"], found["items"], found["position"]
