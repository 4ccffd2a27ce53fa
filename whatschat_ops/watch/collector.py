"""Reads each source when it is due, and lets none of them stop the others: what fails is unknown, and why.

`Feed` does so in a thread of its own, so that a key never waits for AWS.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from whatschat_ops.errors import OpsError
from whatschat_ops.redaction import redact
from whatschat_ops.watch import tiles
from whatschat_ops.watch.snapshot import Snapshot, Tile
from whatschat_ops.watch.sources import Source

LAST_FIRST_S = 1.0
"""The last source waits so long at the start: it reads the whole stack, and the others are shown before that."""


class Collector:
    """The tiles of a stack, as far as they have been read."""

    def __init__(self, stack: str, region: str, sources: Sequence[Source]) -> None:
        self._place = stack, region
        self._sources = sources
        self._due = dict.fromkeys(range(len(sources)), time.monotonic())
        self._due[len(sources) - 1] += LAST_FIRST_S
        self._tiles = {name: tiles.blank(name) for name in tiles.COMMANDS}

    def poll(self, *, everything: bool = False) -> Snapshot | None:
        """Read what is due; None if nothing was, or files only and they are as before."""
        now, before = datetime.now(UTC), dict(self._tiles)
        due = [number for number, at in self._due.items() if everything or at <= time.monotonic()]
        for number in due:
            source = self._sources[number]
            self._tiles |= {tile.name: tile for tile in self._read(source, now)}
            self._due[number] = time.monotonic() + source.every_s
        fastest = min(source.every_s for source in self._sources)
        is_slow = any(self._sources[number].every_s > fastest for number in due)
        if not is_slow and self._tiles == before:
            return None
        return Snapshot(now, *self._place, tuple(self._tiles.values()))

    def wait_s(self) -> float:
        """Until something is due."""
        return max(0.0, min(self._due.values()) - time.monotonic())

    def _read(self, source: Source, now: datetime) -> Iterable[Tile]:
        try:
            return source.read(now)
        except OpsError as error:
            why = error.message
        except Exception as error:  # noqa: BLE001 - an answer that nothing was prepared for must not end the view
            why = f"{type(error).__name__}: {error}"
        return [self._tiles[name].failed(redact(why)) for name in source.names]


class Feed:
    """Delivers snapshots from a thread until it is stopped. `deliver` is called in that thread."""

    def __init__(self, collector: Collector, deliver: Callable[[Snapshot], None]) -> None:
        self._collector = collector
        self._deliver = deliver
        self._wake = threading.Event()
        self._is_stopped = False
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """Begin; the thread does not keep the process from ending, however long AWS takes to answer."""
        self._thread.start()

    def refresh(self) -> None:
        """Read everything now."""
        self._wake.set()

    def stop(self) -> None:
        """Deliver nothing more."""
        self._is_stopped = True
        self._wake.set()

    def _run(self) -> None:
        everything = False
        while not self._is_stopped:
            self._wake.clear()
            snapshot = self._collector.poll(everything=everything)
            if snapshot is not None and not self._is_stopped:
                self._deliver(snapshot)
            everything = self._wake.wait(self._collector.wait_s())
