"""What a call between two peers of ours needs: the plan, and its peers and connections as it sees them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from whatschat_ops.calls.report import AudioSeen, AudioSent, DataSeen
from whatschat_ops.calls.signalling import Side
from whatschat_ops.calls.stages import Limits
from whatschat_ops.choices import CallVocabulary
from whatschat_ops.sockets.adapter import Socket

SENDS_HZ: Final[Mapping[Side, int]] = {Side.CALLER: 440, Side.CALLEE: 660}
"""Two tones, so that an end that hears itself is not taken for the other."""


class CallPeer(Protocol):
    """The part of `peer.Peer` that a call needs."""

    @property
    def ice_connected(self) -> bool: ...
    @property
    def state(self) -> str: ...
    @property
    def hears_tone(self) -> bool: ...
    @property
    def round_trips(self) -> int: ...
    async def offer(self) -> str: ...
    async def answer(self, offer: str) -> str: ...
    async def accept(self, answer: str) -> None: ...
    def candidates(self) -> list[dict[str, Any]]: ...
    async def add(self, candidate: Mapping[str, Any]) -> bool: ...
    def ping(self) -> None: ...
    async def audio(self) -> AudioSeen: ...
    async def sent(self) -> AudioSent: ...
    def data(self) -> DataSeen: ...
    async def close(self) -> None: ...


Connect = Callable[[], Awaitable[Socket]]


@dataclass(frozen=True, slots=True)
class CallPlan:
    """What is to be done. `offer_bytes`: the least size of the message with the offer; 0: as it is. `stun`: with a STUN server."""

    users: Mapping[Side, str]
    vocabulary: CallVocabulary
    limits: Limits
    offer_bytes: int = 0
    stun: bool = False
