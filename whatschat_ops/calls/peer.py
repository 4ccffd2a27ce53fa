"""One end of a call: a WebRTC peer without a browser, that sends a tone and data and measures what arrives.

The only module that imports aiortc (the extra `calls`); `native` imports it when a call is made.
"""

from __future__ import annotations

import asyncio
import fractions
import logging
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import aioice.ice
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from aiortc.sdp import candidate_from_sdp
from av import AudioFrame

from whatschat_ops.calls import tone
from whatschat_ops.calls.report import AudioSeen, AudioSent, DataSeen
from whatschat_ops.measure.histogram import Histogram

for _library in ("aioice", "aiortc", "libav"):
    logging.getLogger(_library).addHandler(
        logging.NullHandler()
    )  # what they warn about is a stage that fails

_CANDIDATE = "a=candidate:"
_PER_SAMPLE = fractions.Fraction(1, tone.SAMPLES_PER_S)


class ToneTrack(MediaStreamTrack):
    """A microphone that hears a tone, in frames of 20 ms."""

    kind = "audio"

    def __init__(self, hz: int) -> None:
        super().__init__()
        self._samples = tone.tone(hz)
        self._sent = 0
        self._started_s: float | None = None

    async def recv(self) -> AudioFrame:
        """The next frame, when it is due (called by aiortc)."""
        if self.readyState != "live":
            raise MediaStreamError
        loop = asyncio.get_running_loop()
        self._started_s = self._started_s or loop.time()
        await asyncio.sleep(self._started_s + self._sent / tone.SAMPLES_PER_S - loop.time())
        start = self._sent % len(self._samples)
        frame = AudioFrame(format="s16", layout="mono", samples=tone.FRAME_SAMPLES)
        frame.planes[0].update(self._samples[start : start + tone.FRAME_SAMPLES].tobytes())
        frame.pts, frame.sample_rate, frame.time_base = self._sent, tone.SAMPLES_PER_S, _PER_SAMPLE
        self._sent += tone.FRAME_SAMPLES
        return frame


class Peer:
    """One end of the call. `changed` is called whenever something about it has changed."""

    def __init__(
        self,
        sends_hz: int,
        hears_hz: int,
        *,
        ice_servers: Sequence[str],
        loopback: bool,
        changed: Callable[[], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """It sends one tone and listens for another. With `loopback` its only address is 127.0.0.1."""
        self._hears_hz, self._loopback = hears_hz, loopback
        self._changed, self._clock = changed, clock
        servers = [RTCIceServer(url) for url in ice_servers]
        self._connection = RTCPeerConnection(
            RTCConfiguration(iceServers=servers, bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        )
        self._sender = self._connection.addTrack(ToneTrack(sends_hz))
        self._listening: asyncio.Task[None] | None = None
        self._channel: RTCDataChannel | None = None
        self._waiting: dict[str, float] = {}
        self._round_trips = Histogram()
        self._pings = 0
        self._heard_frames = self._heard_square = 0.0
        for event in ("iceconnectionstatechange", "connectionstatechange"):
            self._connection.on(event, changed)
        self._connection.on("track", self._listen)
        self._connection.on("datachannel", self._echo)

    # Signalling

    async def offer(self) -> str:
        """The SDP of an offer, without candidates: they travel on their own."""
        self._open_channel()
        return await self._described(await self._connection.createOffer())

    async def answer(self, offer: str) -> str:
        """The SDP of the answer to an offer."""
        await self._connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        return await self._described(await self._connection.createAnswer())

    async def accept(self, answer: str) -> None:
        """Take the answer to its offer."""
        await self._connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    def candidates(self) -> list[dict[str, Any]]:
        """Its candidates as a browser's `RTCIceCandidate` has them, of the one transport that all media share."""
        section = self._connection.localDescription.sdp.partition("\r\nm=")[2].partition("\r\nm=")[0]
        lines = [line for line in section.split("\r\n") if line.startswith(_CANDIDATE)]
        mid = section.partition("\r\na=mid:")[2].partition("\r\n")[0]
        return [{"candidate": line[2:], "sdpMid": mid, "sdpMLineIndex": 0} for line in lines]

    async def add(self, candidate: Mapping[str, Any]) -> bool:
        """Take a candidate of the other side. False when it cannot be read."""
        try:
            found = candidate_from_sdp(str(candidate["candidate"]).removeprefix("candidate:"))
            found.sdpMid, found.sdpMLineIndex = candidate["sdpMid"], candidate["sdpMLineIndex"]
            await self._connection.addIceCandidate(found)
        except (ValueError, KeyError, IndexError, AssertionError):
            return False
        return True

    async def _described(self, description: RTCSessionDescription) -> str:
        with _only_loopback() if self._loopback else _every_address():
            await self._connection.setLocalDescription(description)
        lines = self._connection.localDescription.sdp.split("\r\n")
        return "\r\n".join(line for line in lines if not line.startswith((_CANDIDATE, "a=end-of-candidates")))

    # What it sees

    @property
    def ice_connected(self) -> bool:
        """Whether a pair of candidates works."""
        return self._connection.iceConnectionState in ("connected", "completed")

    @property
    def state(self) -> str:
        """`connected` once DTLS is done, too; `failed` when something failed for good."""
        return str(self._connection.connectionState)

    @property
    def hears_tone(self) -> bool:
        """Whether the other side's tone has been heard."""
        return self._heard_frames > 0

    @property
    def round_trips(self) -> int:
        """How many of its messages came back through the data channel."""
        return self._round_trips.count

    def ping(self) -> None:
        """Send a message through the data channel; the other side sends it back."""
        if self._channel is not None and self._channel.readyState == "open":
            self._pings += 1
            self._waiting[str(self._pings)] = self._clock()
            self._channel.send(str(self._pings))

    async def audio(self) -> AudioSeen:
        """What it has received so far."""
        received = [
            stats
            for receiver in self._connection.getReceivers()
            for stats in (await receiver.getStats()).values()
            if stats.type == "inbound-rtp"
        ]
        packets = sum(stats.packetsReceived for stats in received)
        lost = sum(max(0, stats.packetsLost) for stats in received)
        jitter = max((stats.jitter for stats in received), default=None)
        level = tone.dbfs(self._heard_square / self._heard_frames) if self._heard_frames else None
        jitter_ms = None if jitter is None else jitter / tone.SAMPLES_PER_S * 1000
        return AudioSeen(packets, lost, jitter_ms, level)

    async def sent(self) -> AudioSent:
        """What it has sent so far."""
        stats = [each for each in (await self._sender.getStats()).values() if each.type == "outbound-rtp"]
        return AudioSent(sum(each.packetsSent for each in stats), sum(each.bytesSent for each in stats))

    def data(self) -> DataSeen:
        """Its messages through the data channel, and how many came back."""
        return DataSeen(self._pings, self._round_trips.count, self._round_trips.latency())

    async def close(self) -> None:
        """Close the connection and end its tasks."""
        await self._connection.close()
        if self._listening is not None:
            self._listening.cancel()  # of a connection that never came about, the track does not end
            await asyncio.wait([self._listening])

    # What happens to it

    def _open_channel(self) -> None:
        self._channel = self._connection.createDataChannel("call-test")
        self._channel.on("open", self._changed)
        self._channel.on("message", self._came_back)

    def _came_back(self, message: str | bytes) -> None:
        sent_s = self._waiting.pop(str(message), None)
        if sent_s is not None:
            self._round_trips.record(self._clock() - sent_s)
            self._changed()

    def _echo(self, channel: RTCDataChannel) -> None:
        channel.on("message", channel.send)

    def _listen(self, track: MediaStreamTrack) -> None:
        self._listening = asyncio.create_task(self._hear(track))

    async def _hear(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:  # the connection was closed
                return
            if not isinstance(frame, AudioFrame):
                continue
            left = _left_channel(frame)
            # Opus fades in, and the search for the tone takes longer than the level: only until it is found.
            if self.hears_tone or tone.is_tone(left, self._hears_hz):
                self._heard_frames += 1
                self._heard_square += tone.power(left)
            self._changed()


def _left_channel(frame: AudioFrame) -> array[int]:
    """The samples of the first channel of a frame of 16-bit samples, which are interleaved."""
    channels = len(frame.layout.channels)
    samples = array("h", bytes(frame.planes[0])[: 2 * channels * frame.samples])
    return samples[::channels]


@contextmanager
def _only_loopback() -> Iterator[None]:
    """aioice gathers every address but 127.0.0.1, and has no option for it: on a machine without a network it finds none."""
    every = aioice.ice.get_host_addresses
    aioice.ice.get_host_addresses = lambda **_kinds: ["127.0.0.1"]
    try:
        yield
    finally:
        aioice.ice.get_host_addresses = every


@contextmanager
def _every_address() -> Iterator[None]:
    yield
