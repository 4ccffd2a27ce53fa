"""From a month's usage to billable quantities. What was not given is derived where possible, and marked as derived.

Input: `Usage` and the facts of the deployed stack. Output: rate key -> `Quantity`, unknown where it cannot be derived.
No prices here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from whatschat_ops.cost.usage import Usage, WebSocketUsage
from whatschat_ops.pricing.amounts import plain, show_amount
from whatschat_ops.quotas import MAX_CONNECTION_S, MAX_IDLE_S

KB_PER_GB = Decimal(1024 * 1024)
MINUTES_PER_HOUR = Decimal(60)
DAYS_PER_MONTH = Decimal(30)

LONGEST_CONNECTION_HOURS = Decimal(MAX_CONNECTION_S) / 3600

KEEP_ALIVE_MINUTES = Decimal(MAX_IDLE_S) / 60 - 1
"""A client that is otherwise silent pings this often, so that API Gateway does not close the connection."""

MESSAGES_PER_INBOUND = Decimal(3)
"""One chat message is sent, acknowledged and delivered: three messages, of which one runs a function."""

WRITES_PER_CONNECTION = Decimal(4)
"""Put and delete of a row under 1 KB, each once in the table and once in the user index."""

READS_PER_INBOUND = Decimal("1.5")
"""A consistent read of the sender's row, and an eventually consistent query of the recipient's connections."""

ROW_KB = Decimal("0.5")
"""A connection's row, its index entry and DynamoDB's 100 bytes of overhead for each."""

LOG_KB_PER_REQUEST = Decimal("0.75")
"""START, END and REPORT and the handler's own line, with CloudWatch's 26 bytes for each."""

ACCESS_LOG_KB_PER_REQUEST = Decimal("0.25")
"""The stage's line for each route that it invokes."""

SMALLEST = Decimal("1e-9")
"""Derived quantities are rounded to this; no meter is finer."""

DEFAULT_MESSAGE_KB = Decimal(1)
DEFAULT_DURATION_MS = Decimal(50)


@dataclass(frozen=True, slots=True)
class StackFacts:
    """The settings of the environment that quantities depend on."""

    region: str
    memory_mb: int
    architecture: str
    log_retention_days: int
    point_in_time_recovery: bool = False


@dataclass(frozen=True, slots=True)
class Quantity:
    """How much. `amount` None: unknown. `basis`: how it was derived; empty when it was given."""

    amount: Decimal | None
    basis: str = ""


@dataclass(frozen=True, slots=True)
class Quantities:
    """The billable quantities of a month, in the units of the rate cards."""

    by_rate: dict[str, Quantity]
    message_kb: Decimal
    message_kb_assumed: bool
    keep_alive_messages: Decimal | None
    """Pings and pongs if every connection is otherwise silent; not part of `by_rate`."""


def quantities(usage: Usage, stack: StackFacts) -> Quantities:
    """Every quantity that is given or can be derived."""
    socket = usage.websocket
    message_kb = socket.message_size_kb if socket.message_size_kb is not None else DEFAULT_MESSAGE_KB
    messages, minutes = Quantity(socket.messages), _connection_minutes(socket)
    inbound, connections = _inbound(socket), _connections(socket, minutes)
    requests = _given_or(
        usage.lambda_.requests,
        "client messages, plus $connect and $disconnect of each connection",
        lambda sent, opened: sent + 2 * opened,
        inbound,
        connections,
    )
    logs, access_logs = _logs_ingested(usage, requests), _access_logs(usage, requests)
    data_out = _data_out(usage, messages, inbound, message_kb)
    architecture = usage.lambda_.architecture or stack.architecture
    by_rate = {
        "websocket_messages": messages,
        "websocket_connection_minutes": minutes,
        "data_transfer_out": data_out,
        "chime_audio": Quantity(usage.chime.audio_attendee_minutes),
        "chime_video": Quantity(usage.chime.video_attendee_minutes),
        "lambda_requests": requests,
        f"lambda_duration_{architecture}": _gb_seconds(usage, stack, requests, architecture),
        **_dynamodb(usage, stack, inbound, connections, minutes),
        "logs_ingested_lambda": logs,
        "logs_ingested": access_logs,
        "logs_stored": _logs_stored(usage, stack, logs, access_logs),
        "logs_scanned": Quantity(usage.logs.scanned_gb),
    }
    return Quantities(
        by_rate,
        message_kb=message_kb,
        message_kb_assumed=socket.message_size_kb is None,
        keep_alive_messages=_keep_alive(minutes),
    )


def _given_or(
    given: Decimal | None, basis: str, formula: Callable[..., Decimal], *inputs: Quantity
) -> Quantity:
    """The given amount, else the formula, else (an input is unknown) unknown."""
    if given is not None:
        return Quantity(given)
    amounts = [quantity.amount for quantity in inputs]
    if any(amount is None for amount in amounts):
        return Quantity(None)
    return Quantity(plain(formula(*amounts).quantize(SMALLEST)), basis)


def _connection_minutes(socket: WebSocketUsage) -> Quantity:
    days = socket.days if socket.days is not None else DAYS_PER_MONTH
    return _given_or(
        socket.connection_minutes,
        f"users × hours a day × {show_amount(days)} days",
        lambda users, hours: users * hours * MINUTES_PER_HOUR * days,
        Quantity(socket.users),
        Quantity(socket.hours_per_day),
    )


def _inbound(socket: WebSocketUsage) -> Quantity:
    return _given_or(
        socket.inbound_messages,
        "a third of all messages",
        lambda messages: min(messages, _round_up(messages / MESSAGES_PER_INBOUND)),
        Quantity(socket.messages),
    )


def _connections(socket: WebSocketUsage, minutes: Quantity) -> Quantity:
    """API Gateway closes every connection after two hours, so a long day takes several."""
    if socket.users is None or socket.hours_per_day is None:
        longest = LONGEST_CONNECTION_HOURS * MINUTES_PER_HOUR
        return _given_or(
            socket.connections, "two hours each", lambda total: _round_up(total / longest), minutes
        )
    days = socket.days if socket.days is not None else DAYS_PER_MONTH
    return _given_or(
        socket.connections,
        "two hours each",
        lambda users, hours: users * days * _round_up(hours / LONGEST_CONNECTION_HOURS),
        Quantity(socket.users),
        Quantity(socket.hours_per_day),
    )


def _data_out(usage: Usage, messages: Quantity, inbound: Quantity, message_kb: Decimal) -> Quantity:
    return _given_or(
        usage.data_transfer.out_gb,
        f"messages to clients × {show_amount(message_kb)} KB",
        lambda every, sent: (every - sent) * message_kb / KB_PER_GB,
        messages,
        inbound,
    )


def _gb_seconds(usage: Usage, stack: StackFacts, requests: Quantity, architecture: str) -> Quantity:
    given = usage.lambda_
    memory_mb = given.memory_mb if given.memory_mb is not None else Decimal(stack.memory_mb)
    duration_ms = given.duration_ms if given.duration_ms is not None else DEFAULT_DURATION_MS
    return _given_or(
        None,
        f"requests × {show_amount(duration_ms)} ms × {show_amount(memory_mb)} MB, on {architecture}",
        lambda count: count * duration_ms / 1000 * memory_mb / 1024,
        requests,
    )


def _dynamodb(
    usage: Usage, stack: StackFacts, inbound: Quantity, connections: Quantity, minutes: Quantity
) -> dict[str, Quantity]:
    given = usage.dynamodb
    month_minutes = DAYS_PER_MONTH * 24 * MINUTES_PER_HOUR
    storage = _given_or(
        given.storage_gb,
        "rows of the average number of open connections",
        lambda total: total / month_minutes * ROW_KB / KB_PER_GB,
        minutes,
    )
    backed_up = Quantity(storage.amount, "the table's size: connections.point_in_time_recovery is set")
    return {
        "dynamodb_writes": _given_or(
            given.write_request_units,
            "4 per connection: a put and a delete, in table and index",
            lambda opened: opened * WRITES_PER_CONNECTION,
            connections,
        ),
        "dynamodb_reads": _given_or(
            given.read_request_units,
            "1.5 per client message: the sender's row, and a query for the recipient",
            lambda sent: sent * READS_PER_INBOUND,
            inbound,
        ),
        "dynamodb_storage": storage,
        **({"dynamodb_pitr": backed_up} if stack.point_in_time_recovery else {}),
    }


def _logs_ingested(usage: Usage, requests: Quantity) -> Quantity:
    return _given_or(
        usage.logs.ingested_gb,
        f"requests × {show_amount(LOG_KB_PER_REQUEST)} KB of log lines",
        lambda count: count * LOG_KB_PER_REQUEST / KB_PER_GB,
        requests,
    )


def _access_logs(usage: Usage, requests: Quantity) -> Quantity:
    if usage.logs.ingested_gb is not None and usage.logs.access_gb is None:
        return Quantity(None)  # measured logs are not mixed with derived ones
    return _given_or(
        usage.logs.access_gb,
        f"requests × {show_amount(ACCESS_LOG_KB_PER_REQUEST)} KB of access log",
        lambda count: count * ACCESS_LOG_KB_PER_REQUEST / KB_PER_GB,
        requests,
    )


def _logs_stored(usage: Usage, stack: StackFacts, functions: Quantity, access: Quantity) -> Quantity:
    days = Decimal(stack.log_retention_days)
    return _given_or(
        usage.logs.stored_gb,
        f"retained for {show_amount(days)} {'day' if days == 1 else 'days'}, not compressed",
        lambda written, accessed: (written + accessed) * days / DAYS_PER_MONTH,
        functions,
        access if access.amount is not None else Quantity(Decimal(0)),
    )


def _keep_alive(minutes: Quantity) -> Decimal | None:
    return None if minutes.amount is None else _round_up(minutes.amount / KEEP_ALIVE_MINUTES) * 2


def _round_up(value: Decimal) -> Decimal:
    return value.to_integral_value(ROUND_CEILING)
