"""`ws compare`: one scenario over two paths at the same time, with latency and loss per kind of message.

Each path has a socket of each user and sends the same messages at the same moments. The figures are all: nothing here judges.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from websockets.exceptions import ConnectionClosed

from whatschat_ops.choices import SocketMode
from whatschat_ops.load.crowd import wait_until
from whatschat_ops.load.deliveries import Deliveries, DeliveryTracker, Kind
from whatschat_ops.load.kinds import MessageKind
from whatschat_ops.measure.histogram import Histogram, Latency
from whatschat_ops.sockets.adapter import Socket

_MARKER: Final = re.compile(r"compare:(\d+)")
_ERROR_TYPES: Final = ("error", "exception")


@dataclass(frozen=True, slots=True)
class Scenario:
    """What both paths do: `rate_per_s` messages on each for `duration_s`, then wait until none has arrived for `drain_s`."""

    users: tuple[str, ...]
    kinds: tuple[MessageKind, ...]
    rate_per_s: float
    duration_s: float
    drain_s: float
    settle_s: float = 1.0
    """Between opening and sending: the index of users is eventually consistent."""

    def messages(self) -> int:
        """How many messages each path sends at most."""
        return round(self.rate_per_s * self.duration_s)


@dataclass(frozen=True, slots=True)
class PathReport:
    """One path: its handshakes, sockets closed by the other side by code, and answers that were errors."""

    mode: SocketMode
    url: str
    handshake: Latency
    cut: dict[str, int]
    errors: dict[str, int]
    not_sent: int
    """Messages that were due on a socket that had been closed."""


@dataclass(frozen=True, slots=True)
class ComparedKind:
    """A kind of message on both paths; None where the path has no counterpart (`why`), or nothing was to be sent."""

    kind: str
    a: Deliveries | None
    b: Deliveries | None
    why: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """The figures of both paths."""

    started_at: datetime
    interrupted: bool
    users: int
    rate_per_s: float
    duration_s: float
    a: PathReport
    b: PathReport
    kinds: tuple[ComparedKind, ...]


@dataclass(slots=True)
class Path:
    """One path while it is measured. `connect` opens a socket as a user; it raises OpsError."""

    mode: SocketMode
    url: str
    connect: Callable[[str], Awaitable[Socket]]
    clock: Callable[[], float] = time.perf_counter
    tracker: DeliveryTracker = field(default_factory=DeliveryTracker)
    counts: dict[str, Kind] = field(default_factory=dict)
    handshake: Histogram = field(default_factory=Histogram)
    cut: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    not_sent: int = 0
    _sockets: list[Socket] = field(default_factory=list)
    _receiving: list[asyncio.Task[None]] = field(default_factory=list)
    _arrived: int = 0
    _closing: bool = False

    async def open(self, users: Sequence[str], stop: asyncio.Event) -> None:
        """Open a socket of each user, one after the other, until `stop` is set."""
        for number, user in enumerate(users):
            if stop.is_set():
                return
            started_s = self.clock()
            socket = await self.connect(user)
            self.handshake.record(self.clock() - started_s)
            self._sockets.append(socket)
            self._receiving.append(asyncio.create_task(self._receive(number, socket)))

    async def run(self, scenario: Scenario, stop: asyncio.Event) -> None:
        """Send what this path can, at its moments, and wait for the arrivals."""
        kinds = [kind for kind in scenario.kinds if kind.fields is not None]
        self.counts = {kind.name: Kind() for kind in kinds if self.mode in kind.modes}
        started_s = self.clock()
        for turn in range(scenario.messages() if kinds else 0):
            await wait_until(started_s + turn / scenario.rate_per_s, self.clock, stop)
            if stop.is_set():
                break
            kind = kinds[turn % len(kinds)]
            if kind.name in self.counts:
                await self._send(kind, turn // len(kinds), scenario.users)
        await self._drain(scenario.drain_s)
        self.tracker.finish()

    async def close(self) -> None:
        """Close every socket with 1000."""
        self._closing = True
        await asyncio.gather(*(socket.close(1000) for socket in self._sockets))
        await asyncio.gather(*self._receiving)

    def report(self) -> PathReport:
        """The figures that are not of one kind of message."""
        return PathReport(
            self.mode, self.url, self.handshake.latency(), dict(self.cut), dict(self.errors), self.not_sent
        )

    async def _send(self, kind: MessageKind, turn: int, users: Sequence[str]) -> None:
        sender = turn % len(users)
        receiver = (sender + 1 + turn // len(users) % (len(users) - 1)) % len(users)
        expected = sender if kind.to_sender else receiver
        number = self.tracker.begin(self.counts[kind.name], (expected,), self.clock())
        document = kind.document(f"compare:{number}", users[sender], users[receiver])
        try:
            await self._sockets[sender].send(json.dumps(document))
        except ConnectionClosed:
            self.not_sent += 1
            self.tracker.withdraw(number)

    async def _drain(self, drain_s: float) -> None:
        arrived, quiet_since_s = self._arrived, self.clock()
        while self.tracker.in_flight and self.clock() - quiet_since_s < drain_s:
            await asyncio.sleep(0.02)
            if arrived != self._arrived:
                arrived, quiet_since_s = self._arrived, self.clock()

    async def _receive(self, number: int, socket: Socket) -> None:
        try:
            while True:
                self._take(number, await socket.recv(), self.clock())
        except ConnectionClosed:
            if not self._closing:
                self.cut[str(socket.close_code or 1006)] += 1

    def _take(self, socket: int, message: str | bytes, now_s: float) -> None:
        text = message if isinstance(message, str) else message.decode("utf-8", "replace")
        kind = _type(text)
        name = _SENT_AS.get(kind, kind)
        if kind in _ERROR_TYPES:
            self.errors[_reason(text)] += 1
        elif (count := self.counts.get(name)) is not None and (marker := _MARKER.search(text)):
            self._arrived += 1
            self.tracker.arrive(count, int(marker[1]), socket, now_s)


async def compare(a: Path, b: Path, scenario: Scenario, stop: asyncio.Event) -> Comparison:
    """Run the scenario over both paths at once. Raises OpsError when a socket cannot be opened."""
    started_at = datetime.now(UTC)
    try:
        for path in (a, b):
            await path.open(scenario.users, stop)
        await wait_until(a.clock() + scenario.settle_s, a.clock, stop)
        await asyncio.gather(a.run(scenario, stop), b.run(scenario, stop))
    finally:
        await asyncio.gather(a.close(), b.close())
    return Comparison(
        started_at=started_at,
        interrupted=stop.is_set(),
        users=len(scenario.users),
        rate_per_s=scenario.rate_per_s,
        duration_s=scenario.duration_s,
        a=a.report(),
        b=b.report(),
        kinds=tuple(_compared(kind, a, b) for kind in scenario.kinds),
    )


def _compared(kind: MessageKind, a: Path, b: Path) -> ComparedKind:
    missing = kind.fields is None or any(path.mode not in kind.modes for path in (a, b))
    return ComparedKind(kind.name, _deliveries(kind, a), _deliveries(kind, b), kind.why if missing else "")


def _deliveries(kind: MessageKind, path: Path) -> Deliveries | None:
    count = path.counts.get(kind.name)
    return count.deliveries() if count is not None and count.sent else None


_SENT_AS: Final = {"pong": "ping", "message:received": "message:send"}


def _type(text: str) -> str:
    document = _document(text)
    return str(document.get("type", ""))


def _reason(text: str) -> str:
    document = _document(text)
    data = document.get("data")
    given = data if isinstance(data, dict) else document
    return str(given.get("code") or given.get("message") or "error")[:80]


def _document(text: str) -> dict[str, object]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
