"""Reads the file of a journal, one function per question. Nothing is changed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, NamedTuple

from whatschat_ops.broadcast.journal.file import FAILED, OUTCOMES, PRUNINGS
from whatschat_ops.broadcast.journal.record import RunRecord, rfc3339
from whatschat_ops.broadcast.journal.summary import (
    Counts,
    FailureGroup,
    Part,
    Percentiles,
    RunState,
    RunSummary,
)
from whatschat_ops.broadcast.kinds import BROADCAST
from whatschat_ops.measure.histogram import BITS, LARGEST_US, BucketCount, Histogram
from whatschat_ops.message_size import metered_messages

REASONS = 20
"""Of failures, that are listed one by one; the rest is one group."""
EXAMPLES = 3
STANDING = "standing"
"""The mark of a distributed run whose connections are in S3 only: what `closing_of` says of it."""


def record_of(database: sqlite3.Connection) -> RunRecord:
    """What the run is."""
    row = database.execute("SELECT * FROM run")
    known = dict(zip((column[0] for column in row.description), row.fetchone(), strict=True))
    found = RunRecord(**{name: known[name] for name in RunRecord.__slots__ if name in known})
    return replace(found, created_at=rfc3339(found.created_at))


class Standing(NamedTuple):
    """How the connections stand, and the latencies of those that are delivered or gone."""

    counts: Counts
    latencies: Histogram


def standing_of(database: sqlite3.Connection) -> Standing:
    """How the connections stand; reads every result, once."""
    ended = dict.fromkeys(OUTCOMES, 0)
    attempts = _one(database, "SELECT earlier_attempts FROM state")
    buckets: list[BucketCount] = []
    for outcome, bucket, connections, tries, sum_us, largest_us in database.execute(
        f"SELECT outcome, {BUCKET} AS bucket, count(*), sum(attempts), sum(latency_us), max(latency_us) "
        "FROM result GROUP BY outcome, bucket"
    ):
        ended[OUTCOMES[outcome]] += connections
        attempts += tries
        if outcome != FAILED:
            buckets.append(BucketCount(bucket, connections, sum_us, largest_us))
    pruned = dict.fromkeys(PRUNINGS, 0)
    for pruning, rows in database.execute("SELECT pruning, count(*) FROM gone GROUP BY pruning"):
        pruned[PRUNINGS[pruning]] = rows
    counts = Counts(
        listed=_one(database, "SELECT coalesce(max(number), 0) FROM target"),
        delivered=ended["delivered"],
        gone=ended["gone"],
        failed=ended["failed"],
        pruned=pruned["pruned"],
        rewritten=pruned["rewritten"],
        prune_failed=pruned["prune_failed"],
        in_doubt=_one(database, "SELECT coalesce(sum(in_doubt), 0) FROM part"),
        attempts=attempts,
    )
    return Standing(counts, Histogram(buckets))


def _bucket_sql() -> str:
    """`measure.histogram.bucket_of(latency_us)` for SQLite, which has neither logarithms nor the length of a number in bits."""
    shifts = range(1, LARGEST_US.bit_length() - BITS)
    cases = (
        f"WHEN latency_us < {1 << (BITS + 1 + shift)} THEN {shift << BITS} + (latency_us >> {shift})"
        for shift in shifts
    )
    return f"CASE WHEN latency_us < {1 << (BITS + 1)} THEN latency_us {' '.join(cases)} END"


BUCKET = _bucket_sql()


def failures_of(database: sqlite3.Connection) -> tuple[FailureGroup, ...]:
    """Why connections failed, the commonest reason first."""
    by_reason = database.execute(
        "SELECT reason, count(*) AS connections FROM result WHERE outcome = ? GROUP BY reason "
        "ORDER BY connections DESC, reason",
        (FAILED,),
    ).fetchall()
    groups = [
        FailureGroup(reason, count, _examples(database, reason)) for reason, count in by_reason[:REASONS]
    ]
    rest = sum(count for _, count in by_reason[REASONS:])
    if rest:
        groups.append(FailureGroup(f"{len(by_reason) - REASONS:,} other reasons", rest, ()))
    return tuple(groups)


def _examples(database: sqlite3.Connection, reason: str) -> tuple[str, ...]:
    rows = database.execute(
        "SELECT connection_id FROM result JOIN target USING (number) WHERE outcome = ? AND reason = ? LIMIT ?",
        (FAILED, reason, EXAMPLES),
    )
    return tuple(row[0] for row in rows)


def parts_of(database: sqlite3.Connection) -> tuple[Part, ...]:
    """The processes that worked on the run, in order."""
    columns = ", ".join(Part.__slots__)
    found = (Part(*row) for row in database.execute(f"SELECT {columns} FROM part ORDER BY id"))
    return tuple(
        replace(part, started_at=rfc3339(part.started_at), seen_at=rfc3339(part.seen_at)) for part in found
    )


def remembered_standing(database: sqlite3.Connection) -> Standing | None:
    """How the connections of a distributed run stood when it was last followed; without latencies."""
    known = _remembered(database)
    return Standing(Counts(**json.loads(known)["counts"]), Histogram()) if known else None


def _remembered(database: sqlite3.Connection) -> str | None:
    found = database.execute("SELECT value FROM mark WHERE key = ?", (STANDING,)).fetchone()
    return found[0] if found else None


def closing_of(
    database: sqlite3.Connection, standing: Standing, failures: tuple[FailureGroup, ...] | None = None
) -> str:
    """What takes long to read of a big run, as JSON: kept when a part of the run ends in order."""
    if failures is None:
        failures = failures_of(database)
    percentiles = Percentiles.of(standing.latencies)
    return json.dumps(
        {
            "counts": asdict(standing.counts),
            "latency": asdict(percentiles) if percentiles else None,
            "failures": [asdict(group) for group in failures],
        }
    )


def summary_of(database: sqlite3.Connection, *, held: bool) -> RunSummary:
    """The run as it stands; `held` says whether a process works on it."""
    record, parts = record_of(database), parts_of(database)
    state, ended_at, closing = database.execute("SELECT state, ended_at, closing FROM state").fetchone()
    known = json.loads(closing or _remembered(database) or closing_of(database, standing_of(database)))
    counts = Counts(**known["counts"])
    size_bytes = len(record.message)
    duration_s = sum(part.active_s for part in parts)
    return RunSummary(
        run_id=record.run_id,
        state=RunState.INTERRUPTED if state == RunState.RUNNING and not held else RunState(state),
        environment=record.environment,
        stack=record.stack,
        table=record.table_name,
        engine=record.engine,
        message_id=record.message_id,
        created_at=record.created_at,
        ended_at=rfc3339(ended_at) if ended_at else None if held or not parts else parts[-1].seen_at,
        list_complete=bool(_one(database, "SELECT complete FROM listing")),
        connections=counts.listed,
        pending=counts.pending,
        delivered=counts.delivered,
        gone=counts.gone,
        failed=counts.failed,
        pruned=counts.pruned,
        rewritten=counts.rewritten,
        not_pruned=counts.to_prune(record.kind) - counts.pruned - counts.rewritten,
        not_pruned_because=parts[-1].not_pruned_because if parts else "",
        in_doubt=counts.in_doubt,
        resumes=max(0, len(parts) - 1),
        attempts=counts.attempts,
        throttled=sum(part.throttled for part in parts),
        size_bytes=size_bytes,
        metered_messages=counts.delivered * metered_messages(size_bytes) if record.kind == BROADCAST else 0,
        duration_s=round(duration_s, 3),
        rate_per_s=round(counts.ended / duration_s, 1) if duration_s else None,
        latency=Percentiles(**known["latency"]) if known["latency"] else None,
        failures=tuple(map(_group, known["failures"])),
        kind=record.kind,
    )


def _group(known: Mapping[str, Any]) -> FailureGroup:
    return FailureGroup(known["reason"], known["connections"], tuple(known["examples"]))


def _one(database: sqlite3.Connection, question: str) -> int:
    return int(database.execute(question).fetchone()[0])
