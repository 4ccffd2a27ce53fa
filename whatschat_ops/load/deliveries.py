"""Tracks every message until it has arrived at each expected socket: latency, loss and duplicates. Pure; times in seconds.

Memory holds the messages in flight and the newest of those given up: after `GIVE_UP_S` a message counts as lost; if it
arrives later, it counts as late instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from whatschat_ops.measure.histogram import Histogram, Latency
from whatschat_ops.quotas import MAX_INTEGRATION_TIMEOUT_MS

GIVE_UP_S: Final = MAX_INTEGRATION_TIMEOUT_MS / 1000 + 1
"""A function cannot answer later than this."""

_GIVEN_UP_KEPT: Final = 100_000


@dataclass(frozen=True, slots=True)
class Deliveries:
    """The deliveries of one kind of message.

    `expected` arrivals (a message to a user with two sockets must arrive twice) = `arrived` + `lost` + those that are not
    known, because `unmatched` answers had no id. `late` ones arrived after 30 s. `loss_percent`
    is of what was expected, None when that is nothing. `duplicates` came again on the same socket.
    """

    sent: int
    expected: int
    arrived: int
    late: int
    lost: int
    unmatched: int
    loss_percent: float | None
    duplicates: int
    latency: Latency


@dataclass(slots=True)
class Kind:
    """The counts of one kind of message."""

    sent: int = 0
    expected: int = 0
    arrived: int = 0
    late: int = 0
    missing: int = 0
    """Given up."""
    unmatched: int = 0
    duplicates: int = 0
    latency: Histogram = field(default_factory=Histogram)

    @property
    def lost(self) -> int:
        """What is missing and was not answered: an answer without an id may stand for all arrivals of its message."""
        arrivals = -(-self.expected // self.sent) if self.sent else 0
        return max(0, self.missing - self.unmatched * arrivals)

    def deliveries(self) -> Deliveries:
        """The counts so far."""
        return Deliveries(
            sent=self.sent,
            expected=self.expected,
            arrived=self.arrived,
            late=self.late,
            lost=self.lost,
            unmatched=self.unmatched,
            loss_percent=percent(self.lost, self.expected),
            duplicates=self.duplicates,
            latency=self.latency.latency(),
        )


def percent(part: int, whole: int) -> float | None:
    """`part` in percent of `whole`; None when that is 0."""
    return 100 * part / whole if whole else None


@dataclass(slots=True)
class _InFlight:
    kind: Kind
    sent_s: float
    waiting: set[int]
    """The sockets where it has not arrived."""


class DeliveryTracker:
    """Messages by number; the numbers are sent as the messages' ids."""

    def __init__(self) -> None:
        self.pings = Kind()
        self.messages = Kind()
        self.strange = 0
        """Arrivals of messages that were not sent here, or not to that socket."""
        self._next = 1
        self._in_flight: dict[int, _InFlight] = {}
        self._given_up: dict[int, _InFlight] = {}

    @property
    def in_flight(self) -> int:
        """How many messages have not arrived at all expected sockets."""
        return len(self._in_flight)

    def begin(self, kind: Kind, expected: Iterable[int], now_s: float) -> int:
        """Track a message that must arrive at these sockets. Returns its number."""
        number, self._next = self._next, self._next + 1
        waiting = set(expected)
        kind.sent += 1
        kind.expected += len(waiting)
        if waiting:
            self._in_flight[number] = _InFlight(kind, now_s, waiting)
        return number

    def withdraw(self, number: int) -> None:
        """Stop tracking a message that was not sent."""
        entry = self._in_flight.pop(number, None)
        if entry is not None:
            entry.kind.sent -= 1
            entry.kind.expected -= len(entry.waiting)

    def arrive(self, kind: Kind, number: object, socket: int, now_s: float) -> float | None:
        """A message of this kind and number (None: without one) arrived at a socket. Returns its latency unless it is a duplicate."""
        if number is None:
            kind.unmatched += 1
            return None
        if not isinstance(number, int) or not 0 < number < self._next:
            self.strange += 1
            return None
        entry = self._in_flight.get(number) or self._given_up.get(number)
        if entry is None or socket not in entry.waiting:
            kind.duplicates += 1
            return None
        entry.waiting.discard(socket)
        latency_s = now_s - entry.sent_s
        entry.kind.arrived += 1
        entry.kind.latency.record(latency_s)
        if number in self._given_up:
            entry.kind.late += 1
            entry.kind.missing -= 1
        if not entry.waiting:
            self._in_flight.pop(number, None)
            self._given_up.pop(number, None)
        return latency_s

    def give_up_old(self, now_s: float) -> None:
        """Count messages as lost that have been in flight for too long."""
        while self._in_flight:
            number, entry = next(iter(self._in_flight.items()))
            if now_s - entry.sent_s < GIVE_UP_S:
                return
            self._give_up(number, entry)

    def finish(self) -> None:
        """End of the test: messages in flight are lost."""
        for number, entry in list(self._in_flight.items()):
            self._give_up(number, entry)

    def _give_up(self, number: int, entry: _InFlight) -> None:
        del self._in_flight[number]
        entry.kind.missing += len(entry.waiting)
        self._given_up[number] = entry
        if len(self._given_up) > _GIVEN_UP_KEPT:
            del self._given_up[next(iter(self._given_up))]
