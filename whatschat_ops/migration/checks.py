"""The checks of a gate, cut from figures of each minute. Pure.

A check is the shortest time, of whole minutes and at least `interval_s`, that has the minimum of samples; the first one ends
with the newest minute, the next where that one begins. What is older than `LONGEST` intervals says too little of now.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from whatschat_ops.config.migration_settings import GateSettings
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

MINUTE_S: Final = 60
LONGEST: Final = 12
"""Intervals that a check may grow to: with few requests an hour of the default."""


@dataclass(frozen=True, slots=True)
class MinuteFigures:
    """Both paths, minute by minute, oldest first; of equal length."""

    old: tuple[PathFigures, ...]
    new: tuple[PathFigures, ...]


@dataclass(frozen=True, slots=True)
class GateCheck:
    """One check: the minutes `first` until before `last`, both paths in them, and its judgement."""

    first: int
    last: int
    old: PathFigures
    new: PathFigures
    judgement: Judgement


def thresholds_of(settings: GateSettings) -> Thresholds:
    """The limits that the settings give."""
    own = {
        name: getattr(settings, name) for name in GateSettings.__struct_fields__ if hasattr(Thresholds, name)
    }
    return Thresholds(interval_s=settings.interval_minutes * MINUTE_S, **own)


def look_back_s(thresholds: Thresholds) -> int:
    """How much time all checks may take together."""
    return thresholds.checks * LONGEST * thresholds.interval_s


def judge_minutes(
    minutes: MinuteFigures, thresholds: Thresholds, *, measures: Iterable[Measure] = ALL_MEASURES
) -> tuple[Judgement, tuple[GateCheck, ...]]:
    """The judgement of the newest checks together, and each of them, the newest first."""
    expected, checks = frozenset(measures), list[GateCheck]()
    last = len(minutes.new)
    while last > 0 and len(checks) < thresholds.checks:
        first = _first(minutes.new, last, thresholds)
        checks.append(_check(minutes, first, last, thresholds, expected))
        last = first
    return _all_of(checks, thresholds), tuple(checks)


def total(minutes: Sequence[PathFigures]) -> PathFigures:
    """Minutes as one. A count is known if it is in each minute that has requests; of the p95s it is their mean, by requests."""
    busy = [minute for minute in minutes if minute.samples]
    samples = [minute.samples for minute in minutes if minute.samples is not None]
    if not samples:
        return PathFigures()
    return PathFigures(
        sum(samples),
        _sum([minute.errors for minute in busy]),
        _mean([(minute.latency_p95_ms, minute.samples or 0) for minute in busy]),
        _sum([minute.reconnects for minute in busy]),
        _sum([minute.gone_410 for minute in busy]),
    )


def _first(minutes: Sequence[PathFigures], last: int, thresholds: Thresholds) -> int:
    """Where the check begins that ends before minute `last`."""
    interval = thresholds.interval_s // MINUTE_S
    first = max(0, last - interval)
    earliest = max(0, last - LONGEST * interval)
    samples = sum(minute.samples or 0 for minute in minutes[first:last])
    while samples < thresholds.minimum_samples and first > earliest:
        first -= 1
        samples += minutes[first].samples or 0
    return first


def _check(
    minutes: MinuteFigures, first: int, last: int, thresholds: Thresholds, measures: frozenset[Measure]
) -> GateCheck:
    old, new = total(minutes.old[first:last]), total(minutes.new[first:last])
    seconds = (last - first) * MINUTE_S
    found = judge(old, new, thresholds, seconds=seconds, measures=measures)
    if found.verdict is not Verdict.FAIL and seconds < thresholds.interval_s:
        found = _too_short(found, seconds, thresholds)
    elif found.wait_seconds is not None and seconds >= LONGEST * thresholds.interval_s:
        found = _never_enough(found, seconds)
    return GateCheck(first, last, old, new, found)


def _too_short(found: Judgement, seconds: int, thresholds: Thresholds) -> Judgement:
    reason = f"only {seconds // MINUTE_S} min since the last step, a check takes {thresholds.interval_s // MINUTE_S}"
    wait_s = max(float(thresholds.interval_s - seconds), found.wait_seconds or 0)
    return Judgement(Verdict.INCONCLUSIVE, (reason, *found.reasons), wait_s)


def _never_enough(found: Judgement, seconds: int) -> Judgement:
    reason = f"at this rate no check of {seconds // MINUTE_S} min has enough: raise the share or the traffic"
    return replace(found, reasons=(*found.reasons, reason), wait_seconds=None)


def _all_of(checks: Sequence[GateCheck], thresholds: Thresholds) -> Judgement:
    found = combined([check.judgement for check in checks], thresholds.checks)
    missing = thresholds.checks - len(checks)
    if not missing:
        return found
    lengths_s = [(each.last - each.first) * MINUTE_S + (each.judgement.wait_seconds or 0) for each in checks]
    more_s = float(missing * max([thresholds.interval_s, *lengths_s]))
    if all(check.judgement.verdict is Verdict.PASS for check in checks):
        return replace(found, wait_seconds=more_s)
    return found if found.wait_seconds is None else replace(found, wait_seconds=found.wait_seconds + more_s)


def _sum(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _mean(values: Iterable[tuple[float | None, int]]) -> float | None:
    known = [(value, weight) for value, weight in values if value is not None]
    weights = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / weights if weights else None
