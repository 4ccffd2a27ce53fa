"""One action while it goes on: a row before the first change, and one with the outcome.

A row that cannot be written stops nothing: that it is missing is said.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from whatschat_ops.audit.entry import AuditEntry, Outcome
from whatschat_ops.audit.log import AuditLog
from whatschat_ops.errors import OpsError


class AuditedAction:
    """The entry of one action. Thread-safe: a thread that is about to change something waits for the first row.

    `caller` gives the ARN of who does it, `warn` is told why a row is missing; with `ensure_table` the table's TTL is
    turned on, too, where it was turned off.
    """

    def __init__(
        self,
        action: str,
        target: Mapping[str, Any],
        reason: str | None,
        *,
        log: Callable[[], AuditLog],
        caller: Callable[[], str],
        warn: Callable[[str], None],
        ensure_table: bool = False,
    ) -> None:
        self._action = action
        self._target = dict(target)
        self._reason = reason
        self._log = log
        self._caller = caller
        self._warn = warn
        self._ensure_table = ensure_table
        self._entry: AuditEntry | None = None
        self._began = False
        self._warned = False
        self._lock = threading.RLock()  # writing the row is itself a request that changes something

    @property
    def reason(self) -> str | None:
        """Why it is done, as the caller said."""
        return self._reason

    def add(self, target: Mapping[str, Any]) -> None:
        """More of what it is done to, learnt while it goes on."""
        self._target = {**self._target, **target}

    def begin(self) -> None:
        """Something is about to be changed: write the first row, once."""
        with self._lock:
            if not self._began:
                self._began = True
                self._write(Outcome.STARTED)

    def end(self, outcome: Outcome, detail: str | None) -> None:
        """Write how it ended, if anything was changed."""
        if self._began:
            self._write(outcome, detail=detail or None, ended_at=datetime.now(UTC))

    def _write(self, outcome: Outcome, **values: Any) -> None:
        try:
            log, entry = self._log(), self._begun()
            if outcome is Outcome.STARTED and self._ensure_table:
                log.ensure_table()
            log.record(replace(entry, target=self._target, outcome=outcome, **values))
        except OpsError as error:
            if not self._warned:
                what = "This action" if outcome is Outcome.STARTED else "The outcome of this action"
                self._warn(f"{what} is not in the audit log: {error.message}")
            self._warned = True

    def _begun(self) -> AuditEntry:
        if self._entry is None:
            by = self._caller()
            self._entry = AuditEntry(at=datetime.now(UTC), by=by, action=self._action, reason=self._reason)
        return self._entry
