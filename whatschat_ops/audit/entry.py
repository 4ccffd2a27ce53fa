"""An entry of the audit log as data, and as the rows that hold it.

    month (partition key)   2026-11
    entry (sort key)        2026-11-29T01:32:43.123456Z#<id>        the row of the start
                            2026-11-29T01:32:43.123456Z#<id>#end    the row of the outcome, which repeats all of the first

A row is never changed, so an outcome is a row of its own, next to that of the start. An entry without one is of an action
that is running, or whose process was killed.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from msgspec import Struct, field

from whatschat_ops.aws.items import plain, typed
from whatschat_ops.redaction import redact

KEPT: Final = timedelta(days=400)
MOST_VALUES: Final = 1_000
"""Of one target: a row holds 400 KB at most (DynamoDB developer guide, Constraints.html)."""
LONGEST_TEXT: Final = 1_000


class Outcome(StrEnum):
    """How an action ended. `started`: it runs, or its process was killed before it could say."""

    STARTED = "started"
    SUCCEEDED = "succeeded"
    PARTLY_DONE = "partly done"
    FAILED = "failed"


class AuditEntry(Struct, frozen=True, kw_only=True):
    """Who (`by`, an ARN) did what to which `target`, when (`at`, its start), why (`reason`), and how it ended.

    `target` maps `user_id`, `connection_id`, `run`, `function` and the like to a value or a list of values; `everyone` is True
    where all users are meant.
    """

    at: datetime
    by: str
    action: str
    target: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None
    outcome: Outcome = Outcome.STARTED
    detail: str | None = None
    ended_at: datetime | None = None
    id: str = field(default_factory=lambda: secrets.token_hex(16))

    def concerns(self, user: str | None = None, connection: str | None = None) -> bool:
        """Whether it was done to this user or connection (None: any); what was done to everyone was done to each user."""
        of_user = user is None or self.target.get("everyone") is True or user in self._named("user_id")
        return of_user and (connection is None or connection in self._named("connection_id"))

    def _named(self, what: str) -> tuple[Any, ...]:
        value = self.target.get(what, ())
        return tuple(value) if isinstance(value, list | tuple) else (value,)


def sort_key(entry: AuditEntry) -> str:
    """Of the row of an entry."""
    return f"{stamp(entry.at)}#{entry.id}{'' if entry.outcome is Outcome.STARTED else '#end'}"


def month_of(moment: datetime) -> str:
    """The partition of an entry of this moment."""
    return f"{moment.astimezone(UTC):%Y-%m}"


def stamp(moment: datetime) -> str:
    """A moment as it is sorted by: UTC, always with microseconds."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def row_of(entry: AuditEntry) -> dict[str, Any]:
    """The item of an entry, in DynamoDB's JSON. What people typed is stored without secrets and not longer than a row may be."""
    return typed(
        {
            "month": month_of(entry.at),
            "entry": sort_key(entry),
            "id": entry.id,
            "by": entry.by,
            "action": entry.action,
            "target": _bounded(entry.target),
            "reason": _text(entry.reason),
            "outcome": entry.outcome.value,
            "detail": _text(entry.detail),
            "endedAt": stamp(entry.ended_at) if entry.ended_at else None,
            "ttl": int((entry.at + KEPT).timestamp()),
        }
    )


def entry_of(item: Mapping[str, Any]) -> AuditEntry:
    """The entry of an item as `row_of` made it."""
    row = plain(item)
    return AuditEntry(
        at=datetime.fromisoformat(row["entry"].partition("#")[0]),
        by=row["by"],
        action=row["action"],
        target=row["target"],
        reason=row.get("reason"),
        outcome=Outcome(row["outcome"]),
        detail=row.get("detail"),
        ended_at=datetime.fromisoformat(row["endedAt"]) if "endedAt" in row else None,
        id=row["id"],
    )


def _bounded(target: Mapping[str, Any]) -> dict[str, Any]:
    """The target, its longest lists cut: how many values are left out stands beside them."""
    bounded: dict[str, Any] = {}
    for name, value in target.items():
        bounded[name] = list(value[:MOST_VALUES]) if isinstance(value, list | tuple) else value
        if isinstance(value, list | tuple) and len(value) > MOST_VALUES:
            bounded[f"{name}_omitted"] = len(value) - MOST_VALUES
    return bounded


def _text(text: str | None) -> str | None:
    return None if text is None else redact(text)[:LONGEST_TEXT]
