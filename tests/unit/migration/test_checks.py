from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from whatschat_ops.config.migration_settings import GateSettings
from whatschat_ops.migration.checks import (
    LONGEST,
    MinuteFigures,
    judge_minutes,
    look_back_s,
    thresholds_of,
    total,
)
from whatschat_ops.migration.gate import PathFigures, Thresholds, Verdict
from whatschat_ops.migration.replay import replay, stretches

LIMITS = Thresholds(interval_s=300, minimum_samples=100, checks=2)
NOTHING = PathFigures()
BUSY = PathFigures(60, 0, 20.0, 0, 0)
QUIET = PathFigures(5, 0, 20.0, 0, 0)
BROKEN = PathFigures(60, 30, 20.0, 0, 0)


def minutes(*new: PathFigures) -> MinuteFigures:
    return MinuteFigures((NOTHING,) * len(new), new)


def cuts(found: MinuteFigures, thresholds: Thresholds = LIMITS) -> list[tuple[int, int]]:
    return [(check.first, check.last) for check in judge_minutes(found, thresholds)[1]]


def test_settings_are_the_thresholds_and_their_defaults_are_the_same() -> None:
    assert thresholds_of(GateSettings()) == Thresholds()
    assert thresholds_of(GateSettings(interval_minutes=1, error_rate=0.5)) == Thresholds(
        interval_s=60, error_rate=0.5
    )
    assert look_back_s(LIMITS) == 2 * LONGEST * 300


def test_busy_path_is_judged_in_intervals_from_the_newest_minute_back() -> None:
    found = minutes(*[BUSY] * 13)
    assert cuts(found) == [(8, 13), (3, 8)]
    assert judge_minutes(found, LIMITS)[0].verdict is Verdict.PASS


def test_quiet_path_is_judged_in_longer_checks() -> None:
    found = minutes(*[QUIET] * 41)
    assert cuts(found) == [(21, 41), (1, 21)]
    assert judge_minutes(found, LIMITS)[0].verdict is Verdict.PASS


def test_path_that_is_nearly_idle_can_never_have_enough_and_no_time_is_promised() -> None:
    idle = PathFigures(1, 0, 20.0, 0, 0)
    judgement, checks = judge_minutes(minutes(*[idle] * 200), LIMITS)
    assert (checks[0].first, checks[0].last) == (140, 200)
    assert (judgement.verdict, judgement.wait_seconds) == (Verdict.INCONCLUSIVE, None)
    assert (
        judgement.reasons[-1] == "at this rate no check of 60 min has enough: raise the share or the traffic"
    )


@pytest.mark.parametrize(
    ("since_the_step", "wait_s", "reason"),
    [
        (0, 600, "0 checks passed, 2 in a row are needed"),
        (3, 420, "only 3 min since the last step, a check takes 5"),
        (5, 300, "1 check passed, 2 in a row are needed"),
        (8, 120, "only 3 min since the last step, a check takes 5"),
    ],
)
def test_step_that_was_just_made_waits_for_its_own_figures(
    since_the_step: int, wait_s: float, reason: str
) -> None:
    judgement, _ = judge_minutes(minutes(*[BUSY] * since_the_step), LIMITS)
    assert (judgement.verdict, judgement.wait_seconds) == (Verdict.INCONCLUSIVE, wait_s)
    assert judgement.reasons[0] == reason


def test_failures_fail_though_the_interval_is_not_over() -> None:
    judgement, _ = judge_minutes(minutes(BROKEN, BROKEN), LIMITS)
    assert judgement.verdict is Verdict.FAIL


def test_older_check_that_failed_is_not_forgotten_by_a_newer_one_that_passes() -> None:
    judgement, checks = judge_minutes(minutes(*[BROKEN] * 5, *[BUSY] * 5), LIMITS)
    assert [check.judgement.verdict for check in checks] == [Verdict.PASS, Verdict.FAIL]
    assert judgement.verdict is Verdict.FAIL


def test_minutes_add_up_with_their_p95s_weighted_by_requests() -> None:
    found = total([PathFigures(10, 1, 10.0, 1, 2), NOTHING, PathFigures(30, 0, 50.0, 0, 1)])
    assert found == PathFigures(40, 1, 40.0, 1, 3)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], NOTHING),
        ([NOTHING, NOTHING], NOTHING),
        ([PathFigures(0), NOTHING], PathFigures(0, 0, None, 0, 0)),
        ([BUSY, PathFigures(60, None, None, 0, 0)], PathFigures(120, None, 20.0, 0, 0)),
        ([PathFigures(None, 5), BUSY], PathFigures(60, 0, 20.0, 0, 0)),
    ],
    ids=["no minutes", "nothing published", "no requests", "errors of half of them", "errors of no request"],
)
def test_count_that_is_half_missing_is_missing(given: list[PathFigures], expected: PathFigures) -> None:
    assert total(given) == expected


NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


def test_replay_gives_a_judgement_for_each_interval_and_joins_those_in_a_row() -> None:
    new = [*[QUIET] * 10, *[BUSY] * 20, *[BROKEN] * 5, *[BUSY] * 10]
    first = NOW - timedelta(minutes=len(new))
    found = replay(minutes(*new), first, first + timedelta(minutes=10), LIMITS)
    assert [each.at for each in found] == [first + timedelta(minutes=15 + 5 * n) for n in range(7)]
    said = [(stretch.verdict, stretch.times) for stretch in stretches(found)]
    assert said == [(Verdict.INCONCLUSIVE, 1), (Verdict.PASS, 3), (Verdict.FAIL, 2), (Verdict.PASS, 1)]
    assert found[4].judgement.reasons[0].startswith("error rate 50 % >")


def test_replay_says_the_same_as_the_gate_at_that_time() -> None:
    new = [*[QUIET] * 30, *[BROKEN] * 7, *[BUSY] * 33]
    first = NOW - timedelta(minutes=len(new))
    for each in replay(minutes(*new), first, first, LIMITS):
        until = int((each.at - first).total_seconds()) // 60
        assert each.judgement == judge_minutes(minutes(*new[:until]), LIMITS)[0]


def test_replay_without_figures_is_inconclusive_throughout() -> None:
    found = replay(minutes(*[NOTHING] * 60), NOW, NOW, LIMITS)
    assert {each.judgement.verdict for each in found} == {Verdict.INCONCLUSIVE}
    assert list(stretches([])) == []
