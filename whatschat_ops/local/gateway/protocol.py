"""The WebSocket protocol: takes a connection's transport and request from uvicorn and speaks RFC 6455 with the
client.

The parser (`frames`) answers pings and closes what AWS does not accept; the gateway handles messages and closed
connections. No compression: AWS negotiates no extension.
"""

from __future__ import annotations

import asyncio
import email.utils
import logging
from collections import deque
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, cast

from websockets.frames import Frame, Opcode

from whatschat_ops.local.gateway.connecting import Acceptance, refusal
from whatschat_ops.local.gateway.connection import GatewayConnection
from whatschat_ops.local.gateway.frames import FrameParser
from whatschat_ops.local.gateway.gateway import GOING_AWAY, Gateway
from whatschat_ops.local.gateway.handshake import BadHandshake, parse_handshake
from whatschat_ops.local.gateway.responses import http_response
from whatschat_ops.local.interfaces import HttpResponse

if TYPE_CHECKING:
    from uvicorn import Config
    from uvicorn.server import ServerState

MAX_IN_FLIGHT = 64
"""Messages of one connection handled at a time, one while the gateway is busy; above it, they wait."""
MAX_WAITING_BYTES = 16 * 1024
"""Of messages that wait; above it, reading is paused until all of them are begun and half are done. Below it the client's close is seen at once."""
MAX_EARLY_BYTES = 256 * 1024
"""Bytes that a client may send before the response to its handshake."""
CLOSE_TIMEOUT_S = 5.0
"""How long a client may take to close the TCP connection after its WebSocket is closed."""
SHUTDOWN_TIMEOUT_S = 1.0
"""The same when the server stops."""
ABNORMAL_CLOSURE = (1006, "")
NO_STATUS = (1005, "Client-side close frame status not set")
"""Code and reason in a DISCONNECT event (the text as captured from AWS; for 1006 none is known)."""
HEAD_END = b"\r\n\r\n"

logger = logging.getLogger(__name__)


class WebSocketProtocol(asyncio.Protocol):
    """One client. Its states: reading the request, waiting for `$connect`, open, ended."""

    __slots__ = (
        "_buffer",
        "_connection",
        "_frames",
        "_handshake",
        "_has_ended",
        "_in_flight",
        "_server_connections",
        "_timer",
        "_transport",
        "_waiting",
        "_waiting_bytes",
    )
    gateway: ClassVar[Gateway]

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any]) -> None:
        del config, app_state
        self._server_connections = cast("set[asyncio.Protocol]", server_state.connections)
        self._transport: asyncio.Transport
        self._buffer = bytearray()
        self._handshake: asyncio.Task[None] | None = None
        self._connection: GatewayConnection | None = None
        self._frames: FrameParser | None = None
        self._in_flight = 0
        self._waiting: deque[str] | None = None
        self._waiting_bytes = 0
        self._has_ended = False
        self._timer: asyncio.TimerHandle | None = None

    # What asyncio and uvicorn call

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._server_connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self._frames is not None:
            self._receive(data)
            return
        self._buffer += data
        if self._handshake is None and HEAD_END in self._buffer:
            head, _, rest = bytes(self._buffer).partition(HEAD_END)
            self._buffer = bytearray(rest)
            self._handshake = asyncio.get_running_loop().create_task(self._shake_hands(head))
        elif len(self._buffer) > MAX_EARLY_BYTES:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._server_connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._handshake is not None:
            self.gateway.turns.abandon(self._handshake)
        self._end(*ABNORMAL_CLOSURE)

    def shutdown(self) -> None:
        """uvicorn is stopping."""
        if self._frames is None:
            self._transport.close()
        else:
            self.close(*GOING_AWAY)
            asyncio.get_running_loop().call_later(SHUTDOWN_TIMEOUT_S, self._transport.abort)

    # What the gateway calls (Wire)

    def send_text(self, data: bytes) -> None:
        """Send one text message, unless the connection is closing."""
        if self._frames is not None and not self._has_ended:
            self._frames.send_text(data)
            self._flush(self._frames)

    def close(self, code: int, reason: str) -> None:
        """Send a close frame; for the gateway the connection has ended."""
        if self._frames is not None and not self._has_ended:
            self._frames.send_close(code, reason)
            self._flush(self._frames)
            self._start_timer()
            self._end(code, reason)

    def unsent_bytes(self) -> int:
        """Bytes that the client has not read, beyond the buffers of the kernel."""
        return self._transport.get_write_buffer_size()

    # The handshake

    async def _shake_hands(self, head: bytes) -> None:
        try:
            handshake = parse_handshake(head, self._peer_host(), self._local_port())
            accept_key = handshake.accept_key()
        except BadHandshake as error:
            self._refuse(http_response(400, f"Bad Request: {error}", "BadRequestException"))
            return
        try:
            answer = await self.gateway.connect(handshake)
        except Exception:
            logger.exception("A handshake failed")
            answer = refusal(500)
        if isinstance(answer, Acceptance):
            self._accept(answer, accept_key)
        else:
            self._refuse(answer)
        self._handshake = None

    def _accept(self, answer: Acceptance, accept_key: str) -> None:
        headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept_key}
        if answer.subprotocol is not None:
            headers["Sec-WebSocket-Protocol"] = answer.subprotocol
        if not self._transport.is_closing():
            self._transport.write(_head(101, headers))
        self._frames = FrameParser()
        self._connection = answer.connection
        self.gateway.opened(answer.connection, self)
        if self._transport.is_closing():
            self._end(*ABNORMAL_CLOSURE)
        early, self._buffer = bytes(self._buffer), bytearray()
        if early:
            self._receive(early)

    def _refuse(self, answer: HttpResponse) -> None:
        headers = {**answer.headers, "Content-Length": str(len(answer.body)), "Connection": "close"}
        self._transport.write(_head(answer.status, headers) + answer.body)
        self._transport.close()

    def _peer_host(self) -> str:
        peer = self._transport.get_extra_info("peername")
        return str(peer[0]) if peer else ""

    def _local_port(self) -> int:
        name = self._transport.get_extra_info("sockname")
        return int(name[1]) if name else 0

    # Frames

    def _receive(self, data: bytes) -> None:
        frames = self._frames
        if frames is None or self._transport.is_closing():
            return
        frames.receive_data(data)
        for event in frames.events_received():
            if isinstance(event, Frame):
                self._handle_frame(event)
        self._flush(frames)
        if frames.has_failed:
            self._end_failed(frames)

    def _handle_frame(self, frame: Frame) -> None:
        if self._has_ended or self._connection is None:
            return
        if frame.opcode is Opcode.TEXT:
            self._handle_message(self._connection, bytes(frame.data).decode())
        elif frame.opcode is Opcode.CLOSE:
            self._end_by_client()
        elif self._connection.has_full_buffer():
            self._transport.abort()  # it pings and does not read the pongs
        else:
            self.gateway.heard_from(self._connection)

    def _handle_message(self, connection: GatewayConnection, text: str) -> None:
        if self._waiting or self._in_flight >= self._max_in_flight():
            self._wait_for_a_slot(text)
        else:
            self._start(connection, text)

    def _max_in_flight(self) -> int:
        return 1 if self.gateway.is_busy else MAX_IN_FLIGHT

    def _wait_for_a_slot(self, text: str) -> None:
        """Queue messages that were read after all slots were taken, and pause reading when they are many."""
        if self._waiting is None:
            self._waiting, self._waiting_bytes = deque(), 0
        self._waiting.append(text)
        self._waiting_bytes += len(text)
        if self._waiting_bytes > MAX_WAITING_BYTES:
            self._transport.pause_reading()

    def _start(self, connection: GatewayConnection, text: str) -> None:
        self._in_flight += 1
        self.gateway.message_received(connection, text).add_done_callback(self._handled)

    def _handled(self, task: asyncio.Task[None]) -> None:
        del task
        self._in_flight -= 1
        while self._waiting and self._connection is not None and self._in_flight < self._max_in_flight():
            self._start(self._connection, self._waiting.popleft())
        if self._waiting is not None and not self._waiting and self._in_flight <= self._max_in_flight() // 2:
            self._waiting = None
            if not self._transport.is_closing():
                self._transport.resume_reading()

    # Closing

    def _end_by_client(self) -> None:
        close = self._frames.close_rcvd if self._frames else None
        if close is None or close.code == NO_STATUS[0]:
            self._end(*NO_STATUS)
        else:
            self._end(close.code, close.reason)

    def _end_failed(self, frames: FrameParser) -> None:
        """The parser has rejected a frame and queued a close frame."""
        sent = frames.close_sent
        self._end(*((sent.code, sent.reason) if sent else ABNORMAL_CLOSURE))

    def _end(self, code: int, reason: str) -> None:
        if not self._has_ended and self._connection is not None:
            self._has_ended = True
            self.gateway.closed(self._connection, code, reason)

    def _flush(self, frames: FrameParser) -> None:
        """Write the pending bytes; an empty chunk means that the client must close the TCP connection."""
        for data in frames.data_to_send():
            if self._transport.is_closing():
                return
            if data:
                self._transport.write(data)
                continue
            if self._transport.can_write_eof():
                self._transport.write_eof()
            self._start_timer()

    def _start_timer(self) -> None:
        """Abort half-closed connections that the client does not close. Only closing connections have a timer."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, self._transport.abort)


def websocket_protocol(gateway: Gateway) -> type[asyncio.Protocol]:
    """The class for `uvicorn.Config(ws=...)`."""
    return type("GatewayProtocol", (WebSocketProtocol,), {"__slots__": (), "gateway": gateway})


def _head(status: int, headers: dict[str, str]) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    lines = [f"HTTP/1.1 {status} {phrase}", f"Date: {email.utils.formatdate(usegmt=True)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
