"""The gate of one step: what doctor found, and the figures of both paths, as one verdict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from whatschat_ops.aws import Aws
from whatschat_ops.config import Settings
from whatschat_ops.migration.checks import (
    MINUTE_S,
    GateCheck,
    judge_minutes,
    look_back_s,
    thresholds_of,
)
from whatschat_ops.migration.cohort import Service
from whatschat_ops.migration.comparison_file import ComparedPaths
from whatschat_ops.migration.gate import Judgement, PathFigures, Thresholds, Verdict, judge
from whatschat_ops.migration.gate_reading import GateFigures, minutes_until, read_figures
from whatschat_ops.migration.replay import PastJudgement
from whatschat_ops.migration.replay import replay as replayed
from whatschat_ops.migration.state import Place

METRICS: Final = "metrics"
COMPARISON: Final = "ws compare"


@dataclass(frozen=True, slots=True)
class ShownCheck:
    """One check: when, the figures of both paths, and what was said of them."""

    since: datetime
    until: datetime
    old: PathFigures
    new: PathFigures
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class GateReport:
    """What the gate says. `service`: whose paths were compared. `source`: where the figures come from, `metrics` or `ws compare`.

    `wait_seconds`: until there may be enough to judge, None if nothing tells.
    """

    service: Service
    source: str
    verdict: Verdict
    reasons: tuple[str, ...]
    wait_seconds: float | None
    checks: tuple[ShownCheck, ...]
    doctor_failed: tuple[str, ...]
    notes: tuple[str, ...]
    thresholds: Thresholds


@dataclass(frozen=True, slots=True)
class Replay:
    """What the gate would have said of one service, at each interval since `since`."""

    service: Service
    since: datetime
    interval_s: int
    judgements: tuple[PastJudgement, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gate:
    """The gate of one stack. `api_id` is "" if the endpoint is not an API of this account."""

    aws: Aws
    settings: Settings
    api_id: str

    @property
    def thresholds(self) -> Thresholds:
        """Those of the settings."""
        return thresholds_of(self.settings.migration.gate)

    def of_metrics(self, service: Service, step_at: datetime | None, now: datetime) -> GateReport:
        """The judgement of what was measured since the last step, `step_at` (None: not known)."""
        limits = self.thresholds
        earliest = now - timedelta(seconds=look_back_s(limits) + self.settings.migration.gate.settle_seconds)
        found = self._figures(service, max(step_at or earliest, earliest), now)
        judgement, checks = judge_minutes(found.minutes, limits, measures=found.measures)
        shown = shown_checks(checks, found.since)
        wait_s = _with_settling(judgement, self.settings.migration.gate.settle_seconds)
        return GateReport(
            service, METRICS, judgement.verdict, judgement.reasons, wait_s, shown, (), found.notes, limits
        )

    def of_comparison(self, compared: ComparedPaths) -> GateReport:
        """The judgement of a report of `ws compare`."""
        limits = self.thresholds
        found = judge(
            compared.old, compared.new, limits, seconds=compared.duration_s, measures=compared.measures
        )
        until = compared.started_at + timedelta(seconds=compared.duration_s)
        check = ShownCheck(compared.started_at, until, compared.old, compared.new, found)
        return GateReport(
            Service.WEBSOCKET,
            COMPARISON,
            found.verdict,
            found.reasons,
            None,
            (check,),
            (),
            compared.notes,
            limits,
        )

    def replay(self, service: Service, past: timedelta, now: datetime) -> Replay:
        """What the gate would have said during the last `past`."""
        limits = self.thresholds
        back = timedelta(seconds=look_back_s(limits))
        found = self._figures(service, now - past - back, now)
        judgements = replayed(found.minutes, found.since, now - past, limits, measures=found.measures)
        return Replay(service, now - past, limits.interval_s, tuple(judgements), found.notes)

    def _figures(self, service: Service, since: datetime, now: datetime) -> GateFigures:
        window = minutes_until(now, since, self.settings.migration.gate.settle_seconds)
        return read_figures(self.aws, self.settings, self.api_id, service, window)


def judged_service(place: Place, wanted: Place) -> Service | None:
    """Whose users judge a step: those of the service that it moves; of the other one, if it has none yet."""
    moved = [service for service in Service if place.of(service) != wanted.of(service)]
    return next((each for each in (*moved, *Service) if place.of(each).new), None)


def with_doctor(report: GateReport, failed: Sequence[str], skipped: int) -> GateReport:
    """The report with what doctor found: one failed check fails the gate, whatever the figures say."""
    notes = report.notes
    if skipped:
        notes = (*notes, f"doctor could not make {skipped} of its checks")
    if not failed:
        return replace(report, notes=notes)
    reasons = (*(f"doctor: {each}" for each in failed), *report.reasons)
    return replace(
        report,
        verdict=Verdict.FAIL,
        reasons=reasons,
        wait_seconds=None,
        doctor_failed=tuple(failed),
        notes=notes,
    )


def _with_settling(judgement: Judgement, settle_s: int) -> float | None:
    """A wait, for what is measured at its end to arrive, too."""
    return None if judgement.wait_seconds is None else judgement.wait_seconds + settle_s


def shown_checks(checks: Iterable[GateCheck], since: datetime) -> tuple[ShownCheck, ...]:
    """Checks of minutes that begin at `since`, with their times."""

    def at(minute: int) -> datetime:
        return since + timedelta(seconds=minute * MINUTE_S)

    return tuple(
        ShownCheck(at(check.first), at(check.last), check.old, check.new, check.judgement) for check in checks
    )
