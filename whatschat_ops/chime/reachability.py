"""Whether this machine reaches the media servers of a meeting, by the names of the SDK's readiness checker.

A browser needs UDP 3478 and TCP 443 to `*.chime.aws` (Chime SDK developer guide, network-config.html); without UDP the SDK
falls back to TLS over TCP, with poorer video. amazon-chime-sdk-js' MeetingReadinessChecker asks the same questions with a
media session in a browser. Here a UDP datagram (a STUN binding request, RFC 8489) and a TCP connection ask: an answer proves
that the way is open, silence over UDP proves nothing, because no page says that the audio host answers STUN.
"""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

UDP_CHECK: Final = "checkNetworkUDPConnectivity"
TCP_CHECK: Final = "checkNetworkTCPConnectivity"
"""Methods of amazon-chime-sdk-js' MeetingReadinessChecker."""

TLS_PORT: Final = 443
ANSWER_WITHIN_S: Final = 3.0
_UDP_TRIES: Final = 3
_STUN_BINDING_REQUEST: Final = b"\x00\x01\x00\x00\x21\x12\xa4\x42"
"""Type, length and magic cookie; 12 random bytes follow (RFC 8489, section 5)."""
_TCP_URLS: Final = ("SignalingUrl", "AudioFallbackUrl", "TurnControlUrl", "EventIngestionUrl")


@dataclass(frozen=True, slots=True)
class MediaEndpoint:
    """A server that a browser connects to: `field` of a meeting's MediaPlacement, and the `check` that it belongs to."""

    check: str
    field: str
    host: str
    port: int

    @property
    def protocol(self) -> str:
        """`udp` or `tcp`."""
        return "udp" if self.check == UDP_CHECK else "tcp"


class Outcome(StrEnum):
    """What a probe found. `no_answer`: blocked, or the server does not answer; over UDP the two look the same."""

    REACHABLE = "reachable"
    NO_ANSWER = "no_answer"
    REFUSED = "refused"
    UNRESOLVED = "unresolved"


@dataclass(frozen=True, slots=True)
class Reach:
    """What the probe of one endpoint found, after `duration_ms`; `address` is empty when the name has none."""

    endpoint: MediaEndpoint
    outcome: Outcome
    duration_ms: float
    address: str = ""
    detail: str = ""


def media_endpoints(placement: Mapping[str, str]) -> list[MediaEndpoint]:
    """The servers in a MediaPlacement (the API's document): the audio host over UDP, those of the URLs over TCP."""
    found = []
    if audio := placement.get("AudioHostUrl"):
        parts = urlsplit(f"//{audio}")
        if parts.hostname:
            found.append(MediaEndpoint(UDP_CHECK, "AudioHostUrl", parts.hostname, parts.port or 3478))
    for field in _TCP_URLS:
        parts = urlsplit(placement.get(field) or "")
        if parts.hostname:
            found.append(MediaEndpoint(TCP_CHECK, field, parts.hostname, parts.port or TLS_PORT))
    return found


def probe_all(endpoints: Sequence[MediaEndpoint], *, within_s: float = ANSWER_WITHIN_S) -> list[Reach]:
    """Probe all endpoints at once, in their order."""
    if not endpoints:
        return []
    with ThreadPoolExecutor(max_workers=len(endpoints)) as pool:
        return list(pool.map(lambda endpoint: probe(endpoint, within_s=within_s), endpoints))


def probe(endpoint: MediaEndpoint, *, within_s: float = ANSWER_WITHIN_S) -> Reach:
    """Resolve the name and ask its first address."""
    started = time.monotonic()

    def reach(outcome: Outcome, address: str = "", detail: str = "") -> Reach:
        elapsed_ms = round((time.monotonic() - started) * 1000, 1)
        return Reach(endpoint, outcome, elapsed_ms, address, detail)

    kind = socket.SOCK_DGRAM if endpoint.protocol == "udp" else socket.SOCK_STREAM
    try:
        family, _, _, _, address = socket.getaddrinfo(endpoint.host, endpoint.port, type=kind)[0]
    except (OSError, UnicodeError) as error:
        return reach(Outcome.UNRESOLVED, detail=f"the name does not resolve: {error}")
    ask = _ask_udp if endpoint.protocol == "udp" else _ask_tcp
    try:
        with socket.socket(family, kind) as connection:
            ask(connection, address, within_s)
    except TimeoutError:
        return reach(Outcome.NO_ANSWER, str(address[0]), f"no answer within {within_s:g} s")
    except OSError as error:
        return reach(Outcome.REFUSED, str(address[0]), error.strerror or str(error))
    return reach(Outcome.REACHABLE, str(address[0]))


def _ask_tcp(connection: socket.socket, address: tuple[object, ...], within_s: float) -> None:
    connection.settimeout(within_s)
    connection.connect(address)


def _ask_udp(connection: socket.socket, address: tuple[object, ...], within_s: float) -> None:
    """Send a STUN request up to three times. Connected, so that the kernel reports a port that is closed."""
    connection.connect(address)
    connection.settimeout(within_s / _UDP_TRIES)
    for last in (*[False] * (_UDP_TRIES - 1), True):
        connection.send(_STUN_BINDING_REQUEST + secrets.token_bytes(12))
        try:
            connection.recv(2048)
        except TimeoutError:
            if last:
                raise
        else:
            return
