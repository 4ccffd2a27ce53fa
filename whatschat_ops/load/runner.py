"""Runs a load test: ramp (open sockets at a rate), settle, steady (send on a schedule), drain (wait), close.

One event loop does everything; the tracker of deliveries, the histograms and the timeline count. Setting `stop`
skips to drain and close, and the report says so.
"""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from websockets.exceptions import ConnectionClosed

from whatschat_ops.choices import SocketMode
from whatschat_ops.load import schedule
from whatschat_ops.load.crowd import Crowd, wait_until
from whatschat_ops.load.deliveries import GIVE_UP_S, DeliveryTracker
from whatschat_ops.load.measured import Measured, report_of
from whatschat_ops.load.plan import LoadPlan
from whatschat_ops.load.report import LoadReport
from whatschat_ops.load.timeline import Counts, Point, Timeline
from whatschat_ops.measure.histogram import Histogram
from whatschat_ops.quotas import MAX_FRAME_BYTES
from whatschat_ops.sockets.adapter import Socket
from whatschat_ops.sockets.client import send_text

SETTLE_S: Final = 1.0
"""Between opening and sending: the index of users is eventually consistent."""

_POINT_EVERY_S: Final = 1.0
_ERROR_KINDS_KEPT: Final = 20


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of a running test: its last second and the totals to show."""

    point: Point
    refused: int
    lost: int
    duplicates: int


class LoadTest:
    """One load test, to be run once."""

    def __init__(
        self,
        plan: LoadPlan,
        open_socket: Callable[[int], Awaitable[Socket]],
        name_of: Callable[[int], str],
        *,
        stop: asyncio.Event,
        progress: Callable[[Progress], None] = lambda _: None,
        clock: Callable[[], float] = time.perf_counter,
        settle_s: float = SETTLE_S,
    ) -> None:
        """`open_socket` connects as the user of a number (raises AwsError when refused); `name_of` gives the user's id."""
        self._plan = plan
        self._gives_receipts = plan.mode is not SocketMode.SOCKETIO
        self._name_of = name_of
        self._stop = stop
        self._progress = progress
        self._clock = clock
        self._settle_s = settle_s
        self._crowd = Crowd(plan, open_socket, self._received, stop, clock)
        self._tracker = DeliveryTracker()
        self._timeline = Timeline()
        self._send_delay = Histogram()
        self._errors: Counter[str] = Counter()
        self._receipts = self._skipped = self._not_sent = 0
        self._phase = "ramp"
        self._phases: dict[str, float] = {}
        self._cpu_shares: dict[str, float] = {}
        self._steady: Counts | None = None
        self._busy: set[int] = set()
        self._sending: set[asyncio.Task[None]] = set()
        self._started_s = 0.0

    async def run(self) -> LoadReport:
        """The whole test, and its report. Raises what `measure` raises."""
        return report_of(self._plan, await self.measure())

    async def measure(self) -> Measured:
        """The whole test. Raises OpsError for a failure of this program (a token that cannot be sent)."""
        started_at, self._started_s = datetime.now(UTC), self._clock()
        watching = asyncio.create_task(self._watch())
        try:
            await self._in_phase("ramp", self._crowd.ramp())
            if self._crowd.sockets:
                await self._in_phase("settle", self._settle())
                await self._in_phase("steady", self._send_on_schedule())
                self._steady = self._counts()
                await self._in_phase("drain", self._drain())
        finally:
            # What arrives while the sockets close still counts.
            await self._in_phase("close", self._crowd.close())
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            gc.unfreeze()
        if self._crowd.fault is not None:
            raise self._crowd.fault
        self._tracker.finish()
        self._timeline.point(self._clock() - self._started_s, "close", self._counts())
        return self._measured(started_at)

    async def _in_phase(self, name: str, work: Awaitable[None]) -> None:
        self._phase, started_s, cpu_s = name, self._clock(), time.process_time()
        await work
        self._phases[name] = self._clock() - started_s
        self._cpu_shares[name] = (time.process_time() - cpu_s) / max(1e-9, self._phases[name])

    async def _settle(self) -> None:
        gc.collect()
        gc.freeze()  # a full collection over ten thousand sockets would stop the clock for a tenth of a second
        await wait_until(self._clock() + self._settle_s, self._clock, self._stop)

    async def _send_on_schedule(self) -> None:
        started_s = self._clock()
        for turn in range(schedule.turns(self._plan)):
            due = started_s + schedule.due_s(turn, self._plan)
            if due > self._clock():
                await wait_until(due, self._clock, self._stop)
            elif turn % 4 == 0:
                await asyncio.sleep(0)  # behind schedule: receive in between
            if self._stop.is_set():
                return
            self._take_turn(turn, due)
        await wait_until(started_s + self._plan.duration_s, self._clock, self._stop)

    async def _drain(self) -> None:
        """Wait until all has arrived, nothing has for `drain_s`, or the rest counts as lost."""
        end_s = self._clock() + GIVE_UP_S
        answers, quiet_since_s = self._answers(), self._clock()
        while self._awaiting() and self._clock() < end_s:
            await asyncio.sleep(0.02)
            if (now := self._answers()) != answers:
                answers, quiet_since_s = now, self._clock()
            elif self._clock() - quiet_since_s >= self._plan.drain_s:
                return

    def _answers(self) -> int:
        unmatched = self._tracker.pings.unmatched + self._tracker.messages.unmatched
        return self._counts().arrived + self._receipts + self._errors.total() + unmatched

    def _awaiting(self) -> bool:
        answered = self._receipts + self._errors.total()
        receipts_missing = self._gives_receipts and answered < self._tracker.messages.sent
        return bool(self._tracker.in_flight or self._sending) or receipts_missing

    def _take_turn(self, turn: int, due_s: float) -> None:
        number = schedule.socket_of(turn, self._plan)
        socket = self._crowd.sockets.get(number)
        if socket is None:
            return
        if number in self._busy:
            self._skipped += 1
            return
        self._busy.add(number)
        self._crowd.start(self._send(number, socket, turn, due_s), self._sending)

    async def _send(self, number: int, socket: Socket, turn: int, due_s: float) -> None:
        # A message's time begins here, not when its turn was taken: waiting for our own loop is not the server's latency.
        now_s = self._clock()
        self._send_delay.record(now_s - due_s)
        message, text = self._message(turn, number, now_s)
        try:
            await (socket.send(text) if len(text) <= MAX_FRAME_BYTES else send_text(socket, text))
        except ConnectionClosed:
            self._not_sent += 1
            self._tracker.withdraw(message)
        finally:
            self._busy.discard(number)

    def _message(self, turn: int, number: int, now_s: float) -> tuple[int, str]:
        """The number and the text of the message of this turn. It is a ping if there is no user to send to."""
        user = schedule.recipient(turn, self._plan)
        receivers = self._crowd.of_user.get(user)
        size_bytes = self._plan.message_size_bytes
        if schedule.is_ping(turn, self._plan) or not receivers:
            message = self._tracker.begin(self._tracker.pings, (number,), now_s)
            return message, schedule.ping_text(message, size_bytes)
        message = self._tracker.begin(self._tracker.messages, receivers, now_s)
        return message, schedule.message_text(message, self._name_of(user), size_bytes)

    def _received(self, socket: int, text: str | bytes) -> None:
        now_s = self._clock()
        document = _document(text)
        kind = document.get("type")
        latency_s = None
        if kind == "pong":
            latency_s = self._tracker.arrive(self._tracker.pings, document.get("id"), socket, now_s)
        elif kind == "message:received":
            latency_s = self._tracker.arrive(self._tracker.messages, document.get("id"), socket, now_s)
        elif kind == "message:sent":
            self._receipts += 1
            if document.get("id") is None:
                self._tracker.messages.unmatched += 1
        else:
            self._count_error(document)
        if latency_s is not None:
            self._timeline.record(latency_s)

    def _count_error(self, document: dict[str, Any]) -> None:
        """Count an `error` of the functions by its code, one of API Gateway by its message."""
        if document.get("type") == "error" or "message" in document:
            name = str(document.get("code") or document.get("message") or "error")[:80]
        else:
            name = f"unexpected: {str(document.get('type', 'no JSON object'))[:40]}"
        known = name in self._errors or len(self._errors) < _ERROR_KINDS_KEPT
        self._errors[name if known else "others"] += 1

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_POINT_EVERY_S)
            now_s = self._clock()
            self._tracker.give_up_old(now_s)
            point = self._timeline.point(now_s - self._started_s, self._phase, self._counts())
            kinds = (self._tracker.pings, self._tracker.messages)
            self._progress(
                Progress(
                    point,
                    self._crowd.refused.total(),
                    sum(kind.lost for kind in kinds),
                    sum(kind.duplicates for kind in kinds),
                )
            )

    def _counts(self) -> Counts:
        crowd, pings, messages = self._crowd, self._tracker.pings, self._tracker.messages
        return Counts(
            open_sockets=len(crowd.sockets),
            opened=crowd.opened,
            refused=crowd.refused.total(),
            cut=crowd.cut.total(),
            sent=pings.sent + messages.sent,
            arrived=pings.arrived + messages.arrived,
            errors=self._errors.total(),
        )

    def _measured(self, started_at: datetime) -> Measured:
        crowd, tracker, steady, cpu = self._crowd, self._tracker, self._steady, self._cpu_shares
        steady_s = self._phases.get("steady", 0.0)
        return Measured(
            started_at=started_at,
            interrupted=self._stop.is_set(),
            phases_s=self._phases,
            attempted=crowd.attempted,
            opened=crowd.opened,
            refused=crowd.refused,
            cut=crowd.cut,
            not_closed=crowd.not_closed,
            first_refusal=crowd.first_refusal.message if crowd.first_refusal else "",
            handshake=crowd.handshake,
            pings=tracker.pings,
            messages=tracker.messages,
            receipts=self._receipts,
            errors=self._errors,
            strange=tracker.strange,
            sent_per_s=steady.sent / steady_s if steady else None,
            arrived_per_s=steady.arrived / steady_s if steady else None,
            send_delay=self._send_delay,
            cpu_share=max(cpu.get("ramp", 0), cpu.get("steady", 0)),
            skipped=self._skipped,
            not_sent=self._not_sent,
            timeline=self._timeline.seconds,
        )


def _document(text: str | bytes) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
