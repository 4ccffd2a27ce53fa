"""What a run is: the facts that its journal keeps from the start and that never change."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime

from whatschat_ops.broadcast.kinds import BROADCAST


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a run is (`kind`: kinds.py). `selection` and `policy` are JSON texts, `created_at` is ISO 8601 in UTC."""

    run_id: str
    created_at: str
    environment: str
    stack: str
    table_name: str
    region: str
    callback_url: str
    message: bytes = field(repr=False)
    message_id: str
    selection: str = field(repr=False)
    policy: str
    engine: str
    caller_arn: str
    kind: str = BROADCAST


def new_run_id(now: datetime | None = None) -> str:
    """An id that sorts by time: 20261123-101502-7f3a."""
    return f"{now or datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def timestamp() -> str:
    """This moment in UTC, ISO 8601, to the second."""
    return rfc3339(datetime.now(UTC).isoformat(timespec="seconds"))


def rfc3339(moment: str) -> str:
    """A time in UTC as every command writes it, also of a journal whose times end with +00:00."""
    return moment.replace("+00:00", "Z")
