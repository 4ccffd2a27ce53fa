"""What CloudWatch says was used by one stack: sums of metrics, and bounds where a metric cannot tell.

| quantity | metric | bound |
|---|---|---|
| messages | AWS/ApiGateway MessageCount, both directions | none; units of 32 KB: 1 to 4 for each |
| connection minutes | WhatsChat OpenConnections × time, ConnectCount | see `connection_minutes` |
| requests | AWS/Lambda Invocations | none |
| GB-seconds | AWS/Lambda Duration × memory of the version | 1 ms for each invocation, as Lambda bills whole ones; INIT phases are in no metric |
| request units | AWS/DynamoDB Consumed...CapacityUnits of tables and index | none |
| log data | AWS/Logs IncomingBytes | 26 bytes for each event, which PutLogEvents adds |
| alarms, dashboards, custom metrics | described now, for all of the time | none |

Sources: API Gateway Developer Guide, "Monitor WebSocket API execution with CloudWatch metrics"; Lambda Developer Guide, "Types of
metrics for Lambda functions"; DynamoDB Developer Guide, "DynamoDB metrics and dimensions"; CloudWatch Logs User Guide,
"Monitoring with CloudWatch metrics"; API_PutLogEvents. A metric without data points is 0 if another one of its service has some.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final

from whatschat_ops.aws import Aws
from whatschat_ops.config import Names, Settings
from whatschat_ops.config.names import USER_INDEX
from whatschat_ops.errors import NotFound, PermissionDenied
from whatschat_ops.metrics import catalog
from whatschat_ops.metrics.open_connections import METRIC, NAMESPACE
from whatschat_ops.metrics.reading import Metric, MetricReader, Query, Series
from whatschat_ops.metrics.window import Window
from whatschat_ops.pricing.amounts import plain
from whatschat_ops.stack.lambdas.versions import list_configurations
from whatschat_ops.usage import functions
from whatschat_ops.usage.connection_minutes import LONGEST_MINUTES, Period, connection_minutes
from whatschat_ops.usage.measured import Bounded, Measured, Name, gigabytes, total, units
from whatschat_ops.usage.monthly import monthly_quantities
from whatschat_ops.usage.window import kept_period_s, now_of, periods_around

LOGS: Final = "AWS/Logs"
EVENT_BYTES: Final = 26
"""What PutLogEvents counts for each event beside its text."""
Quantities = dict[Name, Bounded | None]


class CloudWatchUsage:
    """Reads what one stack used in a window. `api_id` is empty where the endpoint is of no API of the account."""

    def __init__(self, aws: Aws, settings: Settings, api_id: str, window: Window) -> None:
        self._aws = aws
        self._settings = settings
        self._names = Names(settings)
        self._api_id = api_id
        self._window = window
        self._reader = MetricReader(aws, aws.region)
        self._remarks: list[str] = []
        self._refused: list[str] = []

    def measure(self) -> Measured:
        """Everything that may be read. Raises PermissionDenied where IAM allows no metric at all."""
        quantities: Quantities = {}
        for read in (self._messages, self._minutes, self._tables, self._logs):
            quantities |= read()
        for read in (self._functions, self._monthly):
            quantities |= self._allowed(read)
        if self._window.until > self._window.incomplete_from:
            self._remarks.append("the last minutes may still grow")
        if self._reader.partial:
            self._remarks.append("CloudWatch did not answer all of it: the figures are too small")
        self._remarks += [f"CloudWatch: {message}" for message in self._reader.messages]
        return Measured(
            "cloudwatch",
            self._names.stack,
            self._window.since,
            self._window.until,
            quantities,
            remarks=tuple(self._remarks),
            refused=tuple(dict.fromkeys(self._refused)),
        )

    # --- by service -----------------------------------------------------------------------------------------------

    def _messages(self) -> Quantities:
        if not self._api_id:
            self._remarks.append("messages: websocket.endpoint names no API of this account")
            return {}
        sums = self._sums([self._of_api("MessageCount"), self._of_api("ConnectCount")], "the API")
        if sums is None:
            return {}
        messages, connections = sums
        self._remarks.append(
            "messages: MessageCount counts each once, whatever its size: 1 to 4 units of 32 KB"
        )
        return {
            "messages": Bounded.exactly(messages),
            "websocket_messages": units(messages),
            "connections": Bounded.exactly(connections),
        }

    def _minutes(self) -> Quantities:
        """The metrics are read from two hours before, in periods that have a count each."""
        if not self._api_id:
            return {}
        open_connections = self._settings.monitoring.open_connections.every_minutes
        margin = timedelta(minutes=float(LONGEST_MINUTES)) + timedelta(minutes=open_connections)
        kept_s = kept_period_s(self._window.incomplete_from - self._window.since + margin)
        step_s = next(s for s in (60, 300, 3_600, 86_400) if s >= max(kept_s, open_connections * 60))
        around = periods_around(self._window, step_s, margin)
        connects = Query(self._of_api("ConnectCount"), "Sum")
        table = {"TableName": self._names.connections_table}
        counts = Query(Metric.of(NAMESPACE, METRIC, table), "Average")
        found = self._reader.read([connects, counts], around)
        if not any(value is not None for series in found.values() for value in series):
            return {}
        until = min(self._window.until, now_of(self._window))
        minutes = connection_minutes(
            list(_periods(around, self._window, found[connects], found[counts])),
            Decimal(int((until - self._window.since).total_seconds())) / 60,
        )
        is_counted = any(value is not None for value in found[counts])
        self._remarks.append(
            "connection minutes: counts of open connections × time, and what was opened between them; rows of lost connections count until they expire"
            if is_counted
            else "connection minutes: without counts (monitoring.open_connections), each connection has 0 to 120 minutes"
        )
        return {"websocket_connection_minutes": minutes}

    def _functions(self) -> Quantities:
        """Requests and GB-seconds, version by version where they differ in memory or processor."""
        quantities: Quantities = {}
        for function in map(self._names.function, self._names.functions):
            try:
                configurations = list_configurations(self._aws.client("lambda"), function)
            except NotFound:
                self._remarks.append(f"{function} does not exist")
                continue
            asked = functions.metrics_of(function, configurations)
            queries = [Query(each.named(name), "Sum") for each in asked for name in functions.METRICS]
            series = self._reader.read(queries, self._window)
            sums = {query.metric: _sum(values) for query, values in series.items()}
            used = functions.used(asked, sums)
            self._remarks += used.remarks
            for name, amount in used.quantities.items():
                quantities[name] = total([quantities.get(name), amount])
        if not quantities:
            self._remarks.append("no data points of the functions")
        else:
            self._remarks.append(
                "GB-seconds: Duration × memory as configured now; INIT phases are in no metric"
            )
        return quantities

    def _tables(self) -> Quantities:
        names = self._names
        indexed = {"TableName": names.connections_table, "GlobalSecondaryIndexName": USER_INDEX}
        tables = [names.connections_table, names.lock_table, names.audit_table]
        tables += [names.ledger_table] if self._settings.chime.enabled else []
        dimensions = [*({"TableName": table} for table in tables), indexed]
        metrics = ("ConsumedWriteCapacityUnits", "ConsumedReadCapacityUnits")
        sums = self._sums(
            [Metric.of(catalog.DYNAMODB, name, pairs) for name in metrics for pairs in dimensions],
            "the tables",
        )
        if sums is None:
            return {}
        writes, reads = sums[: len(dimensions)], sums[len(dimensions) :]
        return {
            "dynamodb_writes": Bounded.exactly(plain(sum(writes, Decimal(0)))),
            "dynamodb_reads": Bounded.exactly(plain(sum(reads, Decimal(0)))),
        }

    def _logs(self) -> Quantities:
        names = self._names
        groups = [names.function_log_group(short) for short in names.functions]
        quantities: Quantities = {"logs_ingested_lambda": self._ingested(groups, "the functions' logs")}
        if self._settings.websocket.access_logs:
            quantities["logs_ingested"] = self._ingested([names.access_log_group], "the access log")
        return quantities

    def _ingested(self, groups: Sequence[str], what: str) -> Bounded | None:
        metrics = [
            Metric.of(LOGS, name, {"LogGroupName": group})
            for name in ("IncomingBytes", "IncomingLogEvents")
            for group in groups
        ]
        sums = self._sums(metrics, what)
        if sums is None:
            return None
        size, events = sum(sums[: len(groups)], Decimal(0)), sum(sums[len(groups) :], Decimal(0))
        return Bounded(gigabytes(size), gigabytes(size + EVENT_BYTES * events))

    def _monthly(self) -> Quantities:
        until = min(self._window.until, now_of(self._window))
        return dict(monthly_quantities(self._aws, self._names, self._window.since, until))

    # --- parts of them --------------------------------------------------------------------------------------------

    def _of_api(self, name: str) -> Metric:
        pairs = {"ApiId": self._api_id, "Stage": self._settings.websocket.stage}
        return Metric.of(catalog.GATEWAY, name, pairs)

    def _sums(self, metrics: Sequence[Metric], what: str) -> list[Decimal] | None:
        """The sum of each, 0 where it has no data points; None, and a remark, if none of them has any."""
        queries = [Query(metric, "Sum") for metric in metrics]
        series = self._reader.read(queries, self._window)
        found = [_sum(series[query]) for query in queries]
        if all(each is None for each in found):
            self._remarks.append(f"no data points of {what}")
            return None
        return [each or Decimal(0) for each in found]

    def _allowed(self, read: Callable[[], Quantities]) -> Quantities:
        try:
            return read()
        except PermissionDenied as error:
            self._refused.append(error.operation or "a call")
            return {}


def _sum(series: Series) -> Decimal | None:
    """Exactly as CloudWatch printed the values: floats of sums would not add up."""
    values = [Decimal(str(value)) for value in series if value is not None]
    return plain(sum(values, Decimal(0))) if values else None


def _periods(around: Window, window: Window, connects: Series, counts: Series) -> Iterable[Period]:
    length = Decimal(around.period_s) / 60
    first = Decimal(int((around.since - window.since).total_seconds())) / 60
    for place, (opened, counted) in enumerate(zip(connects, counts, strict=True)):
        since = first + place * length
        count = None if counted is None else Decimal(str(counted))
        yield Period(since, since + length, Decimal(str(opened or 0)), count)
