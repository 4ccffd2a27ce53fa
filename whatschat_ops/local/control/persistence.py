"""Saves changes while the service runs, so that a kill -9 loses at most the last moments.

ministack itself saves only when it stops. `Autosave` is told which service changed, takes a snapshot of it in a
thread, and writes it; after a slow save a service is not saved again for ten times as long, so that saving never
takes more than a tenth of the time. It does not depend on ministack: `snapshot` and `write` are passed in.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from whatschat_ops.errors import LocalError

_log = logging.getLogger(__name__)

TICK_S = 0.5
SHARE_OF_TIME = 0.1
LAZY_DELAY_S = 10.0
MAX_NAMED = 5
"""So many services that cannot be saved are named."""
_SNAPSHOT_ATTEMPTS = 3

Snapshot = Callable[[str], Any]
"""Name of a service -> a copy of its state, or None when it has none to save."""
Write = Callable[[str, Any], None]
"""Name and state: it is on disk when this returns. Raises OSError."""


class Autosave:
    """The changed services, and when each of them is due."""

    def __init__(
        self,
        snapshot: Snapshot,
        write: Write,
        *,
        clock: Callable[[], float] = time.monotonic,
        report: Callable[[Mapping[str, str]], None] = lambda _: None,
    ) -> None:
        """`report` gets the services that could not be saved and why, each time that this changes."""
        self._snapshot = snapshot
        self._write = write
        self._clock = clock
        self._due: dict[str, float] = {}
        self._not_before: dict[str, float] = {}
        self._failures: dict[str, str] = {}
        self._report = report
        self._one_at_a_time = asyncio.Lock()
        self._saving: set[asyncio.Task[None]] = set()

    def changed(self, service: str, *, lazily: bool = False) -> None:
        """Record that `service` changed. From any thread. `lazily`: for frequent changes that may wait (logs)."""
        due = self._clock() + (LAZY_DELAY_S if lazily else 0.0)
        self._due[service] = min(due, self._due.get(service, due))

    async def run(self) -> None:
        """Save what is due, without end."""
        while True:
            await asyncio.sleep(TICK_S)
            for service in self.due():
                await self.save(service)

    def due(self) -> list[str]:
        """The services to save now."""
        now = self._clock()
        return [
            name for name, due in list(self._due.items()) if max(due, self._not_before.get(name, 0)) <= now
        ]

    async def flush(self) -> None:
        """Save everything that changed, however recently, and wait for what is being saved."""
        for service in list(self._due):
            await self.save(service)
        async with self._one_at_a_time:
            pass

    async def save(self, service: str) -> None:
        """Save one service, after what is being saved. A failure is logged and reported, and the service stays due."""
        # Whoever waits may be cancelled, the thread that writes is not: beside it a newer state would be written to the same
        # partial file, or replaced by the older one.
        saving = asyncio.create_task(self._save_alone(service))
        self._saving.add(saving)
        saving.add_done_callback(self._saving.discard)
        await asyncio.shield(saving)

    async def _save_alone(self, service: str) -> None:
        async with self._one_at_a_time:
            await self._save(service)

    async def _save(self, service: str) -> None:
        started = self._clock()
        self._due.pop(service, None)  # before the snapshot: a change during it is saved next time
        failure = None
        try:
            state = await self._consistent_snapshot(service)
            if state is not None:
                await asyncio.to_thread(self._write, service, state)
        except OSError as error:
            failure = error.strerror or str(error)
            _log.error("%s is not saved: %s", service, error)
        except Exception as error:  # noqa: BLE001 - a bug in one service must not stop the saving of all others
            failure = f"{type(error).__name__}: {error}"
            _log.exception("Saving %s failed.", service)
        now = self._clock()
        self._not_before[service] = now + max(2 * TICK_S, (now - started) / SHARE_OF_TIME)
        if failure is not None:
            self.changed(service)
        self._note(service, failure)

    def _note(self, service: str, failure: str | None) -> None:
        before = dict(self._failures)
        if failure is None:
            self._failures.pop(service, None)
        else:
            self._failures[service] = failure
        if self._failures != before:
            self._report(self._failures)

    async def _consistent_snapshot(self, service: str) -> Any:
        # The services change their state on the event loop. Copying it in a thread keeps the loop free but may fail on a
        # dictionary that grows meanwhile ("changed size during iteration"); as a last resort the copy is made on the loop.
        for _ in range(_SNAPSHOT_ATTEMPTS):
            try:
                return await asyncio.to_thread(self._snapshot, service)
            except RuntimeError:
                continue
        return self._snapshot(service)


def unsaved_text(failures: Mapping[str, str]) -> str | None:
    """`dynamodb, iam (No space left on device)`; None when nothing failed."""
    if not failures:
        return None
    names = list(failures)  # those that failed first are those that were changed
    more = [f"{len(names) - MAX_NAMED} more services"] if len(names) > MAX_NAMED else []
    return f"{', '.join([*names[:MAX_NAMED], *more])} ({', '.join(sorted(set(failures.values())))})"


def require_readable(directory: Path) -> None:
    """Raise LocalError, naming the file, if a saved state is not JSON.

    ministack would start without it and overwrite it at the next save: its content would be lost silently.
    """
    for file in sorted(directory.glob("*.json")):
        try:
            json.loads(file.read_bytes())
        except (ValueError, RecursionError) as error:
            raise LocalError(
                f"The state of the embedded AWS is damaged: {file} is not JSON ({error})."
            ) from error
