"""From figures to tiles: what is shown of them, and what is red. Pure.

A value is of the last five minutes, as the thresholds of the alarms are (`monitoring.thresholds`): CloudWatch's newest minutes
come late, so that one minute alone would jump between half and all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from whatschat_ops.audit import AuditEntry
from whatschat_ops.broadcast.journal.summary import RunState, RunSummary
from whatschat_ops.broadcast.kinds import BROADCAST
from whatschat_ops.chime.models import MeetingRecord
from whatschat_ops.config.monitoring_settings import ThresholdSettings
from whatschat_ops.metrics import catalog
from whatschat_ops.metrics.figures import merged, summary
from whatschat_ops.plurals import counted
from whatschat_ops.pricing.pricing import FreeTiers, charge
from whatschat_ops.pricing.rates import Rate
from whatschat_ops.redaction import redact
from whatschat_ops.stack.status import StackStatus
from whatschat_ops.watch.snapshot import Level, Mark, Points, Tile

MINUTES: Final = 5
POINTS: Final = 60
"""Minutes on a chart; as many before are its ghost line."""
MOST_LINES: Final = 6
CONNECTIONS, MESSAGES, ERRORS, LATENCY, ALARMS = "Connections", "Messages", "Errors", "Latency", "Alarms"
BROADCASTS, MEETINGS, DRIFT, COST, CHANGES = "Broadcasts", "Meetings", "Drift", "Cost", "Changes"
COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    CONNECTIONS: ("ws", "connections", "stats"),
    MESSAGES: ("metrics", "show", "--last", "1h", "--compare"),
    ERRORS: ("logs", "tail", "--since", "15m"),
    LATENCY: ("doctor", "websocket"),
    ALARMS: ("doctor", "websocket"),
    BROADCASTS: ("ws", "broadcasts", "list"),
    MEETINGS: ("doctor", "chime"),
    DRIFT: ("doctor", "stack"),
    COST: ("cost", "budget", "show"),
    CHANGES: ("audit", "list", "--since", "24h"),
}
"""Tile -> what looks closer. In the order of the screen."""
MARKED: Final = ("provision", "destroy", "lambda", "migrate", "ws.broadcast", "token.secret")
"""Actions of the audit log that are marks: a change of these may show in the figures."""
_PERCENT_BAD: Final = 0.05
_API_ERRORS: Final = (catalog.CLIENT_ERRORS, catalog.INTEGRATION_ERRORS, catalog.EXECUTION_ERRORS)


def blank(name: str) -> Tile:
    """A tile that has not been read."""
    return Tile(name, command=COMMANDS[name]).failed("not read yet")


class Traffic(Struct, frozen=True):
    """Series of one value a minute of two hours. `functions`: name of a metric of Lambda -> the sum of all functions."""

    api: Mapping[str, Points]
    functions: Mapping[str, Points]
    until: datetime


def _tile(name: str, **values: Any) -> Tile:
    lines = tuple(redact(line) for line in values.pop("lines", ()))[:MOST_LINES]
    return Tile(name, command=values.pop("command", COMMANDS[name]), lines=lines, **values)


def _chart(series: Points, until: datetime) -> dict[str, Any]:
    return {"points": series[-POINTS:], "before": series[:-POINTS], "until": until}


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def recent(series: Points, statistic: str = "Sum") -> float | None:
    """Of the last five minutes."""
    return summary(statistic, series[-MINUTES:])


def messages(traffic: Traffic) -> Tile:
    """Messages a minute in both directions."""
    series = traffic.api[catalog.MESSAGES.name]
    total = recent(series)
    connects = summary("Sum", traffic.api[catalog.CONNECTS.name][-POINTS:])
    return _tile(
        MESSAGES,
        value=None if total is None else total / MINUTES,
        unit="/min",
        lines=(f"{_number(summary('Sum', series[-POINTS:]))} in the hour, {_number(connects)} connects",),
        **_chart(series, traffic.until),
    )


def errors(traffic: Traffic, limits: ThresholdSettings) -> Tile:
    """Errors of the API and of its functions; red from the threshold of the alarms on, or 5 % of the requests."""
    kinds = {shown.name: traffic.api[shown.name] for shown in _API_ERRORS}
    series = merged("Sum", *kinds.values())
    failed, throttled = (
        recent(traffic.functions[each.name]) or 0 for each in (catalog.FUNCTION_ERRORS, catalog.THROTTLES)
    )
    asked = sum(recent(traffic.api[each.name]) or 0 for each in (catalog.CONNECTS, catalog.MESSAGES))
    value = recent(series)
    known = value is not None or asked > 0
    value = value or 0.0
    too_many = value >= limits.execution_errors and value >= asked * _PERCENT_BAD
    is_bad = too_many or failed >= limits.function_errors or throttled >= limits.function_throttles
    level = Level.BAD if is_bad else Level.WARN if value or failed else Level.OK
    each = ", ".join(f"{name.split()[0].lower()} {_number(recent(of) or 0)}" for name, of in kinds.items())
    return _tile(
        ERRORS,
        value=value if known else None,
        unit="in 5 min",
        level=level,
        lines=(each, f"functions: {_number(failed)} failed, {_number(throttled)} throttled"),
        **_chart(series, traffic.until),
    )


def latency(traffic: Traffic, limits: ThresholdSettings) -> Tile:
    """The slowest minute's p99 of the integrations, with p50 and p95; red from the threshold of its alarm on."""
    p50, p95, p99 = (recent(traffic.api[f"Latency {name}"], name) for name in ("p50", "p95", "p99"))
    is_bad = p99 is not None and p99 >= limits.integration_latency_ms
    return _tile(
        LATENCY,
        value=p99,
        unit="ms p99",
        level=Level.BAD if is_bad else Level.OK,
        lines=(f"p50 {_number(p50)}, p95 {_number(p95)}, p99 {_number(p99)} ms; the chart is p95",),
        **_chart(traffic.api["Latency p95"], traffic.until),
    )


def connections(series: Points, until: datetime, source: str) -> Tile:
    """The newest count of open connections. `source` says who counted."""
    newest = next((value for value in reversed(series) if value is not None), None)
    return _tile(CONNECTIONS, value=newest, unit="open", lines=(source,), **_chart(series, until))


def alarms(found: Sequence[Mapping[str, Any]], *, enabled: bool) -> Tile:
    """Those of the stack that are in ALARM, as DescribeAlarms has them; when each began is a mark."""
    firing = [each for each in found if each["StateValue"] == "ALARM"]
    marks = tuple(
        Mark(each["StateUpdatedTimestamp"], f"alarm {_short(each['AlarmName'])}") for each in firing
    )
    quiet = (
        f"{counted(len(found), 'alarm')}, all quiet"
        if found
        else "monitoring.enabled is false: there are none"
    )
    lines = [f"{_short(each['AlarmName'])}: {each.get('StateReason', '')}" for each in firing] or [
        quiet if found or not enabled else "the stack has no alarms"
    ]
    level = Level.BAD if firing else Level.OK
    return _tile(ALARMS, value=float(len(firing)), unit="firing", level=level, lines=lines, marks=marks)


def _short(name: str) -> str:
    return name.partition("/")[2] or name


def broadcasts(runs: Sequence[RunSummary], shards: Mapping[str, str], damaged: int = 0) -> Tile:
    """Runs of this machine, the running ones first. `shards`: run -> how its distributed execution stands."""
    running = [run for run in runs if run.state is RunState.RUNNING]
    shown = [*running, *(run for run in runs if run.state is not RunState.RUNNING)][:3]
    lines = [_progress(run, shards.get(run.run_id, "")) for run in shown]
    lines += [f"{counted(damaged, 'journal')} cannot be read"] if damaged else []
    levels = [_level_of(run) for run in (running or runs[:1])]
    level = Level.BAD if Level.BAD in levels else Level.WARN if Level.WARN in levels or damaged else Level.OK
    command = ("ws", "broadcasts", "show", shown[0].run_id) if shown else COMMANDS[BROADCASTS]
    return _tile(
        BROADCASTS,
        value=float(len(running)),
        unit="running",
        level=level,
        lines=lines or ["none on this machine"],
        command=command,
    )


def _level_of(run: RunSummary) -> Level:
    if run.failed:
        return Level.BAD
    return Level.WARN if run.state is RunState.INTERRUPTED else Level.OK


def _progress(run: RunSummary, shards: str) -> str:
    done = run.connections - run.pending
    parts = [f"{run.state} {done:,}/{run.connections:,}"]
    parts += [f"{run.failed:,} failed"] if run.failed else []
    parts += [f"{run.gone:,} gone"] if run.gone else []
    parts += [shards] if shards else [f"{run.rate_per_s:,.0f}/s"] if run.rate_per_s else []
    kind = "" if run.kind == BROADCAST else f"{run.kind} "
    return ", ".join(parts) + f" ({kind}{run.run_id})"


def meetings(records: Iterable[MeetingRecord]) -> Tile:
    """Meetings of the ledger that are not known to be over. Chime is not asked."""
    found = [record for record in records if not record.status.over]
    lines = [f"{each.external_meeting_id} since {each.created_at.astimezone():%H:%M}" for each in found]
    return _tile(MEETINGS, value=float(len(found)), unit="open", lines=lines or ["none in the ledger"])


def drift(status: StackStatus) -> Tile:
    """Resources that are not as the settings want them. What they are instead is for `doctor` to say."""
    wrong = [each for each in status.resources if each.state != "in sync"]
    lines = [
        f"{each.address} {each.state}{': ' if each.drift else ''}{', '.join(change.field for change in each.drift)}"
        for each in wrong
    ]
    level = Level.BAD if wrong else Level.OK
    fine = f"{counted(len(status.resources), 'resource')} in sync"
    return _tile(DRIFT, value=float(len(wrong)), unit="resources", level=level, lines=lines or [fine])


def changes(entries: Iterable[AuditEntry]) -> Tile:
    """What operators did, newest first; deploys, steps of a migration and broadcasts are marks."""
    found = list(entries)
    is_marked = [any(f"{each.action}.".startswith(f"{name}.") for name in MARKED) for each in found]
    marks = tuple(
        Mark(each.at, each.action.replace(".", " "))
        for each, marked in zip(found, is_marked, strict=True)
        if marked
    )
    lines = [
        f"{each.at.astimezone():%H:%M} {each.action.replace('.', ' ')}: {each.outcome}" for each in found
    ]
    return _tile(CHANGES, value=float(len(found)), unit="in 2 h", lines=lines or ["none"], marks=marks)


class Usage(Struct, frozen=True):
    """What the last hour used. None was not measured."""

    messages: float | None
    connection_minutes: float | None
    invocations: float | None
    gb_s: float | None
    duration_rate: str
    metrics_an_hour: float
    """That `watch` itself asks GetMetricData for."""


def usage(traffic: Traffic, counts: Points, memory_mb: int, architecture: str, polled: float) -> Usage:
    """Of the last hour, from the traffic and the counts of open connections; minutes without a count are like the others."""
    known = [value for value in counts[-POINTS:] if value is not None]
    duration_ms = summary("Sum", traffic.functions["Duration"][-POINTS:])
    return Usage(
        summary("Sum", traffic.api[catalog.MESSAGES.name][-POINTS:]),
        sum(known) / len(known) * POINTS if known else None,
        summary("Sum", traffic.functions[catalog.INVOCATIONS.name][-POINTS:]),
        None if duration_ms is None else duration_ms / 1_000 * memory_mb / 1_024,
        f"lambda_duration_{architecture}",
        polled,
    )


def cost(used: Usage, a_month: Decimal, rates: Mapping[str, Rate]) -> Tile:
    """Dollars of the last hour by list prices, without free tiers: WebSocket, Lambda, and what the settings cost by the month."""
    amounts = {
        "websocket_messages": used.messages,
        "websocket_connection_minutes": used.connection_minutes,
        "lambda_requests": used.invocations,
        used.duration_rate: used.gb_s,
    }
    traffic = [_cost(amount, rates.get(name)) for name, amount in amounts.items() if amount is not None]
    fixed = a_month / 720
    total = sum((each for each in traffic if each is not None), fixed)
    own = _cost(used.metrics_an_hour, rates.get("metrics_requested"))
    lines = (
        f"traffic ${total - fixed:.4f}, monitoring ${fixed:.4f}",
        f"watch itself ${own:.4f} ({used.metrics_an_hour:,.0f} metrics an hour)"
        if own is not None
        else "watch itself: price not found",
        "not in it: Chime, DynamoDB, logs",
    )
    known = bool(traffic) and None not in traffic
    level = Level.OK if known or not traffic else Level.WARN
    return _tile(COST, value=float(total), unit="$/h", level=level, lines=lines)


def _cost(amount: float, rate: Rate | None) -> Decimal | None:
    if rate is None:
        return None
    return charge(Decimal(str(amount)), rate, free_tiers=FreeTiers.NONE).cost


def first_minute(now: datetime) -> datetime:
    """From when changes are shown: as far back as charts and their ghost lines reach."""
    return now - timedelta(minutes=2 * POINTS)
