"""What `watch` reads, each source on its own: AWS, the journals of this machine. Reads only, so that looking changes nothing.

| source | every | requests |
|---|---|---|
| metrics, connections, cost | `--every` | one GetMetricData (21 metrics); without a scheduled count one page of the table (1 MB at most) |
| alarms, changes, meetings | `--every` | DescribeAlarms, a Query of the audit log, a Scan of the ledger |
| broadcasts | 5 s | none: files; one DescribeMapRun while a distributed one runs |
| drift | 10 min | what `status` reads |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from whatschat_ops.audit import AuditLog
from whatschat_ops.aws import Aws
from whatschat_ops.broadcast.distributed.executions import Executions
from whatschat_ops.broadcast.journal.past_runs import list_runs
from whatschat_ops.broadcast.journal.summary import RunState, RunSummary
from whatschat_ops.chime.ledger import MeetingLedger
from whatschat_ops.chime.requests import LONGEST_MEETING
from whatschat_ops.choices import EngineName
from whatschat_ops.config import Names, Settings
from whatschat_ops.errors import NotProvisioned, OpsError
from whatschat_ops.metrics import catalog, selecting
from whatschat_ops.metrics.figures import merged
from whatschat_ops.metrics.open_connections import METRIC, NAMESPACE, count_now
from whatschat_ops.metrics.reading import Metric, MetricReader, Query
from whatschat_ops.metrics.window import Window, window
from whatschat_ops.pricing.rates import Rate, known_card
from whatschat_ops.stack.monthly_costs import monthly_usage, priced
from whatschat_ops.stack.stack import Stack
from whatschat_ops.stack.status import status_of
from whatschat_ops.watch import tiles
from whatschat_ops.watch.snapshot import Points, Tile
from whatschat_ops.watch.tiles import POINTS, Traffic

JOURNALS_EVERY_S: Final = 5.0
DRIFT_EVERY_S: Final = 600.0
TOO_LARGE: Final = "the table has more than 1 MB: count on a schedule (monitoring.open_connections)"
_FUNCTION_METRICS: Final = (catalog.INVOCATIONS, catalog.FUNCTION_ERRORS, catalog.THROTTLES)
_DURATION: Final = catalog.Shown("Duration", "Duration")


@dataclass(frozen=True, slots=True)
class Source:
    """Reads `tiles`, which have these names, every so many seconds. Raises OpsError."""

    names: tuple[str, ...]
    every_s: float
    read: Callable[[datetime], Sequence[Tile]]


@dataclass(slots=True)
class StackSources:
    """The sources of one stack. `journals`: the directory of broadcasts."""

    aws: Aws
    settings: Settings
    api_id: str
    journals: Path
    every_s: float
    _counts: dict[datetime, float] = field(default_factory=dict)
    """Minute -> open connections that were counted here."""
    _rates: dict[str, Rate] = field(default_factory=dict)
    _seen: tuple[object, ...] = ()
    _broadcasts: Tile | None = None

    def all(self) -> tuple[Source, ...]:
        """In the order in which they are read."""
        every_s = self.every_s
        return (
            Source((tiles.BROADCASTS,), min(JOURNALS_EVERY_S, every_s), self._read_broadcasts),
            Source(
                (tiles.CONNECTIONS, tiles.MESSAGES, tiles.ERRORS, tiles.LATENCY, tiles.COST),
                every_s,
                self._metrics,
            ),
            Source((tiles.ALARMS,), every_s, self._alarms),
            Source((tiles.CHANGES,), every_s, self._changes),
            Source((tiles.MEETINGS,), every_s, self._meetings),
            Source((tiles.DRIFT,), max(DRIFT_EVERY_S, every_s), self._drift),
        )

    @property
    def _names(self) -> Names:
        return Names(self.settings)

    def _metrics(self, now: datetime) -> Sequence[Tile]:
        reader = MetricReader(self.aws, self.aws.region)
        looked_at = window(now, timedelta(minutes=POINTS), compared=True)
        api = {
            each.shown.name: each.queries[0]
            for each in selecting.of_api(self.api_id, self.settings.websocket.stage)
            if each.shown.statistic != "Maximum"
        }
        functions = {each.name: list(self._of_functions(each)) for each in (*_FUNCTION_METRICS, _DURATION)}
        scheduled = self._scheduled()
        asked = [*api.values(), *(query for each in functions.values() for query in each), *scheduled]
        found = reader.read(asked, looked_at)
        traffic = Traffic(
            {name: found[query] for name, query in api.items()},
            {name: merged("Sum", *(found[query] for query in each)) for name, each in functions.items()},
            looked_at.until,
        )
        limits = self.settings.monitoring.thresholds
        shown = [tiles.messages(traffic), tiles.errors(traffic, limits), tiles.latency(traffic, limits)]
        until = looked_at.until
        opened = (
            tiles.connections(found[scheduled[0]], until, "counted on a schedule")
            if scheduled
            else self._counted(now, looked_at)
        )
        polled = reader.queries * 3_600 / self.every_s
        return [opened, *shown, self._cost(traffic, opened.points, polled)]

    def _of_functions(self, shown: catalog.Shown) -> Iterator[Query]:
        for function in map(self._names.function, self._names.functions):
            metric = Metric.of(catalog.LAMBDA, shown.metric, {"FunctionName": function})
            yield Query(metric, shown.statistic)

    def _scheduled(self) -> list[Query]:
        if not self.settings.monitoring.counts_connections:
            return []
        metric = Metric.of(NAMESPACE, METRIC, {"TableName": self._names.connections_table})
        return [Query(metric, "Maximum")]

    def _counted(self, now: datetime, looked_at: Window) -> Tile:
        """Counts of this process, by minute. One page of the table is read at most: a larger one needs the scheduled count."""
        why = TOO_LARGE
        try:
            counted = count_now(self.aws, self._names.connections_table, now, most_pages=1).connections
        except OpsError as error:
            counted, why = None, error.message
        if counted is not None:
            self._counts[now.replace(second=0, microsecond=0)] = float(counted)
        minutes = (looked_at.first + timedelta(minutes=place) for place in range(2 * POINTS))
        series = tuple(self._counts.get(minute) for minute in minutes)
        tile = tiles.connections(series, looked_at.until, "rows of the table, counted now")
        return tile if counted is not None else tile.failed(why)

    def _cost(self, traffic: Traffic, counts: Points, polled: float) -> Tile:
        lambda_ = self.settings.lambda_
        if not self._rates:
            self._rates.update(known_card(self.aws.region).rates.items())
        used = tiles.usage(traffic, counts, lambda_.memory_mb, lambda_.architecture, polled)
        reports = [
            priced(each, self._rates) for each in monthly_usage(self.settings) if each.quantity is not None
        ]
        month = sum((Decimal(each.usd) for each in reports if each.usd), Decimal(0))
        return tiles.cost(used, month, self._rates)

    def _alarms(self, _now: datetime) -> Sequence[Tile]:
        pages = self.aws.client("cloudwatch").get_paginator("describe_alarms")
        found: list[dict[str, Any]] = []
        for page in pages.paginate(AlarmNamePrefix=f"{self._names.stack}/", AlarmTypes=["MetricAlarm"]):
            found += page["MetricAlarms"]
        return [tiles.alarms(found, enabled=self.settings.monitoring.enabled)]

    def _changes(self, now: datetime) -> Sequence[Tile]:
        log = AuditLog(self.aws, self._names)
        try:
            return [tiles.changes(log.entries(since=tiles.first_minute(now)))]
        except NotProvisioned:  # the first change makes the table
            return [tiles.changes([])]

    def _meetings(self, now: datetime) -> Sequence[Tile]:
        if not self.settings.chime.enabled:
            return [Tile(tiles.MEETINGS, unit="open", lines=("chime.enabled is false",))]
        ledger = MeetingLedger(self.aws.client("dynamodb"), self._names.ledger_table)
        oldest = now - LONGEST_MEETING
        return [tiles.meetings(record for record in ledger.records() if record.created_at > oldest)]

    def _drift(self, _now: datetime) -> Sequence[Tile]:
        stack = Stack(self.settings, self.aws)
        return [tiles.drift(status_of(stack.plan(), stack.name))]

    def _read_broadcasts(self, _now: datetime) -> Sequence[Tile]:
        """From the journals, which are opened only while one runs or when a file has changed."""
        files = [(path.name, path.stat().st_mtime_ns) for path in sorted(self.journals.glob("*"))]
        if self._broadcasts is not None and not self._broadcasts.value and self._seen == (*files,):
            return [self._broadcasts]
        found, damaged = list_runs(self.journals)
        runs = [run for run in found if run.stack == self._names.stack]
        self._broadcasts = tiles.broadcasts(runs, dict(self._shards(runs)), len(damaged))
        self._seen = (*files,)
        return [self._broadcasts]

    def _shards(self, runs: Sequence[RunSummary]) -> Iterator[tuple[str, str]]:
        for run in runs:
            if run.engine == EngineName.DISTRIBUTED and run.state is RunState.RUNNING:
                executions = Executions(self.settings, self.aws, run.run_id)
                if (execution := executions.latest()) is not None:
                    yield run.run_id, str(executions.shards(execution))
