from __future__ import annotations

from dataclasses import replace

import pytest

from whatschat_ops.migration.gate import (
    ALL_MEASURES,
    Judgement,
    Measure,
    PathFigures,
    Thresholds,
    Verdict,
    combined,
    judge,
)

LIMITS = Thresholds()
GOOD = PathFigures(1_000, 5, 40.0, 10, 10)
NOT_MEASURED = PathFigures()
ERRORS_ONLY = frozenset({Measure.ERRORS})


def test_path_as_good_as_the_old_one_passes_with_each_figure_named() -> None:
    found = judge(GOOD, GOOD, LIMITS)
    assert found.verdict is Verdict.PASS
    assert len(found.reasons) == len(Measure)
    assert found.reasons[0] == "error rate 0.5 % <= 1.5 % (the old path's 0.5 %)"
    assert found.reasons[1] == "latency p95 40 ms <= 200 ms (the old path's 40 ms)"
    assert found.wait_seconds is None


@pytest.mark.parametrize(
    ("worse", "reason"),
    [
        ({"errors": 16}, "error rate 1.6 % > 1.5 % (the old path's 0.5 %)"),
        ({"latency_p95_ms": 201.0}, "latency p95 201 ms > 200 ms (the old path's 40 ms)"),
        ({"reconnects": 31}, "reconnects 3.1 % > 3 % (the old path's 1 %)"),
        ({"gone_410": 31}, "410s 3.1 % > 3 % (the old path's 1 %)"),
    ],
)
def test_one_figure_beyond_its_threshold_fails_and_is_named_first(
    worse: dict[str, float], reason: str
) -> None:
    found = judge(GOOD, replace(GOOD, **worse), LIMITS)  # type: ignore[arg-type]
    assert (found.verdict, found.reasons[0]) == (Verdict.FAIL, reason)


def test_latency_of_a_slow_old_path_is_compared_by_its_ratio() -> None:
    slow = replace(GOOD, latency_p95_ms=400.0)
    assert judge(slow, replace(GOOD, latency_p95_ms=600.0), LIMITS).verdict is Verdict.PASS
    assert judge(slow, replace(GOOD, latency_p95_ms=601.0), LIMITS).verdict is Verdict.FAIL


def test_unpublished_old_path_leaves_absolute_limits_and_says_so() -> None:
    at_limit = PathFigures(1_000, 20, 1_000.0, 50, 50)
    passed = judge(NOT_MEASURED, at_limit, LIMITS)
    assert passed.verdict is Verdict.PASS
    assert passed.reasons[0] == "error rate 2 % <= 2 % (an absolute limit)"
    assert passed.reasons[-1] == "the old path publishes no figures: absolute limits were used"
    assert judge(NOT_MEASURED, replace(at_limit, errors=21), LIMITS).verdict is Verdict.FAIL


def test_nearly_idle_old_path_is_not_compared_with() -> None:
    idle = replace(GOOD, samples=3, errors=3)
    found = judge(idle, replace(GOOD, errors=21), LIMITS)
    assert found.verdict is Verdict.FAIL
    assert found.reasons[-1] == "the old path had only 3 requests: absolute limits were used"


@pytest.mark.parametrize(
    ("figure", "missing"),
    [
        ("errors", "error rate of the new path: not known"),
        ("latency_p95_ms", "latency p95 of the new path: not known"),
        ("reconnects", "reconnects of the new path: not known"),
        ("gone_410", "410s of the new path: not known"),
    ],
)
def test_missing_figure_of_the_new_path_decides_nothing(figure: str, missing: str) -> None:
    found = judge(GOOD, replace(GOOD, **{figure: None}), LIMITS)
    assert (found.verdict, found.reasons[0]) == (Verdict.INCONCLUSIVE, missing)


def test_missing_figure_beside_a_wrong_one_still_fails() -> None:
    found = judge(GOOD, replace(GOOD, errors=500, latency_p95_ms=None), LIMITS)
    assert found.verdict is Verdict.FAIL


def test_figure_that_the_service_does_not_have_is_not_asked_for() -> None:
    chime = PathFigures(samples=1_000, errors=0)
    assert judge(NOT_MEASURED, chime, LIMITS, measures=ERRORS_ONLY).verdict is Verdict.PASS
    assert judge(NOT_MEASURED, chime, LIMITS, measures=ALL_MEASURES).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(("samples", "wait_s"), [(99, 4), (50, 300), (1, 29_700)])
def test_too_few_requests_say_how_long_to_wait_at_the_rate_seen(samples: int, wait_s: float) -> None:
    found = judge(GOOD, replace(GOOD, samples=samples, errors=0), LIMITS)
    assert (found.verdict, found.wait_seconds) == (Verdict.INCONCLUSIVE, wait_s)
    assert found.reasons[0].endswith("of the new path in 300 s, 100 are needed")


@pytest.mark.parametrize("samples", [None, 0])
def test_no_requests_are_inconclusive_for_an_unknown_time(samples: int | None) -> None:
    found = judge(GOOD, PathFigures(samples), LIMITS)
    assert (found.verdict, found.wait_seconds) == (Verdict.INCONCLUSIVE, None)
    assert found.reasons == ("no requests of the new path were counted",)


def test_few_requests_with_more_errors_than_a_full_sample_may_have_fail_at_once() -> None:
    few = PathFigures(20, 3, 10.0, 0, 0)
    found = judge(NOT_MEASURED, few, LIMITS)
    assert found.verdict is Verdict.FAIL
    assert found.reasons[0] == "3 errors of 20 requests: more than 100 requests may have"
    assert judge(NOT_MEASURED, replace(few, errors=2), LIMITS).verdict is Verdict.INCONCLUSIVE


def test_checks_in_a_row_pass_only_together() -> None:
    passed, failed = Judgement(Verdict.PASS, ("p",)), Judgement(Verdict.FAIL, ("f",))
    waiting = Judgement(Verdict.INCONCLUSIVE, ("i",), 5.0)
    assert combined([passed, passed], 2).verdict is Verdict.PASS
    assert combined([passed, failed], 2) is failed
    assert combined([waiting, failed], 2) is failed
    assert combined([passed, waiting], 2) is waiting
    assert combined([passed], 2) == Judgement(
        Verdict.INCONCLUSIVE, ("1 check passed, 2 in a row are needed", "p")
    )
    assert combined([], 1).reasons == ("0 checks passed, 1 in a row are needed",)
