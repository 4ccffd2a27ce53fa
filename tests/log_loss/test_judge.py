"""The judge of the loss test, on evidence that breaks each promise."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.log_loss.judge import judge
from tests.log_loss.scenario import Evidence


def record(number: int, late_s: float | None = None) -> dict[str, object]:
    return {"fields": {"n": number}, "late_s": late_s}


GOOD = Evidence(
    written={0: 1000, 1: 3000, 2: 2500},
    late=[2],
    shown=[record(0), record(1), record(2, 0.5)],
    closing="3 events, 1 late (up to 500 ms), 0 lost, 2 throttled.",
    code=0,
    refused=2,
    requests=14,
    streams=1,
    write_s=1.0,
    behind_s=1.0,
)


@pytest.mark.parametrize(
    ("evidence", "broken"),
    [
        (GOOD, set()),
        (replace(GOOD, shown=GOOD.shown[:2]), {0, 2, 3}),
        (replace(GOOD, shown=[*GOOD.shown, record(2, 0.5)]), {0, 3}),
        (replace(GOOD, shown=[record(0), record(1), record(2)]), {1, 2, 3}),
        (replace(GOOD, shown=[record(0), record(1), record(2, 0.4)]), {1}),
        (replace(GOOD, closing=GOOD.closing.replace("0 lost", "1 lost")), {3}),
        (replace(GOOD, refused=0), {4}),
        (replace(GOOD, refused=1), {4}),
    ],
)
def test_judge_names_the_promise_that_was_broken(evidence: Evidence, broken: set[int]) -> None:
    assert {number for number, finding in enumerate(judge(evidence)) if not finding.kept} == broken
