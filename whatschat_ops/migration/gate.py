"""The gate before a step of a migration: is the new path as good as the old one? Pure.

    judge(old, new, Thresholds()).verdict

A figure that was not measured is None, never 0. Without figures of the old path the new one is judged against absolute
limits. Too few requests of the new path decide nothing, unless they have failed more often than a full sample may.
The names are those of Flagger's analysis: interval, checks, thresholds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from whatschat_ops.plurals import counted


class Verdict(StrEnum):
    """What the gate says of a step."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class Measure(StrEnum):
    """A figure that is judged."""

    ERRORS = "error rate"
    LATENCY = "latency p95"
    RECONNECTS = "reconnects"
    GONE = "410s"


ALL_MEASURES: Final = frozenset(Measure)


@dataclass(frozen=True, slots=True)
class PathFigures:
    """What one path did in a time. `samples` are its requests: connects and messages, or calls of Chime SDK."""

    samples: int | None = None
    errors: int | None = None
    latency_p95_ms: float | None = None
    reconnects: int | None = None
    gone_410: int | None = None


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Limits of the gate (settings `migration.gate.*`). Rates and differences of rates are shares of the requests.

    With figures of the old path a rate may exceed its rate by `*_difference`, the latency its latency by the factor
    `latency_ratio`, but a latency up to `latency_floor_ms` always passes. Without them `*_rate` and `latency_ms` are the limits.
    """

    interval_s: int = 300
    minimum_samples: int = 100
    checks: int = 2
    error_rate: float = 0.02
    error_rate_difference: float = 0.01
    latency_ms: float = 1_000.0
    latency_ratio: float = 1.5
    latency_floor_ms: float = 200.0
    reconnect_rate: float = 0.05
    reconnect_rate_difference: float = 0.02
    gone_rate: float = 0.05
    gone_rate_difference: float = 0.02


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and its reasons, the ones that decide it first. `wait_seconds`: until there may be enough to judge; None: unknown."""

    verdict: Verdict
    reasons: tuple[str, ...]
    wait_seconds: float | None = None


def judge(
    old: PathFigures,
    new: PathFigures,
    thresholds: Thresholds,
    *,
    seconds: float | None = None,
    measures: Iterable[Measure] = ALL_MEASURES,
) -> Judgement:
    """The judgement of one check: figures of `seconds` (default: one interval), of which `measures` are to be known."""
    samples, least = new.samples or 0, thresholds.minimum_samples
    findings = [_finding(each, old, new, thresholds) for each in Measure if each in set(measures)]
    wrong = tuple(each.text for each in findings if each.verdict is Verdict.FAIL)
    if samples < least:
        if _has_failed_already(new, _error_limit(old, thresholds), least):
            return Judgement(Verdict.FAIL, (_too_many_errors(new, least), *wrong))
        return _too_few(new, least, seconds or thresholds.interval_s)
    unknown = tuple(each.text for each in findings if each.verdict is Verdict.INCONCLUSIVE)
    good = tuple(each.text for each in findings if each.verdict is Verdict.PASS)
    remarks = _remarks(old, least)
    if wrong:
        return Judgement(Verdict.FAIL, (*wrong, *unknown, *good, *remarks))
    if unknown:
        return Judgement(Verdict.INCONCLUSIVE, (*unknown, *good, *remarks))
    return Judgement(Verdict.PASS, (*good, *remarks))


def combined(judgements: Iterable[Judgement], needed: int) -> Judgement:
    """The judgement of several checks, newest first: one that fails decides, and `needed` of them must pass."""
    given = list(judgements)
    for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE):
        for found in given:
            if found.verdict is verdict:
                return found
    if len(given) < needed:
        reason = f"{counted(len(given), 'check')} passed, {needed} in a row are needed"
        return Judgement(Verdict.INCONCLUSIVE, (reason, *(given[0].reasons if given else ())))
    return given[0]


# --- one figure ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Finding:
    verdict: Verdict
    text: str


def _finding(measure: Measure, old: PathFigures, new: PathFigures, thresholds: Thresholds) -> _Finding:
    if measure is Measure.LATENCY:
        return _latency(_compared(old, thresholds).latency_p95_ms, new.latency_p95_ms, thresholds)
    value, before = _rate(measure, new), _rate(measure, _compared(old, thresholds))
    if value is None:
        return _Finding(Verdict.INCONCLUSIVE, f"{measure} of the new path: not known")
    absolute, difference = _limits(measure, thresholds)
    limit = absolute if before is None else before + difference
    against = "an absolute limit" if before is None else f"the old path's {_percent(before)}"
    verdict = Verdict.FAIL if value > limit else Verdict.PASS
    sign = ">" if verdict is Verdict.FAIL else "<="
    return _Finding(verdict, f"{measure} {_percent(value)} {sign} {_percent(limit)} ({against})")


def _latency(before: float | None, value: float | None, thresholds: Thresholds) -> _Finding:
    if value is None:
        return _Finding(Verdict.INCONCLUSIVE, f"{Measure.LATENCY} of the new path: not known")
    limit, against = thresholds.latency_ms, "an absolute limit"
    if before is not None:
        limit = max(before * thresholds.latency_ratio, thresholds.latency_floor_ms)
        against = f"the old path's {before:,.0f} ms"
    verdict = Verdict.FAIL if value > limit else Verdict.PASS
    sign = ">" if verdict is Verdict.FAIL else "<="
    return _Finding(verdict, f"{Measure.LATENCY} {value:,.0f} ms {sign} {limit:,.0f} ms ({against})")


def _limits(measure: Measure, thresholds: Thresholds) -> tuple[float, float]:
    """The absolute limit of a rate, and by how much it may exceed the old path's."""
    return {
        Measure.ERRORS: (thresholds.error_rate, thresholds.error_rate_difference),
        Measure.RECONNECTS: (thresholds.reconnect_rate, thresholds.reconnect_rate_difference),
        Measure.GONE: (thresholds.gone_rate, thresholds.gone_rate_difference),
    }[measure]


def _rate(measure: Measure, figures: PathFigures) -> float | None:
    counts = {
        Measure.ERRORS: figures.errors,
        Measure.RECONNECTS: figures.reconnects,
        Measure.GONE: figures.gone_410,
    }
    count = counts[measure]
    return None if count is None or not figures.samples else count / figures.samples


def _compared(old: PathFigures, thresholds: Thresholds) -> PathFigures:
    """The old path, if it had enough requests to be compared with."""
    return old if (old.samples or 0) >= thresholds.minimum_samples else PathFigures()


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"


# --- too few, and what is to be said ------------------------------------------------------------------------------


def _error_limit(old: PathFigures, thresholds: Thresholds) -> float:
    before = _rate(Measure.ERRORS, _compared(old, thresholds))
    return thresholds.error_rate if before is None else before + thresholds.error_rate_difference


def _has_failed_already(new: PathFigures, limit: float, least: int) -> bool:
    """Whether the error rate is too high however many of the missing requests succeed."""
    return (new.errors or 0) > limit * least


def _too_many_errors(new: PathFigures, least: int) -> str:
    failed, samples = counted(new.errors or 0, "error"), counted(new.samples or 0, "request")
    return f"{failed} of {samples}: more than {least:,} requests may have"


def _too_few(new: PathFigures, least: int, seconds: float) -> Judgement:
    if not new.samples:
        reason = "no requests of the new path were counted"
        return Judgement(Verdict.INCONCLUSIVE, (reason,))
    wait_s = float(math.ceil((least - new.samples) * seconds / new.samples))
    reason = f"{counted(new.samples, 'request')} of the new path in {seconds:,.0f} s, {least:,} are needed"
    return Judgement(Verdict.INCONCLUSIVE, (reason,), wait_s)


def _remarks(old: PathFigures, least: int) -> Iterator[str]:
    if old.samples is None:
        yield "the old path publishes no figures: absolute limits were used"
    elif old.samples < least:
        yield f"the old path had only {counted(old.samples, 'request')}: absolute limits were used"
