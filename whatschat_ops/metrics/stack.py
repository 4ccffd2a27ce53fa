"""Reads the metrics of one stack: each section on its own, so that what one service refuses leaves the others.

Ratios are computed here: as metric math each of them would be asked of CloudWatch, and billed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, TypeVar

from whatschat_ops.aws import Aws
from whatschat_ops.chime.events import OFF, EventLog
from whatschat_ops.chime.ledger import MeetingLedger
from whatschat_ops.chime.minutes import LONGEST, measure
from whatschat_ops.chime.models import MeetingRecord
from whatschat_ops.config import Names, Settings
from whatschat_ops.errors import NotFound, PermissionDenied
from whatschat_ops.metrics import catalog, meetings, probes, selecting
from whatschat_ops.metrics.catalog import Shown
from whatschat_ops.metrics.figures import Figure, Line, Pair, figure, merged, ratio
from whatschat_ops.metrics.open_connections import OpenConnections, count_now, last_count
from whatschat_ops.metrics.probes import Probes
from whatschat_ops.metrics.reading import MetricReader, Series
from whatschat_ops.metrics.report import NO_PERMISSION, PARTLY_SHOWN, SHOWN, Cost, MetricsReport, Section
from whatschat_ops.metrics.selecting import Wanted
from whatschat_ops.metrics.window import Window
from whatschat_ops.pricing.rates import RateCard

T = TypeVar("T")

PRICE: Final = "metrics_requested"
"""The rate of GetMetricData. Every query is counted: AWS may count several statistics of a metric as one."""
API_ERRORS: Final = (catalog.CLIENT_ERRORS, catalog.INTEGRATION_ERRORS, catalog.EXECUTION_ERRORS)
API_REQUESTS: Final = (catalog.CONNECTS, catalog.MESSAGES)


class _Part:
    """The reads of one section, of which IAM may refuse some."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.figures: list[Figure] = []
        self.errors: list[PermissionDenied] = []
        self.notes: list[str] = []

    def add(self, read: Callable[[], Iterable[Figure]]) -> None:
        """Add the figures that `read` gives, unless IAM refuses it."""
        try:
            self.figures += read()
        except PermissionDenied as error:
            self.errors.append(error.with_traceback(None))  # it would keep the client and its sockets

    def section(self) -> Section:
        refused = tuple(dict.fromkeys(_operation(error) for error in self.errors))
        status = SHOWN if not refused else PARTLY_SHOWN if self.figures else NO_PERMISSION
        return Section(self.title, status, tuple(self.figures), refused, tuple(self.notes))


class StackMetrics:
    """The metrics of one stack in one window. `card` has the price of a look."""

    def __init__(
        self, aws: Aws, settings: Settings, api_id: str, window: Window, card: RateCard | None
    ) -> None:
        self._aws = aws
        self._settings = settings
        self._names = Names(settings)
        self._api_id = api_id
        self._window = window
        self._card = card
        self._reader = MetricReader(aws, aws.region)
        self._chime_reader = MetricReader(aws, settings.chime.region)
        self._probes = Probes()

    def report(self, now: datetime, *, count: bool) -> MetricsReport:
        """Everything; with `count` the open connections are counted in the table. Raises PermissionDenied if nothing may be read."""
        window, names = self._window, self._names
        self._probes = self._doctor_probes(window.since, window.until)
        parts = [self._api(), self._functions(), self._tables()]
        if self._settings.chime.enabled:
            parts.append(self._chime(now))
        opened = _allowed(
            lambda: (count_now if count else last_count)(self._aws, names.connections_table, now),
            lambda operation: OpenConnections(refused=operation),
        )
        if not any(part.figures for part in parts):
            for part in parts:
                for error in part.errors:
                    raise error
        return MetricsReport(
            names.stack, self._aws.region, window.since, window.until, window.period_s, window.incomplete_from,
            window.compared, opened, self._probes, tuple(part.section() for part in parts), self._cost(),
        )  # fmt: skip

    # --- sections -------------------------------------------------------------------------------------------------

    def _api(self) -> _Part:
        part, api_id, stage = _Part("API Gateway"), self._api_id, self._settings.websocket.stage
        if not api_id:
            part.notes.append("websocket.endpoint names no API of this account: it has no metrics here.")
            return part

        def read() -> list[Figure]:
            lines = self._lines(self._reader, selecting.of_api(api_id, stage))
            tops, bottoms = _named(lines, *API_ERRORS), _named(lines, *API_REQUESTS)
            rate = self._ratio("Error rate", None, tops, bottoms, less=self._probed())
            return [*self._figures(lines), rate]

        def routes() -> list[Figure]:
            listed = self._reader.listed(catalog.GATEWAY, ApiId=api_id)
            return self._figures(self._lines(self._reader, selecting.of_routes(api_id, stage, listed)))

        part.add(read)
        part.add(routes)
        part.notes += self._remarks(self._reader)
        return part

    def _functions(self) -> _Part:
        part, reader = _Part("Lambda"), self._reader

        def read() -> list[Figure]:
            figures: list[Figure] = []
            for function in map(self._names.function, self._names.functions):
                lines = self._lines(reader, selecting.of_function(function))
                invocations, errors, throttles = (
                    _named(lines, each)
                    for each in (catalog.INVOCATIONS, catalog.FUNCTION_ERRORS, catalog.THROTTLES)
                )
                figures += self._figures(lines)
                figures.append(self._ratio("Error rate", function, errors, invocations))
                figures.append(self._ratio("Throttle rate", function, throttles, [*invocations, *throttles]))
            return [*figures, *self._figures(self._lines(reader, selecting.of_account()))]

        def limit() -> list[Figure]:
            limits = self._aws.client("lambda").get_account_settings()["AccountLimit"]
            quota = float(limits["ConcurrentExecutions"])
            return [Figure("Limit of concurrent executions", None, "", "Maximum", quota)]

        part.add(read)
        part.add(limit)
        return part

    def _tables(self) -> _Part:
        part, names = _Part("DynamoDB"), self._names
        tables = (names.connections_table, *([names.ledger_table] if self._settings.chime.enabled else []))

        def read(table: str) -> list[Figure]:
            listed = list(self._reader.listed(catalog.DYNAMODB, TableName=table))
            return self._figures(self._lines(self._reader, selecting.of_table(table, listed)))

        for table in tables:
            part.add(lambda table=table: read(table))  # type: ignore[misc]
        return part

    def _chime(self, now: datetime) -> _Part:
        part, reader, window = _Part("Chime SDK"), self._chime_reader, self._window
        ledger = MeetingLedger(self._aws.client("dynamodb"), self._names.ledger_table)
        log = EventLog(self._aws, self._settings)

        records: dict[str, MeetingRecord] = {}

        def created() -> list[Figure]:
            records.update((record.meeting_id, record) for record in ledger.records())
            return self._figures([meetings.created(records.values(), window)])

        def attended() -> list[Figure]:
            measured = measure(log.events(window.first - LONGEST, window.until), records, now)
            return self._figures(meetings.attended(measured.attendances, window))

        def calls() -> list[Figure]:
            used = list(reader.listed(catalog.USAGE, Service="ChimeSDK"))
            own = list(reader.listed(catalog.CHIME))
            return self._figures(self._lines(reader, selecting.of_chime(used, own)))

        _or_note(part, created)
        if log.enabled:
            _or_note(part, attended)
        else:
            part.notes.append(f"Attendances: {OFF}.")
        part.add(calls)
        return part

    # --- parts of them --------------------------------------------------------------------------------------------

    def _lines(self, reader: MetricReader, wanted: list[Wanted]) -> list[Line]:
        window = self._window
        read = reader.read((query for each in wanted for query in each.queries), window)
        nothing: Series = (None,) * (window.points * (2 if window.compared else 1))
        return [
            Line(
                each.shown.name,
                each.of,
                each.shown.unit,
                each.shown.statistic,
                merged(each.shown.statistic, *(read[query] for query in each.queries)) or nothing,
                not reader.partial.isdisjoint(each.queries),
            )
            for each in wanted
        ]

    def _figures(self, lines: Iterable[Line]) -> list[Figure]:
        return [figure(line, self._window.points) for line in lines]

    def _ratio(
        self, name: str, of: str | None, tops: list[Line], bottoms: list[Line], **options: Any
    ) -> Figure:
        return ratio(name, of, tops, bottoms, self._window.points, **options)

    def _doctor_probes(self, since: datetime, until: datetime) -> Probes:
        if not self._settings.websocket.access_logs:
            return Probes(reason="websocket.access_logs is off")
        return _allowed(
            lambda: probes.count(self._aws, self._names.access_log_group, since, until),
            lambda operation: Probes(reason=NO_PERMISSION, refused=operation),
        )

    def _probed(self) -> tuple[Pair, Pair]:
        """What the probes of `doctor` are of the API's figures, of this time and of the time before."""
        window = self._window
        before = self._doctor_probes(window.first, window.since) if window.compared else Probes()
        return self._probes.part, before.part

    def _remarks(self, reader: MetricReader) -> list[str]:
        return [f"CloudWatch: {message}" for message in reader.messages]

    def _cost(self) -> Cost:
        requested = self._reader.queries + self._chime_reader.queries
        rate = self._card.rates.get(PRICE) if self._card else None
        if rate is None:
            return Cost(requested, None, None)
        return Cost(requested, Decimal(requested) * rate.tiers[0].price / rate.per, rate.source or None)


def _allowed(read: Callable[[], T], refused: Callable[[str], T]) -> T:
    try:
        return read()
    except PermissionDenied as error:
        return refused(_operation(error))


def _or_note(part: _Part, read: Callable[[], list[Figure]]) -> None:
    """As `add`; a table or log group that is not there is a note."""
    try:
        part.add(read)
    except NotFound as error:
        part.notes.append(error.message)


def _operation(error: PermissionDenied) -> str:
    return error.operation or "a call"


def _named(lines: Iterable[Line], *shown: Shown) -> list[Line]:
    names = {each.name for each in shown}
    return [line for line in lines if line.name in names]
