"""A run as S3 has it, for a machine that did not begin it or has not followed it to its end."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Final

from whatschat_ops.broadcast.distributed.launching import read_spec
from whatschat_ops.broadcast.distributed.outcomes import (
    DOWNLOADS,
    Outcomes,
    failed_connection,
    failures_in,
    standing_in,
)
from whatschat_ops.broadcast.journal import past_runs
from whatschat_ops.broadcast.journal.failed import FailedConnection
from whatschat_ops.broadcast.journal.journal import Journal
from whatschat_ops.broadcast.journal.record import RunRecord
from whatschat_ops.broadcast.journal.summary import RunDetails, RunState
from whatschat_ops.worker.bucket import Objects
from whatschat_ops.worker.objects import Keys, shards_of
from whatschat_ops.worker.parts import Part

MOST_PARTS: Final = 1_000
"""Of a run that is looked through for one connection: about 10 s, a million connections."""
NOT_LOOKED_UP: Final = "not looked up"


def record_in(objects: Objects, run_id: str) -> RunRecord | None:
    """What a run is; None: the bucket has no such run. Raises OpsError for one that an earlier version began."""
    spec = read_spec(objects, run_id)
    if spec is None:
        return None
    return RunRecord(**spec.record, message=objects.get(Keys(run_id).message))


def outcomes_in(objects: Objects, run_id: str) -> Outcomes:
    """What came of a run so far."""
    keys = Keys(run_id)
    lists = [objects.get(key) for key in objects.keys(keys.lists)]
    found = Outcomes(objects, keys, {shard.shard: shard for each in lists for shard in shards_of(each)})
    found.refresh()
    return found


def details_in(objects: Objects, record: RunRecord, directory: Path) -> RunDetails:
    """A run as it stands in S3, and what the journal in `directory` says beside that, if there is one."""
    outcomes = outcomes_in(objects, record.run_id)
    totals = outcomes.totals()
    with tempfile.TemporaryDirectory(prefix="whatschat-ops-") as scratch:
        journal = Journal.create(Path(scratch), record)
        journal.set_standing(
            standing_in(totals, outcomes.pending), failures_in(totals), totals.not_pruned_because
        )
        if not outcomes.unfinished:
            journal.finish_listing()
        journal.close(RunState.INTERRUPTED if outcomes.unfinished else RunState.FINISHED)
        found = past_runs.read_run(Path(scratch), record.run_id)
    if not past_runs.has_run(directory, record.run_id):
        return replace(found, summary=replace(found.summary, duration_s=0.0, rate_per_s=None, ended_at=None))
    known = past_runs.read_run(directory, record.run_id)
    same = {
        name: getattr(known.summary, name)
        for name in ("ended_at", "resumes", "throttled", "duration_s", "rate_per_s")
    }
    return replace(known, summary=replace(found.summary, **same))


def outcome_in(objects: Objects, run_id: str, connection_id: str) -> tuple[str, str] | None:
    """(outcome, reason) of one connection in a run; None: it has none. A run with very many parts is not looked through, which the answer says."""
    keys = objects.keys(Keys(run_id).parts)
    if len(keys) > MOST_PARTS:
        return NOT_LOOKED_UP, f"its outcomes are in {len(keys):,} objects of S3"
    with ThreadPoolExecutor(DOWNLOADS, thread_name_prefix="outcomes") as pool:
        parts = pool.map(lambda key: Part.from_bytes(objects.get(key)), keys)
        found = [each for part in parts for each in part.ended if each.row.connection_id == connection_id]
    return (found[-1].outcome.value, found[-1].reason) if found else None


def failed_in(objects: Objects, run_id: str) -> Iterator[FailedConnection]:
    """The connections of a run that failed."""
    return map(failed_connection, outcomes_in(objects, run_id).failed())
