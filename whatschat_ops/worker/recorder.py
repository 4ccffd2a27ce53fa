"""Writes the parts of a shard while it is sent, and deletes the rows of gone connections: in threads of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from whatschat_ops.sender.model import Snapshot
from whatschat_ops.worker.ledger import Ledger
from whatschat_ops.worker.parts import Part
from whatschat_ops.worker.pruning import Pruning
from whatschat_ops.worker.rows import Row

PART_INTERVAL_S: Final = 1.0
PRUNING_THREADS: Final = 4
MOST_BATCHES: Final = 64
"""Requests that wait. While there are more, no part is written, which holds up the sending."""
HOPELESS: Final = 8
"""After this many failed requests in a row the rows are kept: the run must come to its end."""

Prune = Callable[[Sequence[Row]], Sequence[Pruning]]


class Pruner:
    """Deletes gone rows in batches, and tells the ledger what became of them."""

    def __init__(self, prune: Prune, ledger: Ledger, rows_at_once: int) -> None:
        self._prune = prune
        self._ledger = ledger
        self._rows_at_once = rows_at_once
        self._pool = ThreadPoolExecutor(PRUNING_THREADS, thread_name_prefix="pruning")
        self._waiting = threading.Condition()
        self._batches = 0
        self._failures = 0

    def add(self, rows: Sequence[Row]) -> None:
        """Delete rows that a part has as gone. Waits while very many others do."""
        batches = [rows[at : at + self._rows_at_once] for at in range(0, len(rows), self._rows_at_once)]
        with self._waiting:
            self._waiting.wait_for(lambda: self._batches < MOST_BATCHES)
            self._batches += len(batches)
        for batch in batches:
            self._pool.submit(self._work, batch)

    def close(self) -> None:
        """Wait for all."""
        self._pool.shutdown(wait=True)

    def _work(self, rows: Sequence[Row]) -> None:
        why = ""
        try:
            if self._failures >= HOPELESS:
                became: Sequence[Pruning] = [Pruning.PRUNE_FAILED] * len(rows)
            else:
                became = self._prune(rows)
                self._failures = 0
        except Exception as error:  # noqa: BLE001 - counted: a row that stays is no failure of the run
            became, why = [Pruning.PRUNE_FAILED] * len(rows), str(error)
            self._failures += 1
        self._ledger.pruned(rows, became, why)
        with self._waiting:
            self._batches -= 1
            self._waiting.notify_all()


class Recorder:
    """Writes parts: every second, and as soon as there is more to be allowed."""

    def __init__(
        self,
        write: Callable[[Part], None],
        attempt: str,
        ledger: Ledger,
        pruner: Pruner,
        snapshot: Callable[[], Snapshot],
        ahead: Callable[[], int],
    ) -> None:
        """`write` writes a part; `ahead` is how many rows may be begun before the next one."""
        self._write_part = write
        self._attempt = attempt
        self._ledger = ledger
        self._pruner = pruner
        self._snapshot = snapshot
        self._ahead = ahead
        self._condition = threading.Condition()
        self._near = False
        self._closed = False
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)

    def begin(self, unpruned: Sequence[Row]) -> None:
        """Read the first page, write the first part, then go on in a thread. Raises what writing raises: nothing was sent yet."""
        self._ledger.preload()
        self._write(self._ahead())
        self._pruner.add(unpruned)
        self._thread.start()

    def reached(self) -> None:
        """The sender has taken rows."""
        if not self._near and self._ledger.may_allow(self._ahead()):
            with self._condition:
                self._near = True
                self._condition.notify()

    def close(self, *, in_order: bool) -> None:
        """Write what is left. `in_order`: nothing is in flight. Raises what writing raised."""
        with self._condition:
            self._closed = True
            self._condition.notify()
        self._thread.join()
        if self.error is not None:
            raise self.error
        if self._ledger.has_rows_to_delete:
            self._write(None, in_order=in_order)
        self._pruner.close()
        self._write(None, in_order=in_order, final=True)

    def _work(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._near or self._closed, timeout=PART_INTERVAL_S)
                if self._closed:
                    return
                idle = not self._near and not self._ledger.has_news
            if idle:
                continue
            try:
                self._write(self._ahead())
            except Exception as error:  # noqa: BLE001 - handed to the thread that closes
                self.error = error
                return

    def _write(self, ahead: int | None, *, in_order: bool = False, final: bool = False) -> None:
        snapshot = self._snapshot
        part = self._ledger.cut(self._attempt, snapshot, ahead=ahead, in_order=in_order, final=final)
        self._write_part(part)
        self._ledger.allow()
        self._pruner.add(self._ledger.to_delete(part.ended))
        with self._condition:
            self._near = False
