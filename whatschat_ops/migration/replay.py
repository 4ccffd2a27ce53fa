"""What the gate would have said of times that are past. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from whatschat_ops.migration.checks import MINUTE_S, MinuteFigures, judge_minutes, look_back_s
from whatschat_ops.migration.gate import ALL_MEASURES, Judgement, Measure, PathFigures, Thresholds, Verdict


@dataclass(frozen=True, slots=True)
class PastJudgement:
    """What the gate would have said at `at`, and the new path in its newest check."""

    at: datetime
    judgement: Judgement
    new: PathFigures


@dataclass(frozen=True, slots=True)
class Stretch:
    """Judgements in a row with one verdict, at `since` until `until`. The reasons are those of the last one."""

    since: datetime
    until: datetime
    verdict: Verdict
    times: int
    reasons: tuple[str, ...]


def replay(
    minutes: MinuteFigures,
    first: datetime,
    since: datetime,
    thresholds: Thresholds,
    *,
    measures: Iterable[Measure] = ALL_MEASURES,
) -> list[PastJudgement]:
    """One judgement for each interval that ends after `since`. `first` is when the minutes begin."""
    measures = frozenset(measures)
    step, back = thresholds.interval_s // MINUTE_S, look_back_s(thresholds) // MINUTE_S
    skipped = max(0, int((since - first).total_seconds()) // MINUTE_S)
    found = []
    for last in range(skipped + step, len(minutes.new) + 1, step):
        known = slice(max(0, last - back), last)
        cut = MinuteFigures(minutes.old[known], minutes.new[known])
        judgement, checks = judge_minutes(cut, thresholds, measures=measures)
        at = first + timedelta(seconds=last * MINUTE_S)
        found.append(PastJudgement(at, judgement, checks[0].new if checks else PathFigures()))
    return found


def stretches(judgements: Iterable[PastJudgement]) -> Iterator[Stretch]:
    """The same, with verdicts in a row as one."""
    open_: Stretch | None = None
    for each in judgements:
        verdict, reasons = each.judgement.verdict, each.judgement.reasons
        if open_ is not None and open_.verdict is verdict:
            open_ = Stretch(open_.since, each.at, verdict, open_.times + 1, reasons)
            continue
        if open_ is not None:
            yield open_
        open_ = Stretch(each.at, each.at, verdict, 1, reasons)
    if open_ is not None:
        yield open_
