"""From a month's usage to the traffic that everything on the bill follows from. What was not given is derived where possible.

Input: `Usage` and the facts of the deployed stack. Output: `Traffic`, in which each quantity says how it was derived, and is
unknown where it cannot be. No prices here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Final

from whatschat_ops.cost.usage import ChimeUsage, Usage, WebSocketUsage
from whatschat_ops.pricing.amounts import plain, show_amount
from whatschat_ops.quotas import MAX_CONNECTION_S, MAX_IDLE_S

KB_PER_GB: Final = Decimal(1024 * 1024)
MINUTES_PER_HOUR: Final = Decimal(60)
DAYS_PER_MONTH: Final = Decimal(30)
MONTH_MINUTES: Final = DAYS_PER_MONTH * 24 * MINUTES_PER_HOUR
LONGEST_CONNECTION_HOURS: Final = Decimal(MAX_CONNECTION_S) / 3600

KEEP_ALIVE_MINUTES: Final = Decimal(MAX_IDLE_S) / 60 - 1
"""A client that is otherwise silent pings this often, so that API Gateway does not close the connection."""

DEFAULT_FAN_OUT: Final = Decimal(2)
"""One chat message is sent, acknowledged and delivered: three messages, of which one runs a function."""

DEFAULT_MESSAGE_KB: Final = Decimal(1)

SMALLEST: Final = Decimal("1e-9")
"""Derived quantities are rounded to this; no meter is finer."""


@dataclass(frozen=True, slots=True)
class DistributedFacts:
    """The settings of distributed broadcasts."""

    workers: int
    shard_connections: int
    memory_mb: int


@dataclass(frozen=True, slots=True)
class StackFacts:
    """The settings of the environment that quantities depend on. What costs money is on the bill because it is set."""

    region: str
    memory_mb: int
    architecture: str
    log_retention_days: int
    point_in_time_recovery: bool = False
    access_logs: bool = True
    chime_events: bool = False
    alarms: int = 0
    """Metrics of the alarms that the settings make."""
    dashboards: int = 0
    metrics: int = 0
    """Custom metrics that the settings make."""
    count_every_minutes: int | None = None
    """Of the scheduled count of open connections."""
    distributed: DistributedFacts | None = None


@dataclass(frozen=True, slots=True)
class Quantity:
    """How much. `amount` None: unknown. `basis`: how it was derived; empty when it was given."""

    amount: Decimal | None
    basis: str = ""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a month's bill is derived from."""

    usage: Usage
    stack: StackFacts
    messages: Quantity
    shares: Mapping[Decimal, Decimal]
    """KB of a message -> its share of all messages; the shares add up to one."""
    inbound: Quantity
    minutes: Quantity
    connections: Quantity
    requests: Quantity
    audio_minutes: Quantity
    video_minutes: Quantity

    @property
    def architecture(self) -> str:
        """Processor of the functions."""
        return self.usage.lambda_.architecture or self.stack.architecture

    @property
    def memory_gb(self) -> Decimal:
        """Of one function."""
        given = self.usage.lambda_.memory_mb
        return (given if given is not None else Decimal(self.stack.memory_mb)) / 1024

    @property
    def mean_kb(self) -> Decimal:
        """Of a message."""
        return sum((size_kb * share for size_kb, share in self.shares.items()), Decimal(0))

    @property
    def keep_alive_messages(self) -> Decimal | None:
        """Pings and pongs if every connection is otherwise silent; not part of `messages`."""
        minutes = self.minutes.amount
        return None if minutes is None else round_up(minutes / KEEP_ALIVE_MINUTES) * 2


def traffic(usage: Usage, stack: StackFacts) -> Traffic:
    """Every quantity that is given or can be derived."""
    socket = usage.websocket
    messages, minutes = _messages(socket), _connection_minutes(socket)
    inbound, connections = _inbound(socket, messages), _connections(socket, minutes)
    requests = derived(
        usage.lambda_.requests,
        "client messages, plus $connect and $disconnect of each connection",
        lambda sent, opened: sent + 2 * opened,
        inbound,
        connections,
    )
    audio, video = _attendee_minutes(usage.chime)
    return Traffic(
        usage, stack, messages, _shares(socket), inbound, minutes, connections, requests, audio, video
    )


def derived(
    given: Decimal | None, basis: str, formula: Callable[..., Decimal], *inputs: Quantity
) -> Quantity:
    """The given amount, else the formula, else (an input is unknown) unknown."""
    if given is not None:
        return Quantity(given)
    amounts = [quantity.amount for quantity in inputs]
    if any(amount is None for amount in amounts):
        return Quantity(None)
    return Quantity(plain(formula(*amounts).quantize(SMALLEST)), basis)


def round_up(value: Decimal) -> Decimal:
    """To a whole number."""
    return value.to_integral_value(ROUND_CEILING)


def _shares(socket: WebSocketUsage) -> dict[Decimal, Decimal]:
    shares: dict[Decimal, Decimal] = {}
    for each in socket.message_sizes:
        shares[each.kb] = shares.get(each.kb, Decimal(0)) + each.percent / 100
    one = socket.message_size_kb if socket.message_size_kb is not None else DEFAULT_MESSAGE_KB
    return shares or {one: Decimal(1)}


def _days(socket: WebSocketUsage) -> Decimal:
    return socket.days if socket.days is not None else DAYS_PER_MONTH


def _messages(socket: WebSocketUsage) -> Quantity:
    days = _days(socket)
    return derived(
        socket.messages,
        f"users × messages a day × {show_amount(days)} days",
        lambda users, messages: users * messages * days,
        Quantity(socket.users),
        Quantity(socket.messages_per_day),
    )


def _connection_minutes(socket: WebSocketUsage) -> Quantity:
    days = _days(socket)
    return derived(
        socket.connection_minutes,
        f"users × hours a day × {show_amount(days)} days",
        lambda users, hours: users * hours * MINUTES_PER_HOUR * days,
        Quantity(socket.users),
        Quantity(socket.hours_per_day),
    )


def _inbound(socket: WebSocketUsage, messages: Quantity) -> Quantity:
    fan_out = socket.fan_out if socket.fan_out is not None else DEFAULT_FAN_OUT
    return derived(
        socket.inbound_messages,
        f"messages / (1 + fan-out of {show_amount(fan_out)})",
        lambda every: min(every, round_up(every / (1 + fan_out))),
        messages,
    )


def _connections(socket: WebSocketUsage, minutes: Quantity) -> Quantity:
    """API Gateway closes every connection after two hours, so a long day takes several."""
    if socket.users is None or socket.hours_per_day is None:
        longest = LONGEST_CONNECTION_HOURS * MINUTES_PER_HOUR
        return derived(socket.connections, "two hours each", lambda total: round_up(total / longest), minutes)
    days = _days(socket)
    return derived(
        socket.connections,
        "two hours each",
        lambda users, hours: users * days * round_up(hours / LONGEST_CONNECTION_HOURS),
        Quantity(socket.users),
        Quantity(socket.hours_per_day),
    )


def _attendee_minutes(chime: ChimeUsage) -> tuple[Quantity, Quantity]:
    video = chime.video_percent if chime.video_percent is not None else Decimal(0)

    def share(percent: Decimal, given: Decimal | None) -> Quantity:
        return derived(
            given,
            f"meetings × attendees × minutes, {show_amount(percent)} %",
            lambda meetings, attendees, minutes: meetings * attendees * minutes * percent / 100,
            Quantity(chime.meetings),
            Quantity(chime.attendees),
            Quantity(chime.minutes),
        )

    return share(100 - video, chime.audio_attendee_minutes), share(video, chime.video_attendee_minutes)
