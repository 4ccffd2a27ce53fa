"""A native call with sockets in memory and peers that do what they are told: stages, interrupts, and that all is closed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedOK

from whatschat_ops.calls import native
from whatschat_ops.calls.native import NativeCall
from whatschat_ops.calls.plan import CallPlan, Connect
from whatschat_ops.calls.report import AudioSeen, AudioSent, CallReport, DataSeen
from whatschat_ops.calls.signalling import Side
from whatschat_ops.calls.stages import STAGES, Limits, Stage
from whatschat_ops.choices import CallVocabulary
from whatschat_ops.errors import ConfigError, OpsError, PermissionDenied
from whatschat_ops.handlers import protocol
from whatschat_ops.measure.histogram import Histogram

USERS = {Side.CALLER: "alice", Side.CALLEE: "bob"}
CANDIDATE = {"candidate": "candidate:1 1 udp 1 127.0.0.1 9 typ host", "sdpMid": "0", "sdpMLineIndex": 0}


class Socket:
    """One end of the switchboard."""

    def __init__(self, user: str, board: Switchboard) -> None:
        self.user, self.board = user, board
        self.queue: asyncio.Queue[str | None] = asyncio.Queue()
        self.close_code: int | None = None
        self.close_reason: str | None = None

    async def send(self, message: str | list[str]) -> None:
        if self.close_code is not None:
            raise ConnectionClosedOK(None, None)
        self.board.relay(self, message if isinstance(message, str) else "".join(message))

    async def recv(self) -> str | bytes:
        message = await self.queue.get()
        if message is None:
            raise ConnectionClosedOK(None, None)
        return message

    async def close(self, code: int = 1000, reason: str = "") -> None:
        if self.close_code is None:
            self.close_code, self.close_reason = code, reason
            self.queue.put_nowait(None)


class Switchboard:
    """Delivers as the `default` function does; `instead` may answer the sender in its place."""

    def __init__(self, copies: int = 1) -> None:
        self.sockets: dict[str, Socket] = {}
        self.copies = copies
        self.instead: Callable[[Socket, Mapping[str, Any]], bool] = lambda _sender, _message: False

    async def connect(self, user: str) -> Socket:
        self.sockets[user] = Socket(user, self)
        return self.sockets[user]

    def relay(self, sender: Socket, text: str) -> None:
        if self.instead(sender, json.loads(text)):
            return
        command = protocol.parse_message(text)
        assert isinstance(command, protocol.Deliver)
        delivered = json.dumps(protocol.delivered(command, command.id, sender.user, 1))
        for user in command.recipients(sender.user):
            for _ in range(self.copies):
                self.sockets[user].queue.put_nowait(delivered)

    @property
    def all_closed(self) -> bool:
        return all(socket.close_code is not None for socket in self.sockets.values())


@dataclass
class Peer:
    """A peer that is connected as soon as it has a candidate, and gets no further than `stops_at`."""

    changed: Callable[[], None]
    stops_at: Stage | None = None
    state_when_stopped: str = "connecting"
    added: int = 0
    pings: int = 0
    close_s: float = 0.0
    closed: bool = False
    answers: list[str] = field(default_factory=list)

    def _gets_past(self, stage: Stage) -> bool:
        return self.added > 0 and (self.stops_at is None or STAGES.index(self.stops_at) > STAGES.index(stage))

    @property
    def ice_connected(self) -> bool:
        return self._gets_past(Stage.ICE)

    @property
    def state(self) -> str:
        if self.stops_at is Stage.MEDIA and self.pings > 1:
            return "failed"
        return "connected" if self._gets_past(Stage.DTLS) else self.state_when_stopped

    @property
    def hears_tone(self) -> bool:
        return self._gets_past(Stage.AUDIO)

    @property
    def round_trips(self) -> int:
        return self.pings if self._gets_past(Stage.DATA) else 0

    async def offer(self) -> str:
        return "v=0 offer"

    async def answer(self, offer: str) -> str:
        assert offer == "v=0 offer"
        return "v=0 answer"

    async def accept(self, answer: str) -> None:
        self.answers.append(answer)

    def candidates(self) -> list[dict[str, Any]]:
        return [CANDIDATE]

    async def add(self, candidate: Mapping[str, Any]) -> bool:
        self.added += 1
        self.changed()
        return True

    def ping(self) -> None:
        self.pings += 1
        self.changed()

    async def audio(self) -> AudioSeen:
        return AudioSeen(30, 10, 1.5, -12.0)

    async def sent(self) -> AudioSent:
        return AudioSent(40, 8_000)

    def data(self) -> DataSeen:
        return DataSeen(self.pings, self.round_trips, Histogram().latency())

    async def close(self) -> None:
        await asyncio.sleep(self.close_s)
        self.closed = True


class ShortLimits(Limits):
    """A minute for each stage but one, which can never be reached."""

    unreachable: Stage | None = None

    def of(self, stage: Stage) -> float:
        return 0.1 if stage is self.unreachable else 60.0


@dataclass
class World:
    board: Switchboard = field(default_factory=Switchboard)
    peers: list[Peer] = field(default_factory=list)
    peer: Mapping[str, Any] = field(default_factory=dict)
    refusal: OpsError | None = None

    def make_peer(self, _side: Side, changed: Callable[[], None]) -> Peer:
        self.peers.append(Peer(changed, **self.peer))
        return self.peers[-1]

    def connectors(self) -> Mapping[Side, Connect]:
        if self.refusal is not None:
            raise self.refusal
        return {side: lambda user=user: self.board.connect(user) for side, user in USERS.items()}  # type: ignore[misc]

    def call(
        self,
        unreachable: Stage | None = None,
        on_stage: Callable[[Stage], None] = lambda _stage: None,
        *,
        stun: bool = False,
    ) -> NativeCall:
        limits = ShortLimits(stage_s=60.0, media_s=0.25, close_s=0.1)
        object.__setattr__(limits, "unreachable", unreachable)
        plan = CallPlan(USERS, CallVocabulary.WEB, limits, stun=stun)
        return NativeCall(plan, self.connectors, self.make_peer, on_stage=on_stage)

    def made(self, unreachable: Stage | None = None) -> CallReport:
        report = asyncio.run(self.call(unreachable).run())
        assert self.board.all_closed
        return report


def test_call_reaches_every_stage_and_reports_both_directions() -> None:
    world = World()

    report = world.made()

    assert report.ok and report.failure is None and not report.interrupted
    assert [stage.stage for stage in report.stages] == [stage.value for stage in STAGES]
    assert [(flow.direction, flow.loss_percent) for flow in report.audio] == [
        ("caller to callee", 25.0),
        ("callee to caller", 25.0),
    ]
    assert report.audio[0].bitrate_kbps == pytest.approx(80.0)  # 8,000 bytes in 40 packets of 20 ms
    assert all(peer.closed for peer in world.peers)
    assert world.peers[0].answers == ["v=0 answer"]


def test_signals_that_are_delivered_twice_count_once() -> None:
    report = World(Switchboard(copies=2)).made()

    assert report.ok
    assert {signal.kind: signal.arrived for signal in report.signals} == {
        "offer": 1,
        "answer": 1,
        "candidate": 2,
        "end": 1,
    }


@pytest.mark.parametrize("stage", [Stage.ICE, Stage.DTLS, Stage.DATA, Stage.AUDIO])
def test_peers_that_get_no_further_fail_the_stage_after_its_limit(stage: Stage) -> None:
    report = World(peer={"stops_at": stage}).made(unreachable=stage)

    assert report.failure is not None and report.failure.stage == stage.value
    assert len(report.stages) == STAGES.index(stage)


def test_peers_that_fail_for_good_end_the_stage_at_once() -> None:
    world = World(peer={"stops_at": Stage.DTLS, "state_when_stopped": "failed"})

    report = world.made()

    assert report.failure is not None and report.failure.stage == "dtls"


def test_peers_that_lose_each_other_during_the_call_fail_its_media() -> None:
    report = World(peer={"stops_at": Stage.MEDIA}).made()

    assert report.failure is not None and report.failure.stage == "media"
    assert "caller failed" in report.failure.cause


def test_callee_who_is_offline_at_first_is_offered_the_call_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "OFFER_RETRIES_S", (0.0, 0.0))
    world = World()
    offers = []

    def offline_twice(sender: Socket, message: Mapping[str, Any]) -> bool:
        if message["type"] == "call_offer":
            offers.append(message)
        if message["type"] != "call_offer" or len(offers) > 2:
            return False
        error = {"type": "error", "code": "target_offline", "message": "no live connection"}
        sender.queue.put_nowait(json.dumps(error))
        return True

    world.board.instead = offline_twice

    report = world.made()

    assert report.ok
    assert len(offers) == 3


def test_socket_that_the_server_closes_is_named_with_its_code() -> None:
    world = World()

    def close(sender: Socket, message: Mapping[str, Any]) -> bool:
        sender.close_code, sender.close_reason = 1009, ""
        sender.queue.put_nowait(None)
        return True

    world.board.instead = close

    report = world.made()

    assert report.failure is not None and report.failure.stage == "offer"
    assert "The socket of the caller was closed: 1009" in report.failure.cause


@pytest.mark.parametrize("stage", [Stage.OFFER, Stage.ANSWER])
def test_description_that_is_changed_on_its_way_ends_its_stage_at_once(stage: Stage) -> None:
    world = World()

    def change(sender: Socket, message: Mapping[str, Any]) -> bool:
        if message["type"] != f"call_{stage}":
            return False
        data = {"sdp": "v=1"} if stage is Stage.ANSWER else {"offer": {"sdp": "v=1"}}
        (other,) = (socket for socket in world.board.sockets.values() if socket is not sender)
        other.queue.put_nowait(json.dumps({**message, "data": data, "from": sender.user}))
        return True

    world.board.instead = change

    report = world.made()

    assert report.failure is not None and report.failure.stage == stage.value
    assert f"The {stage} was changed on its way" in report.failure.cause


def test_refused_handshake_is_named_with_its_own_advice() -> None:
    report = World(refusal=PermissionDenied("no right to read the secret", hint="ask")).made()

    assert report.failure is not None
    assert (report.failure.stage, report.failure.cause) == ("token", "no right to read the secret")
    assert str(report.failure.hint) == "ask"
    assert report.stages == () and report.audio == () and report.data is None


def test_stun_server_that_gives_no_address_is_a_remark() -> None:
    report = asyncio.run(World().call(stun=True).run())

    assert report.ok
    assert report.remarks == tuple(
        f"The STUN server gave the {side} no public address." for side in ("caller", "callee")
    )


def test_wrong_setting_is_no_stage_of_a_call() -> None:
    with pytest.raises(ConfigError, match="wrong"):
        World(refusal=ConfigError("wrong")).made()


@pytest.mark.parametrize("stage", STAGES)
def test_interrupt_in_any_stage_closes_everything_and_reports_what_was_done(stage: Stage) -> None:
    world = World(peer={"stops_at": stage})

    async def interrupted() -> CallReport:
        task: asyncio.Task[CallReport]

        def interrupt(entered: Stage) -> None:
            if entered is stage:
                task.cancel()

        task = asyncio.create_task(world.call(on_stage=interrupt).run())
        return await task

    report = asyncio.run(interrupted())

    assert report.interrupted and not report.ok and report.failure is None
    assert len(report.stages) == STAGES.index(stage)
    assert world.board.all_closed
    assert all(peer.closed for peer in world.peers)


def test_peer_that_does_not_close_is_left_after_its_limit() -> None:
    world = World(peer={"close_s": 600.0})

    report = world.made()  # ends, and the sockets are closed

    assert report.ok
    assert not any(peer.closed for peer in world.peers)


def test_peer_that_cannot_be_closed_is_a_remark_and_keeps_no_socket_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def broken(_peer: Peer) -> None:
        raise ValueError("no transport")

    monkeypatch.setattr(Peer, "close", broken)
    report = World().made()
    assert report.ok
    assert report.remarks == ("Closing failed: ValueError: no transport",) * 2
