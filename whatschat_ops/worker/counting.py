"""One segment of the table, counted (tally.py): sums in one object, its users in others, so that no memory grows with the segment.

The object with the sums names those with the users, and is written once: of two attempts at a segment the first to end counts. A
worker whose time ends hands over such an object, and the position; the next worker adds to it.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from whatschat_ops.worker.bucket import Objects
from whatschat_ops.worker.control import CONTROL_S, Control
from whatschat_ops.worker.objects import Keys, given_bytes
from whatschat_ops.worker.parts import Totals, compressed
from whatschat_ops.worker.rows import END, Position, StoredPage
from whatschat_ops.worker.tally import Tally

USERS_OF_AN_OBJECT: Final = 50_000
"""A few MB: a worker has 128 MB at least."""


@dataclass(slots=True)
class Count:
    """One attempt at a segment. `pages` gives those from a position on; `now` is the time of the whole run; `left_s` is the time until
    the worker has to end.
    """

    objects: Objects
    keys: Keys
    shard: int
    attempt: str
    pages: Callable[[Position], Iterator[StoredPage]]
    now: datetime
    left_s: Callable[[], float]
    clock_s: Callable[[], float] = time.monotonic
    users_of_an_object: int = USERS_OF_AN_OBJECT
    _tally: Tally = field(default_factory=Tally)
    _written: list[str] = field(default_factory=list)

    def work(self) -> bool:
        """Count what is left of the segment, and write down that it is finished; whether the worker is to be called again for the rest.

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
        if self._tally.users:
            self._write_users()
        if position != END:
            # where another attempt was faster, its object is what the next worker goes on from
            self.objects.create(self.keys.handed(self.shard, handed + 1), self._sums(position))
            return True
        self.objects.create(self.keys.counted(self.shard), self._sums(position))
        self.objects.put(self.keys.done(self.shard), Totals(delivered=self._tally.rows).to_bytes())
        return False

    def _begin(self) -> tuple[Position, int]:
        """Where to go on, and how many workers have handed over the segment."""
        handed = self.objects.keys(self.keys.handed_of(self.shard))
        if not handed:
            return None, 0
        found = _document(self.objects.get(handed[-1]))
        self._tally, self._written = Tally.from_document(found["tally"]), found["users"]
        return found["position"], len(handed)

    def _is_stopped(self) -> bool:
        try:
            return Control.from_bytes(self.objects.get(self.keys.control)).stop
        except Exception:
            if self.objects.keys(self.keys.control):
                raise
            return True  # the command has deleted the run

    def _add(self, page: StoredPage) -> None:
        for item in page.items:
            self._tally.add_item(item, self.now)
        if len(self._tally.users) >= self.users_of_an_object:
            self._write_users()

    def _write_users(self) -> None:
        key = self.keys.counted_users(self.shard, self.attempt, len(self._written) + 1)
        self.objects.put(key, given_bytes(list(self._tally.users.items())))
        self._written.append(key)
        self._tally.users.clear()

    def _sums(self, position: Position) -> bytes:
        found = {"tally": self._tally.to_document(), "users": self._written, "position": position}
        return compressed(json.dumps(found).encode())


def counted_in(content: bytes) -> tuple[Tally, Sequence[str]]:
    """The sums of a segment, and the keys of its users."""
    found = _document(content)
    return Tally.from_document(found["tally"]), found["users"]


def _document(content: bytes) -> Any:
    return json.loads(gzip.decompress(content))
