"""Reads what the gate judges: both paths of one service, minute by minute, from CloudWatch and the functions' logs.

The new path of sockets: AWS/ApiGateway of the stage; reconnects and 410s from the logs (`log_figures`). The new path of calls:
AWS/Usage of Chime SDK, which counts the calls of the whole account in the Region, all but GetMeeting. The old paths: what the
backend publishes (`old_path`). What IAM refuses or CloudWatch does not answer whole is None, with a note.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from whatschat_ops.aws import Aws
from whatschat_ops.config import Names, Settings
from whatschat_ops.errors import AwsError
from whatschat_ops.metrics import catalog, selecting
from whatschat_ops.metrics.catalog import Shown
from whatschat_ops.metrics.figures import merged
from whatschat_ops.metrics.reading import Metric, MetricReader, Query, Series
from whatschat_ops.metrics.window import Window
from whatschat_ops.migration import old_path
from whatschat_ops.migration.checks import MINUTE_S, MinuteFigures
from whatschat_ops.migration.cohort import Service
from whatschat_ops.migration.gate import ALL_MEASURES, Measure, PathFigures
from whatschat_ops.migration.log_figures import LogFigures, read_log_figures

CHIME_MEASURES: Final = frozenset({Measure.ERRORS})
METRICS_ONLY: Final = frozenset({Measure.ERRORS, Measure.LATENCY})

_SAMPLES: Final = (catalog.CONNECTS, catalog.MESSAGES)
_ERRORS: Final = (catalog.CLIENT_ERRORS, catalog.INTEGRATION_ERRORS, catalog.EXECUTION_ERRORS)
_LATENCY: Final = Shown("Latency p95", "IntegrationLatency", "p95", "ms")

_LOOKUP: Final = "GetMeeting"
"""Not judged: for a meeting that has ended NotFound is the answer, not an error, and doctor's check of the Region looks up one
that cannot exist. Each gate that was asked would add an error to the next."""


@dataclass(frozen=True, slots=True)
class GateFigures:
    """Both paths of a service from `since` on, which measures the new one is expected to have, and what is to be said."""

    service: Service
    since: datetime
    minutes: MinuteFigures
    measures: frozenset[Measure]
    notes: tuple[str, ...]


def minutes_until(now: datetime, since: datetime, settle_s: int) -> Window:
    """The whole minutes from `since` on, up to those that metrics may not have reached yet. May be empty."""
    until = datetime.fromtimestamp((int(now.timestamp()) - settle_s) // MINUTE_S * MINUTE_S, UTC)
    first = datetime.fromtimestamp(-(-int(since.timestamp()) // MINUTE_S) * MINUTE_S, UTC)
    return Window(min(first, until), until, MINUTE_S, now, compared=False)


def read_figures(aws: Aws, settings: Settings, api_id: str, service: Service, window: Window) -> GateFigures:
    """The figures of a window of minutes. Never raises for a read that is refused: the figure is None then."""
    reading = _Reading(aws, settings, api_id, window)
    old = reading.old(service)
    if service is Service.CHIME:
        new, measures = reading.chime(), CHIME_MEASURES
    else:
        new, measures = reading.websocket(), reading.measures()
    return GateFigures(service, window.since, MinuteFigures(old, new), measures, tuple(reading.notes))


class _Reading:
    def __init__(self, aws: Aws, settings: Settings, api_id: str, window: Window) -> None:
        self._aws = aws
        self._settings = settings
        self._api_id = api_id
        self._window = window
        self._nothing = (PathFigures(),) * window.points
        self.notes: list[str] = []

    def old(self, service: Service) -> tuple[PathFigures, ...]:
        """What the backend published."""
        asked = dict(old_path.queries(Names(self._settings).stack, service))
        read = self._read({name: [query] for name, query in asked.items()}, self._aws.region, "the old path")
        return _figures(read, self._window.points) if read else self._nothing

    def websocket(self) -> tuple[PathFigures, ...]:
        """The stage of the API, without what doctor did there."""
        if not self._api_id:
            self.notes.append("there is no API of this stack in the account: it has no metrics here")
            return self._nothing
        place = {"ApiId": self._api_id, "Stage": self._settings.websocket.stage}

        def queries(*shown: Shown) -> list[Query]:
            return [Query(Metric.of(catalog.GATEWAY, each.metric, place), each.statistic) for each in shown]

        asked = {
            "samples": queries(*_SAMPLES),
            "errors": queries(*_ERRORS),
            "latency_p95_ms": queries(_LATENCY),
        }
        read = self._read(asked, self._aws.region, "the new path")
        if not read:
            return self._nothing
        logged = self._logged()
        read["errors"] = _zero_where_counted(read["errors"], read["samples"])
        if logged.probes is not None:
            read["samples"] = _less(read["samples"], [each.requests for each in logged.probes])
            read["errors"] = _less(read["errors"], [each.rejected for each in logged.probes])
        return _figures(read, self._window.points, reconnects=logged.reconnects, gone=logged.gone)

    def chime(self) -> tuple[PathFigures, ...]:
        """The calls of Chime SDK, without lookups of meetings."""
        reader = MetricReader(self._aws, self._settings.chime.region)
        try:
            usage = reader.listed(catalog.USAGE, Service="ChimeSDK")
            listed = [each for each in usage if ("Resource", _LOOKUP) not in each.dimensions]
        except AwsError as error:
            self.notes.append(f"the new path: {error.message}")
            return self._nothing
        wanted = {each.shown.name: each.queries for each in selecting.of_chime(listed, ())}
        calls, errors, throttles = (wanted[each.name] for each in catalog.CALLS)
        self.notes.append("calls of Chime SDK are those of the whole account in the Region")
        asked = {"samples": calls, "errors": (*errors, *throttles)}
        read = self._read(asked, self._settings.chime.region, "the new path")
        if not read:
            return self._nothing
        read["errors"] = _zero_where_counted(read["errors"], read["samples"])
        return _figures(read, self._window.points)

    def measures(self) -> frozenset[Measure]:
        """What the new path of sockets is expected to have: its logs have lines of ours only from the built-in functions."""
        if self._has_lines:
            return ALL_MEASURES
        self.notes.append(
            "reconnects and 410s are not judged: the functions write no lines of the built-in handlers"
        )
        return METRICS_ONLY

    @property
    def _has_lines(self) -> bool:
        functions = self._settings.lambda_
        return not functions.source.path and functions.log_level in ("DEBUG", "INFO")

    def _logged(self) -> LogFigures:
        if not self._has_lines or not self._window.points:
            return LogFigures()
        found = read_log_figures(self._aws, self._settings, self._window)
        self.notes += found.notes
        return found

    def _read(self, asked: Mapping[str, Iterable[Query]], region: str, path: str) -> dict[str, Series | None]:
        """The series of each figure, queries added up; None where CloudWatch lacks data that exist. Empty if refused."""
        if not self._window.points:
            return {}
        reader = MetricReader(self._aws, region)
        try:
            read = reader.read([query for queries in asked.values() for query in queries], self._window)
        except AwsError as error:
            self.notes.append(f"{path}: {error.message}")
            return {}
        found: dict[str, Series | None] = {}
        for name, queries in asked.items():
            mine = list(queries)
            is_partial = not reader.partial.isdisjoint(mine)
            if is_partial:
                self.notes.append(f"{path}: CloudWatch did not answer all of {name}")
            statistic = mine[0].statistic if mine else "Sum"
            series = merged(statistic, *(read[query] for query in mine))
            found[name] = None if is_partial else series or (None,) * self._window.points
        return found


def _figures(
    read: Mapping[str, Series | None],
    points: int,
    *,
    reconnects: tuple[int, ...] | None = None,
    gone: tuple[int, ...] | None = None,
) -> tuple[PathFigures, ...]:
    columns = [
        read.get("samples"),
        read.get("errors"),
        read.get("latency_p95_ms"),
        read.get("reconnects", reconnects),
        read.get("gone_410", gone),
    ]
    rows = zip(*(column or (None,) * points for column in columns), strict=True)
    return tuple(
        PathFigures(_whole(samples), _whole(errors), latency, _whole(back), _whole(away))
        for samples, errors, latency, back, away in rows
    )


def _zero_where_counted(errors: Series | None, samples: Series | None) -> Series | None:
    """API Gateway and Chime SDK publish errors when there are some: no value beside counted requests is none."""
    if errors is None or samples is None:
        return None
    return tuple(
        0.0 if error is None and count is not None else error
        for error, count in zip(errors, samples, strict=True)
    )


def _less(series: Series | None, parts: Iterable[int]) -> Series | None:
    """A series without a part of each minute. What a minute does not have is taken from those after it, then before it:
    a line of the log and the metric of the same request may lie in two minutes.
    """
    if not series:
        return series
    after, left = _taken(series, parts)
    before, _ = _taken(after[::-1], (left, *[0] * (len(series) - 1)))
    return before[::-1]


def _taken(series: Series, parts: Iterable[int]) -> tuple[Series, int]:
    """What is left of each minute, and of the parts."""
    found, left = list[float | None](), 0
    for value, part in zip(series, parts, strict=True):
        taken = min(int(value or 0), left + part)
        left += part - taken
        found.append(None if value is None else value - taken)
    return tuple(found), left


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
