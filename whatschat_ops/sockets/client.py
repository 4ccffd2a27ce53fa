"""One WebSocket to the API: open it with a token, send a message in frames, wait for an answer.

Reconnects and keep-alive are in `session`; this module knows one socket.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from whatschat_ops import __version__
from whatschat_ops.choices import SocketMode, TokenVia
from whatschat_ops.errors import Hint, OpsError, PermissionDenied, TimedOut, Unavailable
from whatschat_ops.message_size import check_size
from whatschat_ops.network import proxy_for, tls_context
from whatschat_ops.quotas import MAX_FRAME_BYTES, MAX_INTEGRATION_TIMEOUT_MS
from whatschat_ops.redaction import Secret, redact
from whatschat_ops.sockets.adapter import Adapter, Socket
from whatschat_ops.sockets.close_codes import describe
from whatschat_ops.sockets.handshake import Handshake, build_handshake, refusal
from whatschat_ops.sockets.rejected_token import cause_in_channel, cause_in_token

OPEN_TIMEOUT_S = MAX_INTEGRATION_TIMEOUT_MS / 1000 + 6
"""API Gateway holds the handshake until `$connect` has responded."""

CLOSE_TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class Opener(Adapter):
    """Opens sockets to API Gateway, each with a new token. `secrets` gives those that the stack accepts at a time, none when that is not known."""

    mode: ClassVar[SocketMode] = SocketMode.APIGATEWAY
    websocket_url: str
    make_token: Callable[[], Secret]
    via: TokenVia = TokenVia.HEADER
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    secrets: Callable[[datetime], Sequence[Secret]] = lambda _now: ()

    async def __call__(self) -> Socket:
        """A connected socket. Raises what `open_socket` raises, and UsageError for a token that cannot be sent."""
        token = self.make_token()
        handshake = build_handshake(self.websocket_url, token, self.via)
        try:
            return await open_socket(handshake)
        except PermissionDenied as error:
            raise await self._explained(error, token) from error

    async def _explained(self, error: PermissionDenied, token: Secret) -> OpsError:
        """The error with its cause, if the client can tell it."""
        now = self.now()
        secrets = self.secrets(now)
        cause = cause_in_token(token, secrets, now)
        if cause is None and error.aws_code == "401":
            accepted = await self._channel_that_accepts(token)
            cause = cause_in_channel(self.via, accepted, verified=bool(secrets))
        if cause is None:
            return error
        address = redact(self.websocket_url)
        return PermissionDenied.of(
            error,
            f"{address} refused the connection (HTTP {error.aws_code}): {cause.why}",
            hint=cause.hint,
        )

    async def _channel_that_accepts(self, token: Secret) -> TokenVia | None:
        """Another channel through which the handler accepts the token; the socket that shows it is closed at once."""
        for via in TokenVia:
            if via is self.via:
                continue
            with suppress(OpsError):  # rejected here too, or the token cannot be sent that way
                await (await open_socket(build_handshake(self.websocket_url, token, via))).close()
                return via
        return None


async def open_socket(
    handshake: Handshake, *, timeout_s: float = OPEN_TIMEOUT_S, tls: ssl.SSLContext | None = None
) -> Socket:
    """A connected socket. A caller that opens many passes one TLS context for all of them.

    Raises PermissionDenied (401, 403), NotFound (404, no such host), Throttled (429), Unavailable (5xx, no
    answer) or Rejected (any other status).
    """
    try:
        connection: Socket = await connect(
            handshake.url,
            additional_headers=handshake.headers,
            subprotocols=[Subprotocol(name) for name in handshake.subprotocols] or None,
            user_agent_header=f"whatschat-ops/{__version__}",
            open_timeout=timeout_s,
            close_timeout=CLOSE_TIMEOUT_S,
            compression=None,  # API Gateway does not negotiate permessage-deflate
            ping_interval=None,  # only messages reset the idle timeout; `session` sends them
            proxy=proxy_for(handshake.url),
            ssl=(tls or tls_context()) if handshake.url.startswith("wss:") else None,
        )
    except (InvalidHandshake, OSError, TimeoutError, EOFError) as error:
        raise refusal(error, handshake.url) from error
    return connection


async def send_text(connection: Socket, text: str) -> None:
    """Send one message in frames that API Gateway accepts. Raises UsageError when it is too large, ConnectionClosed."""
    check_size(text.encode())
    parts = list(frames(text))
    await connection.send(parts if len(parts) > 1 else text)


async def request(
    connection: Socket, text: str, *, is_answer: Callable[[str], bool], timeout_s: float
) -> str:
    """Send a message and wait for its answer; other messages are discarded.

    Raises TimedOut when no answer arrives in time, Unavailable when the socket is closed first.
    """
    try:
        async with asyncio.timeout(timeout_s):
            await send_text(connection, text)
            while True:
                message = as_text(await connection.recv())
                if is_answer(message):
                    return message
    except TimeoutError as error:
        raise TimedOut(
            f"The message was sent, but no acknowledgement arrived within {timeout_s:g} s.",
            hint=Hint(("doctor", "websocket")),
        ) from error
    except ConnectionClosed as error:
        raise Unavailable(
            f"The socket was closed before an acknowledgement arrived: "
            f"{describe(connection.close_code or 1006, connection.close_reason or '')}."
        ) from error


def frames(text: str) -> Iterator[str]:
    """`text` in parts of at most `MAX_FRAME_BYTES` of UTF-8, split between characters."""
    data = text.encode()
    start = 0
    while start < len(data):
        end = min(start + MAX_FRAME_BYTES, len(data))
        while end < len(data) and data[end] & 0b1100_0000 == 0b1000_0000:  # inside a character
            end -= 1
        yield data[start:end].decode()
        start = end


def as_text(message: str | bytes) -> str:
    """A message as text, whether it came as text or binary."""
    return message if isinstance(message, str) else message.decode("utf-8", "replace")
