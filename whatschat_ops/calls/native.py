"""A call between two peers of ours: signalled through the WebSocket API, with real audio and data between them.

The stages and their limits are `stages`, the causes `diagnosis`; here is what happens in each stage. Every wait is bounded.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from websockets.exceptions import ConnectionClosed

from whatschat_ops.calls.diagnosis import Cause, End, Seen, diagnose
from whatschat_ops.calls.native_report import audio_flow, refusals, signal_counts, without_public_address
from whatschat_ops.calls.plan import CallPeer, CallPlan, Connect
from whatschat_ops.calls.report import AudioSeen, AudioSent, CallReport
from whatschat_ops.calls.signalling import Changes, Line, Side, SignalLog
from whatschat_ops.calls.stages import STAGES, CallState, Stage
from whatschat_ops.calls.vocabulary import Envelope, Kind, Signal
from whatschat_ops.errors import ConfigError, Hint, OpsError
from whatschat_ops.sockets.adapter import Socket

OFFER_RETRIES_S: Final = (0.3, 0.6, 1.2)
"""The index of users is eventually consistent: who has just connected may still be offline in it."""

_PING_EVERY_S: Final = 0.1
_EXPLAINED: Final = "The call could not be connected."


class _Failed(Exception):
    """The stage cannot be reached any more."""


class NativeCall:
    """One call, to be made once. Setting `stop` ends it at its next wait."""

    def __init__(
        self,
        plan: CallPlan,
        prepare: Callable[[], Mapping[Side, Connect]],
        make_peer: Callable[[Side, Callable[[], None]], CallPeer],
        *,
        advise: Callable[[OpsError], Hint | None] = lambda error: error.hint,
        clock: Callable[[], float] = time.perf_counter,
        on_stage: Callable[[Stage], None] = lambda _stage: None,
    ) -> None:
        """`prepare` mints the tokens and gives what connects each side; it may raise OpsError, like what it gives."""
        self._plan, self._prepare, self._make_peer = plan, prepare, make_peer
        self._advise, self._clock, self._on_stage = advise, clock, on_stage
        self._changes = Changes()
        self._connect: Mapping[Side, Connect] = {}
        self._sockets: list[Socket] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._lines: dict[Side, Line] = {}
        self._logs = {side: SignalLog() for side in Side}
        self._peers: dict[Side, CallPeer] = {}
        self._taken = dict.fromkeys(Side, 0)
        self._call_id = uuid.uuid4().hex
        self._state = CallState(self._clock())
        self._audio: dict[Side, AudioSeen] = {}
        self._sent: dict[Side, AudioSent] = {}
        self._interrupted = False
        self._not_closed: list[str] = []

    async def run(self) -> CallReport:
        """The whole call. Cancelling it closes everything and gives the report of what was done. Raises ConfigError."""
        started_at = datetime.now(UTC)
        self._state = CallState(self._clock())
        try:
            while self._state.stage is not None:
                stage = Stage(self._state.stage)
                self._on_stage(stage)
                await asyncio.sleep(0)  # an interrupt that came while a stage did not wait is noticed here
                self._state = await self._through(stage)
        except asyncio.CancelledError:
            self._interrupted = True
            await self._measure()
        finally:
            closing = asyncio.create_task(self._close())
            while not closing.done():  # an interrupt does not keep it from closing
                with suppress(asyncio.CancelledError):
                    await asyncio.shield(closing)
        return self._report(started_at)

    async def _through(self, stage: Stage) -> CallState:
        limit_s = self._plan.limits.of(stage)
        try:
            async with asyncio.timeout(limit_s):
                await self._actions[stage](self)
            return self._state.reached(self._clock())
        except ConfigError:  # what is wrong with the settings is no stage of a call
            raise
        except OpsError as error:
            return self._state.failed(error.message, self._advise(error) or Hint(text=_EXPLAINED))
        except (TimeoutError, _Failed):
            pass
        except ConnectionClosed:
            await asyncio.sleep(0)  # the listener says why the socket was closed
        cause = await self._cause(stage, limit_s)
        return self._state.failed(cause.text, cause.hint)

    # The stages

    async def _token(self) -> None:
        self._connect = self._prepare()

    async def _open(self, side: Side) -> None:
        socket = await self._connect[side]()
        self._sockets.append(socket)
        users = self._plan.users
        envelope = Envelope(self._plan.vocabulary, users[side], users[side.other], self._call_id)
        self._lines[side] = line = Line(socket, envelope, self._logs[side], self._changes)
        self._tasks.append(asyncio.create_task(line.listen()))

    async def _open_caller(self) -> None:
        await self._open(Side.CALLER)

    async def _open_callee(self) -> None:
        await self._open(Side.CALLEE)

    async def _offer(self) -> None:
        self._peers = {side: self._make_peer(side, self._changes) for side in Side}
        offer = Signal(Kind.OFFER, {"type": "offer", "sdp": await self._peers[Side.CALLER].offer()})
        refusals = self._logs[Side.CALLER].refusals
        for delay_s in (*OFFER_RETRIES_S, None):
            await self._lines[Side.CALLER].send(offer, size_bytes=self._plan.offer_bytes)
            await self._changes.until(lambda: self._has_arrived(Side.CALLEE, Kind.OFFER) or self._is_broken())
            if delay_s is None or not (refusals and refusals[-1].startswith("target_offline")):
                break
            refusals.clear()
            await asyncio.sleep(delay_s)
        self._require_same(Side.CALLEE, Kind.OFFER)

    async def _answer(self) -> None:
        (offer,) = self._logs[Side.CALLEE].contents(Kind.OFFER, arrived=True)
        sdp = await self._peers[Side.CALLEE].answer(str(offer["sdp"]))
        await self._lines[Side.CALLEE].send(Signal(Kind.ANSWER, {"type": "answer", "sdp": sdp}))
        await self._changes.until(lambda: self._has_arrived(Side.CALLER, Kind.ANSWER) or self._is_broken())
        self._require_same(Side.CALLER, Kind.ANSWER)
        await self._peers[Side.CALLER].accept(sdp)

    async def _candidates(self) -> None:
        """Candidates travel after the answer, not beside it, so that a failure belongs to one stage."""
        for side, line in self._lines.items():
            for candidate in self._peers[side].candidates():
                await line.send(Signal(Kind.CANDIDATE, candidate))
        while not (self._all_candidates_arrived() or self._ice_connected()):
            await self._take_candidates()
            if any(log.closed for log in self._logs.values()) or not self._candidates_are_usable():
                raise _Failed
            await self._changes.next()
        await self._take_candidates()

    async def _ice(self) -> None:
        while not self._ice_connected():
            await self._changes.next()
            await self._take_candidates()

    async def _take_candidates(self) -> None:
        """Give each peer the candidates that have arrived since the last time."""
        for side, log in self._logs.items():
            arrived = log.contents(Kind.CANDIDATE, arrived=True)
            for candidate in arrived[self._taken[side] :]:
                self._taken[side] += 1
                await self._peers[side].add(candidate)

    async def _dtls(self) -> None:
        await self._changes.until(
            lambda: self._lost() or all(peer.state == "connected" for peer in self._peers.values())
        )
        self._require_connected()

    async def _data(self) -> None:
        caller = self._peers[Side.CALLER]
        while not (caller.round_trips or self._lost()):
            caller.ping()
            with suppress(TimeoutError):
                async with asyncio.timeout(_PING_EVERY_S):
                    await self._changes.next()
        self._require_connected()

    async def _first_audio(self) -> None:
        await self._changes.until(
            lambda: self._lost() or all(peer.hears_tone for peer in self._peers.values())
        )
        self._require_connected()

    async def _media(self) -> None:
        started_s = self._clock()
        while (left_s := started_s + self._plan.limits.media_s - self._clock()) > 0 and not self._lost():
            self._peers[Side.CALLER].ping()
            await asyncio.sleep(min(_PING_EVERY_S, left_s))
        self._require_connected()

    async def _end(self) -> None:
        await self._measure()
        await self._lines[Side.CALLER].send(Signal(Kind.END, {}))
        await self._changes.until(
            lambda: self._has_arrived(Side.CALLEE, Kind.END) or any(log.closed for log in self._logs.values())
        )
        if not self._has_arrived(Side.CALLEE, Kind.END):
            raise _Failed

    _actions: Final = {
        Stage.TOKEN: _token,
        Stage.CONNECT_CALLER: _open_caller,
        Stage.CONNECT_CALLEE: _open_callee,
        Stage.OFFER: _offer,
        Stage.ANSWER: _answer,
        Stage.CANDIDATES: _candidates,
        Stage.ICE: _ice,
        Stage.DTLS: _dtls,
        Stage.DATA: _data,
        Stage.AUDIO: _first_audio,
        Stage.MEDIA: _media,
        Stage.END: _end,
    }

    # What is known

    def _has_arrived(self, side: Side, kind: Kind) -> bool:
        return bool(self._logs[side].contents(kind, arrived=True))

    def _is_broken(self) -> bool:
        return any(log.closed or log.refusals for log in self._logs.values())

    def _ice_connected(self) -> bool:
        return all(peer.ice_connected for peer in self._peers.values())

    def _all_candidates_arrived(self) -> bool:
        counts = [
            (
                len(self._logs[side].contents(Kind.CANDIDATE, arrived=False)),
                len(self._logs[side.other].contents(Kind.CANDIDATE, arrived=True)),
            )
            for side in Side
        ]
        return all(sent == arrived > 0 for sent, arrived in counts)

    def _candidates_are_usable(self) -> bool:
        """Each side has some to offer, and those that arrived are those that were sent."""
        for side in Side:
            sent = self._logs[side].contents(Kind.CANDIDATE, arrived=False)
            arrived = self._logs[side.other].contents(Kind.CANDIDATE, arrived=True)
            if not sent or any(candidate not in sent for candidate in arrived):
                return False
        return True

    def _lost(self) -> bool:
        return any(peer.state in ("failed", "closed") for peer in self._peers.values())

    def _require_connected(self) -> None:
        if self._lost():
            raise _Failed

    def _require_same(self, side: Side, kind: Kind) -> None:
        arrived = self._logs[side].contents(kind, arrived=True)
        if arrived != self._logs[side.other].contents(kind, arrived=False):
            raise _Failed

    async def _measure(self) -> None:
        for side, peer in self._peers.items():
            self._audio[side], self._sent[side] = await peer.audio(), await peer.sent()

    async def _cause(self, stage: Stage, limit_s: float) -> Cause:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._plan.limits.close_s):
                await self._measure()
        waited = {
            Stage.OFFER: (Side.CALLEE, Kind.OFFER),
            Stage.ANSWER: (Side.CALLER, Kind.ANSWER),
        }.get(stage)
        sent = arrived = None
        if waited is not None:
            side, kind = waited
            sent = next(iter(self._logs[side.other].contents(kind, arrived=False)), None)
            arrived = next(iter(self._logs[side].contents(kind, arrived=True)), None)
        ends = {side.value: self._end_of(side) for side in Side}
        return diagnose(stage, Seen(limit_s, sent, arrived, **ends))

    def _end_of(self, side: Side) -> End:
        log, peer = self._logs[side], self._peers.get(side)
        end = End(
            log.contents(Kind.CANDIDATE, arrived=False),
            log.contents(Kind.CANDIDATE, arrived=True),
            tuple(log.refusals),
            log.closed,
        )
        if peer is None:
            return end
        audio = self._audio.get(side)
        return replace(
            end,
            state=peer.state,
            audio_packets=audio.packets if audio else 0,
            hears_tone=peer.hears_tone,
        )

    # The end

    async def _close(self) -> None:
        """Close the peers, then the sockets; what does not close in time is left to the end of the process."""
        closing = [
            *(peer.close() for peer in self._peers.values()),
            *(each.close() for each in self._sockets),
        ]
        for each in closing:
            # Whatever it raises, the rest must be closed.
            limited = asyncio.wait_for(each, self._plan.limits.close_s)
            (error,) = await asyncio.gather(limited, return_exceptions=True)
            if isinstance(error, Exception) and not isinstance(error, TimeoutError | ConnectionError):
                self._not_closed.append(f"Closing failed: {type(error).__name__}: {error}")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _report(self, started_at: datetime) -> CallReport:
        state = self._state
        audio_at = next((time.at_ms for time in state.times if time.stage == Stage.AUDIO), None)
        return CallReport(
            mode="native",
            started_at=started_at,
            endpoint=None,
            vocabulary=self._plan.vocabulary.value,
            users={side.value: user for side, user in self._plan.users.items()},
            ok=len(state.times) == len(STAGES),
            interrupted=self._interrupted,
            stages=state.times,
            setup_ms=audio_at,
            failure=state.failure,
            signals=signal_counts(self._logs.values()),
            audio=tuple(
                audio_flow(side, self._audio[side.other], self._sent[side])
                for side in Side
                if side.other in self._audio
            ),
            data=self._peers[Side.CALLER].data() if self._audio else None,
            remarks=(*self._remarks(), *self._not_closed),
        )

    def _remarks(self) -> Iterator[str]:
        if self._state.failure is None:
            yield from refusals(self._logs.values())
        if self._plan.stun:
            yield from without_public_address(self._logs)
