"""One kept-alive connection to the endpoint, non-blocking: it is opened step by step, then carries one request at a time.

Opening is a generator that yields what to wait for (`selectors.EVENT_READ` or `EVENT_WRITE`): TCP, the proxy's tunnel,
TLS. Every failure is an OSError. Must not decide anything about targets.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from selectors import EVENT_READ, EVENT_WRITE
from typing import Final

from whatschat_ops.sender.answers import Answer, read_answer
from whatschat_ops.sender.route import Address, Route
from whatschat_ops.sender.successes import Successes
from whatschat_ops.sender.work import Job

READ_BYTES: Final = 16 * 1024
SUCCESS: Final = Answer(200, {}, b"", True)


@dataclass(slots=True)
class Tls:
    """How to speak TLS, and the session to resume: later handshakes take half the time."""

    context: ssl.SSLContext
    session: ssl.SSLSession | None = None


class HttpConnection:
    """`job` is what is in flight on it, sent at `sent_s`; `idle_since_s` is when the last answer had been read."""

    __slots__ = (
        "_pending",
        "_received",
        "_recv",
        "_route",
        "_send",
        "_successes",
        "_tls",
        "address",
        "answers",
        "idle_for_s",
        "idle_since_s",
        "job",
        "key_version",
        "opened_s",
        "opening",
        "sent_s",
        "sock",
        "waits_for",
    )

    def __init__(
        self, route: Route, tls: Tls | None, address: Address, successes: Successes, now_s: float
    ) -> None:
        """Begin to open it. Raises OSError when that fails at once."""
        self._route, self._tls, self._successes = route, tls, successes
        self.address = address
        self._received = b""
        self._pending: memoryview | None = None
        self.answers = 0
        self.idle_for_s = self.sent_s = 0.0
        self.opened_s = self.idle_since_s = now_s
        self.job: Job | None = None
        self.key_version = 0
        self.sock = socket.socket(address.family, socket.SOCK_STREAM)
        try:
            self.sock.setblocking(False)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.opening: Iterator[int] | None = self._open(address)
            self.waits_for = next(self.opening)
        except OSError:
            self.sock.close()
            raise

    def _open(self, address: Address) -> Iterator[int]:
        with suppress(BlockingIOError):
            self.sock.connect(address.sockaddr)
        yield EVENT_WRITE
        if error := self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, os.strerror(error))
        yield from self._tunnel(self._route.tunnel_request)
        if self._tls:
            yield from self._handshake(self._tls)
        self._send, self._recv = self.sock.send, self.sock.recv

    def _tunnel(self, request: bytes) -> Iterator[int]:
        if not request:
            return
        self.sock.send(request)  # the first bytes on a new connection: they fit
        received = b""
        while b"\r\n\r\n" not in received:
            yield EVENT_READ
            # Byte by byte at the end would be exact; the endpoint speaks only after we do, so nothing of TLS is read here.
            data = self.sock.recv(READ_BYTES)
            received += data
            if not data or len(received) > READ_BYTES:
                raise ConnectionError("the proxy did not answer with HTTP")
        status = received[:64].split(b"\r\n")[0].decode("latin-1")
        if not status.startswith("HTTP/1.") or status[9:10] != "2":
            raise ConnectionError(f"the proxy refused the tunnel: {status}")

    def _handshake(self, tls: Tls) -> Iterator[int]:
        wrapped = tls.context.wrap_socket(
            self.sock, server_hostname=self._route.host, do_handshake_on_connect=False, session=tls.session
        )
        self.sock = wrapped
        while True:
            try:
                wrapped.do_handshake()
                return
            except ssl.SSLWantReadError:
                yield EVENT_READ
            except ssl.SSLWantWriteError:
                yield EVENT_WRITE

    def advance(self) -> bool:
        """Go on with opening; says whether it is open now. Raises OSError."""
        assert self.opening is not None
        step = next(self.opening, None)
        if step is None:
            self.opening = None
            step = EVENT_READ
        self.waits_for = step
        return self.opening is None

    def send(self, request: bytes) -> bool:
        """Send as much as fits; False when the rest waits for EVENT_WRITE (then `flush`). Raises OSError."""
        try:
            sent = self._send(request)
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            sent = 0
        if sent == len(request):
            return True
        self._pending = memoryview(request)[sent:]
        return False

    def flush(self) -> bool:
        """Send more of what waits; True when all is sent. Raises OSError."""
        if self._pending is None:
            return True
        try:
            sent = self._send(self._pending)
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return False
        self._pending = self._pending[sent:] if sent < len(self._pending) else None
        return self._pending is None

    def receive(self) -> Answer | None:
        """The answer, None when it is not there yet. Raises OSError, also when the connection was closed instead."""
        while True:
            try:
                data = self._recv(READ_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return None
            if not self._received and self._pending is None and self._successes.knows(data):
                return SUCCESS
            answer = self._read(data)
            if answer is not None or not self._tls:
                return answer
            # TLS may hold more that is decrypted already, which no selector sees.

    def _read(self, data: bytes) -> Answer | None:
        if not data and not self._received:
            raise ConnectionResetError("it closed the connection without an answer")
        self._received += data
        answer = read_answer(self._received, ended=not data)
        if answer is None:
            return None
        self._successes.learn(self._received, answer)
        self._received = b""
        return answer if self._pending is None else answer._replace(keep_alive=False)

    @property
    def is_untouched(self) -> bool:
        """Whether nothing of the answer has been read."""
        return not self._received

    def keep_session(self) -> None:
        """Remember the TLS session, which arrives with or before the first answer."""
        if self._tls and isinstance(self.sock, ssl.SSLSocket):
            self._tls.session = self.sock.session

    def close(self) -> None:
        """Close the socket, without waiting for the other side."""
        self.sock.close()
