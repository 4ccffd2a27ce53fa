"""What the loss test promises, and whether it was kept. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from tests.log_loss.scenario import Evidence


class Finding(NamedTuple):
    """One promise, what was found, and whether it was kept."""

    promise: str
    figures: str
    kept: bool


def judge(evidence: Evidence) -> Iterator[Finding]:
    """Every promise."""
    numbers = evidence.numbers
    missing = evidence.written.keys() - numbers.keys()
    twice = [number for number, times in numbers.items() if times > 1]
    yield Finding(
        "each event is shown exactly once",
        f"{len(evidence.written):,} written, {len(missing):,} missing, {len(twice):,} shown more than once",
        not missing and not twice and len(evidence.shown) == len(evidence.written),
    )
    marks, right = _marks(evidence)
    yield Finding(
        "late events are marked with how late they are, no others",
        f"{sum(mark > 0 for mark in marks):,} marked, {len(marks) - right:,} marks wrong",
        right == len(marks),
    )
    marked = {record["fields"]["n"] for record in evidence.shown if record["late_s"]}
    yield Finding(
        "what is older than all that was shown is marked",
        f"{len(marked.intersection(evidence.late)):,} of {len(evidence.late):,}",
        marked.issuperset(evidence.late),
    )
    events, late, lost, throttled = closing_figures(evidence.closing)
    yield Finding(
        "the closing line says so",
        f"{events:,} events, {late:,} late, {lost:,} lost, {throttled:,} throttled",
        (events, late, lost) == (len(evidence.written), sum(mark > 0 for mark in marks), 0),
    )
    yield Finding(
        "throttling is survived and counted",
        f"{evidence.refused:,} of {evidence.requests:,} requests refused",
        # Its reading thread goes on until the process is gone, after the line.
        0 < throttled <= evidence.refused,
    )


def closing_figures(closing: str) -> tuple[int, int, int, int]:
    """Events, late, lost and throttled of the closing line."""
    found = re.search(r"([\d,]+) events, ([\d,]+) late.*?, ([\d,]+) lost, ([\d,]+) throttled", closing)
    assert found is not None, closing
    events, late, lost, throttled = (int(figure.replace(",", "")) for figure in found.groups())
    return events, late, lost, throttled


def _marks(evidence: Evidence) -> tuple[Sequence[int], int]:
    """How late each shown event says it is, in ms; and how many of them are right."""
    times = [evidence.written[record["fields"]["n"]] for record in evidence.shown]
    newest = [0, *accumulate(times, max)]
    marks = [round((record["late_s"] or 0) * 1000) for record in evidence.shown]
    expected = [max(0, before - time_ms) for before, time_ms in zip(newest, times, strict=False)]
    return marks, sum(mark == right for mark, right in zip(marks, expected, strict=True))
