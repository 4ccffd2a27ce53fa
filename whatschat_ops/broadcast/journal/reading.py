"""What the file of a journal says: the questions to it, one function each. They change nothing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from whatschat_ops.broadcast.journal.file import DELIVERED, FAILED, GONE, OUTCOMES, PRUNINGS
from whatschat_ops.broadcast.journal.record import RunRecord
from whatschat_ops.broadcast.journal.summary import Counts, Failure, Latency, Part, RunState, RunSummary
from whatschat_ops.message_size import metered_messages

REASONS = 20
"""So many reasons of failures are told apart; the rest is one."""
EXAMPLES = 3


def record_of(database: sqlite3.Connection) -> RunRecord:
    """What the run is."""
    columns = ", ".join(RunRecord.__slots__)
    return RunRecord(*database.execute(f"SELECT {columns} FROM run").fetchone())


def counts_of(database: sqlite3.Connection) -> Counts:
    """How the connections stand; reads every result."""
    ended = dict.fromkeys(OUTCOMES, 0)
    attempts = _one(database, "SELECT earlier_attempts FROM state")
    for outcome, connections, tries in database.execute(
        "SELECT outcome, count(*), sum(attempts) FROM result GROUP BY outcome"
    ):
        ended[OUTCOMES[outcome]] = connections
        attempts += tries
    pruned = dict.fromkeys(PRUNINGS, 0)
    for pruning, rows in database.execute("SELECT pruning, count(*) FROM gone GROUP BY pruning"):
        pruned[PRUNINGS[pruning]] = rows
    return Counts(
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


def latency_of(database: sqlite3.Connection) -> Latency | None:
    """Percentiles of what was answered, to 0.1 ms; None when nothing was."""
    histogram = database.execute(
        "SELECT (latency_us + 50) / 100 AS bucket, count(*) FROM result WHERE outcome IN (?, ?) "
        "GROUP BY bucket ORDER BY bucket",
        (DELIVERED, GONE),
    ).fetchall()
    if not histogram:
        return None
    return Latency(*(_percentile(histogram, percent) / 10_000 for percent in (50, 95, 99)))


def _percentile(histogram: list[tuple[int, int]], percent: int) -> int:
    """The bucket that holds the value below which so many percent are (nearest rank)."""
    rank = -(-sum(count for _, count in histogram) * percent // 100)
    for bucket, count in histogram:
        rank -= count
        if rank <= 0:
            return bucket
    return histogram[-1][0]


def failures_of(database: sqlite3.Connection) -> tuple[Failure, ...]:
    """Why connections failed, the commonest reason first."""
    by_reason = database.execute(
        "SELECT reason, count(*) AS connections FROM result WHERE outcome = ? GROUP BY reason "
        "ORDER BY connections DESC, reason",
        (FAILED,),
    ).fetchall()
    told = [Failure(reason, count, _examples(database, reason)) for reason, count in by_reason[:REASONS]]
    rest = sum(count for _, count in by_reason[REASONS:])
    if rest:
        told.append(Failure(f"{len(by_reason) - REASONS:,} other reasons", rest, ()))
    return tuple(told)


def _examples(database: sqlite3.Connection, reason: str) -> tuple[str, ...]:
    rows = database.execute(
        "SELECT connection_id FROM result JOIN target USING (number) WHERE outcome = ? AND reason = ? LIMIT ?",
        (FAILED, reason, EXAMPLES),
    )
    return tuple(row[0] for row in rows)


def parts_of(database: sqlite3.Connection) -> tuple[Part, ...]:
    """The processes that worked on the run, in order."""
    columns = ", ".join(Part.__slots__)
    return tuple(Part(*row) for row in database.execute(f"SELECT {columns} FROM part ORDER BY id"))


def closing_of(database: sqlite3.Connection, counts: Counts) -> str:
    """What is costly to ask of a big run, as JSON: kept when a part of the run ends in order."""
    latency = latency_of(database)
    return json.dumps(
        {
            "counts": asdict(counts),
            "latency": asdict(latency) if latency else None,
            "failures": [asdict(failure) for failure in failures_of(database)],
        }
    )


def summary_of(database: sqlite3.Connection, *, held: bool) -> RunSummary:
    """The run as it stands; `held` says whether a process works on it."""
    record, parts = record_of(database), parts_of(database)
    state, ended_at, closing = database.execute("SELECT state, ended_at, closing FROM state").fetchone()
    if state == RunState.RUNNING and not held:
        state = RunState.INTERRUPTED
    known = json.loads(closing or closing_of(database, counts_of(database)))
    counts = Counts(**known["counts"])
    size_bytes = len(record.message)
    duration_s = sum(part.active_s for part in parts)
    return RunSummary(
        run_id=record.run_id,
        state=RunState(state),
        environment=record.environment,
        stack=record.stack,
        table=record.table_name,
        engine=record.engine,
        message_id=record.message_id,
        created_at=record.created_at,
        ended_at=ended_at or (None if held or not parts else parts[-1].seen_at),
        list_complete=bool(_one(database, "SELECT complete FROM listing")),
        connections=counts.listed,
        pending=counts.pending,
        delivered=counts.delivered,
        gone=counts.gone,
        failed=counts.failed,
        pruned=counts.pruned,
        rewritten=counts.rewritten,
        not_pruned=counts.gone - counts.pruned - counts.rewritten,
        not_pruned_because=parts[-1].not_pruned_because if parts else "",
        in_doubt=counts.in_doubt,
        resumes=max(0, len(parts) - 1),
        attempts=counts.attempts,
        throttled=sum(part.throttled for part in parts),
        size_bytes=size_bytes,
        metered_messages=counts.delivered * metered_messages(size_bytes),
        duration_s=round(duration_s, 3),
        rate_per_s=round(counts.ended / duration_s, 1) if duration_s else 0.0,
        latency=Latency(**known["latency"]) if known["latency"] else None,
        failures=tuple(map(_failure, known["failures"])),
    )


def _failure(known: Mapping[str, Any]) -> Failure:
    return Failure(known["reason"], known["connections"], tuple(known["examples"]))


def _one(database: sqlite3.Connection, question: str) -> int:
    return int(database.execute(question).fetchone()[0])
