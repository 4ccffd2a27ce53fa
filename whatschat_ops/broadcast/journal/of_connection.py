"""What broadcasts from this machine sent to one connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from whatschat_ops.broadcast.journal import file
from whatschat_ops.broadcast.journal.reading import summary_of
from whatschat_ops.choices import EngineName
from whatschat_ops.errors import OpsError


@dataclass(frozen=True, slots=True)
class BroadcastTo:
    """A message of a broadcast to a connection. `outcome` is None if there is none yet; `at` is when the broadcast began."""

    run_id: str
    at: datetime
    outcome: str | None
    reason: str


def broadcasts_to(
    directory: Path,
    connection_id: str,
    *,
    table: str,
    since: datetime,
    until: datetime,
    of_workers: Callable[[str], tuple[str, str] | None],
) -> Iterator[BroadcastTo]:
    """Those of the journals of this machine that began in that time, over this connections table. Damaged ones are left out.

    The journal of a distributed run has no connections: `of_workers` gives outcome and reason in the run with this id, if it has any.
    """
    for path in sorted(directory.glob(f"*{file.SUFFIX}")):
        try:
            with closing(file.open_to_read(path)) as database, file.explaining(path):
                run = summary_of(database, held=False)
                at = datetime.fromisoformat(run.created_at)
                if run.table != table or not since <= at <= until:
                    continue
                rows = database.execute(
                    "SELECT outcome, reason FROM target LEFT JOIN result USING (number) WHERE connection_id = ?",
                    (connection_id,),
                ).fetchall()
        except OpsError:
            continue
        if run.engine == EngineName.DISTRIBUTED and (found := of_workers(run.run_id)):
            yield BroadcastTo(run.run_id, at, *found)
        for outcome, reason in rows:
            yield BroadcastTo(
                run.run_id, at, None if outcome is None else file.OUTCOMES[outcome], reason or ""
            )
