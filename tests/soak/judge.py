"""What must hold at the end of a soak. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from tests.soak.soak import Evidence
from tests.soak.usage import Usage
from whatschat_ops.plurals import counted


@dataclass(frozen=True)
class Finding:
    """One invariant."""

    invariant: str
    figures: str
    kept: bool


@dataclass(frozen=True)
class Bound:
    """How much a figure may grow from the first third of the samples to the last: `more`, and for each MB by which the state directory grew."""

    name: str
    value: Callable[[Usage], float]
    more: float
    per_mb_kept: float = 0.0

    def judge(self, samples: Sequence[Usage]) -> Finding:
        """The medians of both thirds; the first sample is the warm-up, if there are others."""
        first, last = _medians(samples, self.value)
        before_mb, after_mb = _medians(samples, lambda each: each.size_mb)
        most = first + self.more + self.per_mb_kept * max(0.0, after_mb - before_mb)
        return Finding(f"No growth: {self.name}", f"{first:g} → {last:g}, at most {most:.4g}", last <= most)


def _medians(samples: Sequence[Usage], value: Callable[[Usage], float]) -> tuple[float, float]:
    warm = [value(each) for each in (samples[1:] or samples)]
    third = max(1, len(warm) // 3)
    return median(warm[:third]), median(warm[-third:])


BOUNDS = (
    Bound("memory of the service, MB, beside what it keeps", lambda each: each.memory_mb, 24, per_mb_kept=5),
    Bound("worker processes", lambda each: each.workers, 4),
    Bound("open files of the service", lambda each: each.open_files, 48),
    Bound("files of its state directory", lambda each: each.files, 16),
    Bound("memory of `doctor --every`, MB", lambda each: each.doctor_mb, 40),
    Bound("open files of `doctor --every`", lambda each: each.doctor_files, 32),
    Bound("memory of `watch --record`, MB", lambda each: each.watch_mb, 24),
    Bound("open files of `watch --record`", lambda each: each.watch_files, 8),
)
KEPT_MB_A_SOCKET = 0.02
"""What the state directory may grow by in a round, for each socket: logs, metrics and CloudTrail's events are kept."""


def judge(found: Evidence) -> Iterator[Finding]:
    """Each invariant, and what was found."""
    yield Finding(
        "Every command and every wait ended as it must",
        f"{len(found.surprises)} did not",
        not found.surprises,
    )
    equal = sum(rows == sockets for rows, sockets in found.rows)
    rows, sockets = found.rows[-1]
    yield Finding(
        "Rows = open sockets, after every round",
        f"{equal} of {len(found.rows)} rounds; at the end {rows} rows, {sockets} sockets",
        equal == len(found.rows),
    )
    yield from _messages(found)
    yield from (bound.judge(found.samples) for bound in BOUNDS)
    yield _kept(found)
    yield Finding("The doctor is green at the end", found.doctor, found.doctor_is_green)
    yield Finding(
        "What ran beside it lived until it was ended",
        ", ".join(f"`{name}`: exit code {code}" for name, code in found.beside.items()),
        None not in found.beside.values() and not any((code or 0) < 0 for code in found.beside.values()),
    )
    yield Finding(
        "The record replays whole: as the live command printed it",
        counted(found.snapshots, "snapshot"),
        found.replays_whole and found.snapshots > 1,
    )
    yield Finding("No process is left", f"{found.left_processes} left", found.left_processes == 0)


def _kept(found: Evidence) -> Finding:
    """The state directory grows by what happened, no faster."""
    first, last = found.samples[0].size_mb, found.samples[-1].size_mb
    most = first + 2 + KEPT_MB_A_SOCKET * found.sockets * len(found.samples)
    figures = f"{first:g} → {last:g}, at most {most:.4g}"
    return Finding("The state directory grows by what is kept of each round, MB", figures, last <= most)


def _messages(found: Evidence) -> Iterator[Finding]:
    total = {
        name: sum(each.summary[name] for each in found.accounts)
        for name in ("connections", "delivered", "gone", "failed", "in_doubt")
    }
    yield Finding(
        "Each connection of each broadcast has one outcome",
        f"{counted(len(found.accounts), 'broadcast')}, {total['connections']:,} connections: {total['delivered']:,} delivered, "
        f"{total['gone']:,} gone, {total['failed']:,} failed",
        total["connections"] == total["delivered"] + total["gone"] and total["failed"] == 0,
    )
    missing = sum(each.missing + each.not_listed for each in found.accounts)
    yield Finding(
        "Every message that is delivered was received, none by others",
        f"{missing} missing",
        missing == 0,
    )
    yield Finding(
        "Second copies are within what the journals count as in doubt",
        f"{sum(each.copies for each in found.accounts)} of at most {total['in_doubt']}",
        all(each.copies <= each.summary["in_doubt"] for each in found.accounts),
    )


def table(found: Evidence) -> str:
    """What was done, and the invariants, in Markdown."""
    done = [f"| {what} | {number:,} |" for what, number in found.done.items() if number]
    kept = [
        f"| {each.invariant} | {each.figures} | {'kept' if each.kept else '**BROKEN**'} |"
        for each in judge(found)
    ]
    return "\n".join(
        ["| done | times |", "|---|---:|", *done, "", "| invariant | found | |", "|---|---|---|", *kept]
    )
