"""The changes of a migration, read from the audit log: it outlives the stack, and nothing in it is changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from msgspec import Struct

from whatschat_ops.audit import AuditEntry, AuditLog

ACTION: Final = "migrate"
FROM: Final = "from"
TO: Final = "to"


class MigrationChange(Struct, frozen=True):
    """One change: who (an ARN) did what, when, why, and in which place it was `before` and `after`. `serial` is that of the state after it."""

    at: datetime
    by: str
    action: str
    before: str
    after: str
    reason: str | None
    outcome: str
    serial: int | None
    forced: bool
    released: bool
    """Whether a hold was ended."""


def history(
    log: AuditLog, *, since: datetime | None = None, until: datetime | None = None
) -> Iterator[MigrationChange]:
    """The changes, newest first; all of 400 days without `since`. Raises NotProvisioned when there is no audit log."""
    for entry in log.entries(action=ACTION, since=since, until=until):
        if TO in entry.target:
            yield _change(entry)


def _change(entry: AuditEntry) -> MigrationChange:
    serial = entry.target.get("serial")
    return MigrationChange(
        entry.at,
        entry.by,
        entry.action,
        str(entry.target.get(FROM, "")),
        str(entry.target[TO]),
        entry.reason,
        entry.outcome.value,
        None if serial is None else int(serial),
        bool(entry.target.get("forced")),
        bool(entry.target.get("release")),
    )
