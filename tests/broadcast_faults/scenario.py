"""One run with faults and kills, and whether it kept its promises."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.broadcast_faults import rows
from tests.broadcast_faults.endpoint import REWRITTEN_AT, Report
from tests.broadcast_faults.fates import Fate, Fates
from tests.broadcast_faults.program import Broadcast
from tests.broadcast_faults.world import FOREIGN_TABLE, TABLE, World

Say = Callable[[str], None]

ACCOUNT_RATE_PER_S = 10_000
IN_FLIGHT = 64
CLAIMED = 256
"""Connections that are written down as begun at once."""
UNRECORDED_S = 0.25
"""Results are written down every 50 ms; what waits to be tried again is begun, too. This is how many seconds' posts both
may be."""


@dataclass(frozen=True)
class Finding:
    """One promise: what it is, the figures, whether it was kept."""

    promise: str
    figures: str
    kept: bool


@dataclass(frozen=True)
class Evidence:
    """Everything that the promises are judged by."""

    seed: int
    kills: int
    rate_per_s: float
    own: rows.Items
    foreign: rows.Items
    report: Report
    summary: Mapping[str, Any]
    exit_code: int
    own_after: rows.Items
    foreign_after: rows.Items


def run_scenario(world: World, seed: int, kills: int, rate_per_s: int | None, say: Say) -> Evidence:
    """Broadcast with `kills` kill -9 at random places, then to the end."""
    options = [] if rate_per_s is None else ["--rate", str(rate_per_s)]
    state_directory = Path(world.environment()["WHATSCHAT_OPS_STATE_DIR"])
    state_directory.mkdir(parents=True)
    broadcast = Broadcast(world.environment(), state_directory, options)
    live = sum(map(rows.is_live, world.own.values()))
    for share in kill_points(seed, kills):
        started, wanted = time.monotonic(), int(live * share)
        broadcast.run_and_kill(lambda wanted=wanted: world.endpoint.taken() >= wanted)  # type: ignore[misc]
        say(f"kill -9 after {wanted:,} of {live:,} had it; this part took {time.monotonic() - started:.1f} s")
    started = time.monotonic()
    exit_code, summary = broadcast.run_to_end()
    say(f"the last part took {time.monotonic() - started:.1f} s")
    return Evidence(
        seed=seed,
        kills=kills,
        rate_per_s=rate_per_s or ACCOUNT_RATE_PER_S,
        own=world.own,
        foreign=world.foreign,
        report=world.endpoint.report(),
        summary=summary,
        exit_code=exit_code,
        own_after=rows.read_rows(world.dynamodb, TABLE),
        foreign_after=rows.read_rows(world.dynamodb, FOREIGN_TABLE),
    )


def kill_points(seed: int, kills: int) -> list[float]:
    """Shares of the connections after which to kill: anywhere, but each in its own stretch of the run."""
    source = random.Random(seed)
    return [(number + source.uniform(0.1, 0.9)) * 0.9 / kills for number in range(kills)]


def judge(evidence: Evidence) -> Iterator[Finding]:
    """Every promise, kept or not."""
    fates = Fates(evidence.seed)
    live = {name for name, row in evidence.own.items() if rows.is_live(row)}
    gone = {name for name in live if fates.of(name).fate is Fate.GONE}
    yield from _deliveries(evidence, live, gone)
    yield from _duplicates(evidence, fates)
    yield from _rows(evidence, fates, gone)
    yield from _accounting(evidence, len(live), len(gone))
    report = evidence.report
    yield Finding(
        "Every request is signed as botocore signs it",
        f"{report.signatures_checked:,} checked, {len(report.problems)} problems {report.problems[:3] or ''}",
        report.signatures_checked > 0 and not report.problems,
    )


def _deliveries(evidence: Evidence, live: set[str], gone: set[str]) -> Iterator[Finding]:
    report = evidence.report
    got = {name for name, times in report.effects.items() if times}
    reachable = live - gone
    yield Finding(
        "Every live connection got the message",
        f"{len(got & reachable):,} of {len(reachable):,}",
        got == reachable,
    )
    others = set(report.attempts) - live
    yield Finding("No other connection was posted to", f"{len(others):,} others", not others)
    ids = set(report.message_ids)
    yield Finding(
        "All of them got the same message id",
        ", ".join(sorted(ids)),
        ids == {str(evidence.summary["message_id"])},
    )


def _duplicates(evidence: Evidence, fates: Fates) -> Iterator[Finding]:
    twice = {name: times - 1 for name, times in evidence.report.effects.items() if times > 1}
    duplicates = sum(twice.values())
    unheard = sum(times for name, times in twice.items() if fates.of(name).fate is Fate.DROPPED_AFTER)
    in_doubt = int(evidence.summary["in_doubt"])
    yield Finding(
        "Duplicates, by kills and by lost answers, are within what the journal counts as in doubt",
        f"{duplicates:,} of at most {in_doubt:,}; {unheard:,} where an answer was lost",
        duplicates <= in_doubt,
    )
    dropped = sum(evidence.report.answers[fate] for fate in (Fate.DROPPED_BEFORE, Fate.DROPPED_AFTER))
    by_kills = evidence.kills * (CLAIMED + IN_FLIGHT + int(evidence.rate_per_s * UNRECORDED_S))
    yield Finding(
        "In doubt is what had no answer, was in flight or not yet written down",
        f"{in_doubt:,} of at most {dropped + by_kills:,}: {dropped:,} without an answer, {evidence.kills} kills",
        in_doubt <= dropped + by_kills and int(evidence.summary["resumes"]) <= evidence.kills,
    )


def _rows(evidence: Evidence, fates: Fates, gone: set[str]) -> Iterator[Finding]:
    rewritten = {name for name in gone if fates.of(name).rewritten}
    pruned = gone - rewritten
    left = pruned & set(evidence.own_after)
    yield Finding(
        "Rows of gone connections are deleted", f"{len(pruned) - len(left):,} of {len(pruned):,}", not left
    )
    survived = rewritten & set(evidence.own_after)
    yield Finding(
        "Rows that were written again in between survive",
        f"{len(survived):,} of {len(rewritten):,}",
        survived == rewritten == evidence.report.rewritten and bool(rewritten),
    )
    expected = {name: row for name, row in evidence.own.items() if name not in pruned}
    for name in rewritten:
        expected[name] = {**expected[name], "connectedAt": {"S": REWRITTEN_AT}}
    changed = sum(evidence.own_after.get(name) != row for name, row in expected.items())
    surplus = len(set(evidence.own_after) - set(expected))
    yield Finding(
        "No other row of the table was touched, expired ones neither",
        f"{len(expected):,} rows, {changed:,} changed, {surplus:,} added",
        evidence.own_after == {**expected, **{name: evidence.own_after[name] for name in left}},
    )
    yield Finding(
        "The other stack's table is what it was",
        f"{len(evidence.foreign_after):,} rows",
        evidence.foreign_after == evidence.foreign,
    )


def _accounting(evidence: Evidence, live: int, gone: int) -> Iterator[Finding]:
    summary = evidence.summary
    wanted = {"connections": live, "delivered": live - gone, "gone": gone, "failed": 0, "pending": 0}
    found = {name: summary[name] for name in wanted}
    yield Finding(
        "Each connection has exactly one outcome",
        ", ".join(f"{name} {value:,}" for name, value in found.items()),
        found == wanted,
    )
    rewritten = len(evidence.report.rewritten)
    pruning = {"pruned": gone - rewritten, "rewritten": rewritten, "not_pruned": 0}
    found = {name: summary[name] for name in pruning}
    yield Finding(
        "Each row of a gone connection is accounted for",
        ", ".join(f"{name} {value:,}" for name, value in found.items()),
        found == pruning,
    )
    yield Finding("The exit code says that nothing failed", str(evidence.exit_code), evidence.exit_code == 0)
