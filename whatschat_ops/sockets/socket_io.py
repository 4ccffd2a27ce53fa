"""The mode `socketio`: the application server's Socket.IO, as one socket of texts.

A text `{"type": EVENT, "data": {...}}` is emitted as EVENT with `data`; without `data`, with the other fields. An event that
arrives becomes such a text, with `data` always (a chat message has a `type` of its own). Events whose names begin with `chime:` use the
namespace `/chime`, all others `/`; both are connected, with `auth: {token}`. The event names are those of apps/server's gateways
(docs/websocket.md lists them); the transport is WebSocket only, Engine.IO's own pings keep it open.

python-socketio is imported when a socket is opened (extra `socketio`).
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import urlsplit

from whatschat_ops.choices import SocketMode
from whatschat_ops.errors import Hint, NotFound, OpsError, PermissionDenied, Unavailable, UsageError
from whatschat_ops.installation import extra_command
from whatschat_ops.network import proxy_for, tls_context
from whatschat_ops.redaction import Secret, redact
from whatschat_ops.sockets.adapter import Adapter, Inbox
from whatschat_ops.sockets.close_codes import NORMAL

if TYPE_CHECKING:
    import aiohttp
    import socketio

DEFAULT_URL: Final = "ws://localhost:3001"
"""The web client's default of NEXT_PUBLIC_SOCKET_IO_URL."""
MAIN, CHIME = "/", "/chime"
NAMESPACES: Final = {MAIN, CHIME}
OPEN_TIMEOUT_S: Final = 20.0
CLOSE_TIMEOUT_S: Final = 3.0
MAX_RECEIVED_BYTES: Final = 16 * 1024 * 1024

EVENT_OF: Final[Mapping[str, str]] = {
    "message": "message:send",
    "message_read": "message:read",
    "typing": "message:typing",
    "user_status": "user:status",
    "call_offer": "call:offer",
    "call_answer": "call:webrtc-answer",
    "call_ice_candidate": "call:ice-candidate",
    "call_end": "call:end",
}
"""The web client's types, which no gateway of the server listens for -> the server's event."""
_NO_ENGINE_IO: Final = (ValueError, TypeError, KeyError, AttributeError)
"""What python-engineio raises when the first message of a server is not its open packet."""
_RESERVED: Final = {"connect", "connect_error", "disconnect"}


class SocketIoMissing(OpsError):
    """The extra `socketio` is not installed."""

    code = "not_installed"


@dataclass(frozen=True, slots=True)
class SocketIo(Adapter):
    """Opens Socket.IO connections, each with a new token."""

    mode: ClassVar[SocketMode] = SocketMode.SOCKETIO
    url: str
    make_token: Callable[[], Secret]

    async def __call__(self) -> SocketIoSocket:
        """A connected socket. Raises what `open_socket_io` raises."""
        return await open_socket_io(self.url, self.make_token())


async def open_socket_io(
    url: str,
    token: Secret,
    *,
    timeout_s: float = OPEN_TIMEOUT_S,
    tls: ssl.SSLContext | None = None,
) -> SocketIoSocket:
    """A socket of which both namespaces are connected. A caller that opens many passes one TLS context for all of them.

    Raises PermissionDenied when the server refuses a namespace, NotFound (no such host, no Socket.IO there), Unavailable
    (no answer), SocketIoMissing.
    """
    connection = SocketIoSocket(*_client(url, tls))
    try:
        async with asyncio.timeout(timeout_s):
            await connection.connect(url, token)
    except TimeoutError as error:
        raise Unavailable(f"The handshake with {redact(url)} timed out after {timeout_s:g} s.") from error
    finally:
        if not connection.connected:
            await connection.abandon()
    return connection


def normalised(url: str) -> str:
    """The server's address with the scheme http or https. Raises UsageError unless it is one, without a path."""
    parts = urlsplit(url if "://" in url else f"ws://{url}")
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    example = Hint(text=f"Use a URL such as {DEFAULT_URL}.")
    try:
        usable = scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # a port beyond 65535
        usable = False
    if not usable:
        raise UsageError(f"{redact(url)} is not the URL of a Socket.IO server.", hint=example)
    if parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise UsageError(
            f"The URL of the Socket.IO server {parts.hostname} has more than a host and a port: the namespaces are {MAIN} and {CHIME}, "
            "and the token is sent in the handshake.",
            hint=example,
        )
    return f"{scheme}://{parts.netloc}"


class SocketIoSocket(Inbox):
    """One Socket.IO connection."""

    def __init__(self, client: socketio.AsyncClient, http: aiohttp.ClientSession) -> None:
        super().__init__()
        self._client, self._http = client, http
        self._open: set[str] = set()
        self._answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done once both namespaces are connected, or one is not."""
        client.on("*", self._on_event, namespace="*")
        client.on("connect", self._on_connect, namespace="*")
        client.on("connect_error", self._on_refused, namespace="*")
        client.on("disconnect", self._on_disconnect, namespace="*")

    @property
    def connected(self) -> bool:
        """Whether both namespaces are open."""
        return self._open == NAMESPACES and self.close_code is None

    def end(self, code: int, reason: str = "") -> None:
        """The socket is closed. The first close counts."""
        super().end(code, reason)
        if not self._answered.done():
            self._answered.set_result(None)

    async def connect(self, url: str, token: Secret) -> None:
        """Connect both namespaces. Raises OpsError."""
        import aiohttp
        from socketio.exceptions import SocketIOError

        try:
            # With wait=True a namespace that the server disconnects at once would count as connected.
            await self._client.connect(
                url,
                auth={"token": token.reveal()},
                transports=["websocket"],
                namespaces=list(NAMESPACES),
                wait=False,
            )
        except (SocketIOError, aiohttp.ClientError, OSError, *_NO_ENGINE_IO) as error:
            raise refusal(error, url) from error
        reading = self._client.eio.read_loop_task  # ends with the transport
        await asyncio.wait((self._answered, reading), return_when=asyncio.FIRST_COMPLETED)
        if not self.connected:
            raise PermissionDenied(
                f"{url} {self.close_reason or 'closed the connection before the namespaces were connected'}.",
                hint=Hint(("token", "inspect", "--verify", "TOKEN")),
            )

    async def send(self, message: str | list[str]) -> None:
        """Emit an event. Raises UsageError for a text that is none, ConnectionClosed."""
        from socketio.exceptions import SocketIOError

        event, data = event_of(message if isinstance(message, str) else "".join(message))
        if self.close_code is not None:
            raise self.closed()
        try:
            await self._client.emit(event, data, namespace=namespace_of(event))
        except SocketIOError as error:  # it was closed in the meantime
            self.end(1006)
            raise self.closed() from error

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Disconnect both namespaces."""
        self.end(code, reason)
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._client.eio.queue.join()  # what was emitted is sent before the close
        await self.abandon()

    async def abandon(self) -> None:
        """Release the transport, whatever its state."""
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._client.disconnect()
        finally:
            await self._http.close()

    async def _on_event(self, event: str, _namespace: str, *data: Any) -> None:
        value = data[0] if len(data) == 1 else list(data)
        self.put(json.dumps({"type": event, "data": value}, ensure_ascii=False, default=_binary))

    async def _on_connect(self, namespace: str) -> None:
        self._open.add(namespace)
        if self.connected and not self._answered.done():
            self._answered.set_result(None)

    async def _on_refused(self, namespace: str, *data: Any) -> None:
        self.end(1008, f"refused the connection to the namespace {namespace}: {_said(*data)}")

    async def _on_disconnect(self, namespace: str, reason: str) -> None:
        if reason == self._client.reason.SERVER_DISCONNECT:
            # As in the JavaScript client, the server's own disconnect is final.
            self.end(
                NORMAL,
                f"disconnected the namespace {namespace}, as servers do with a token that they do not accept",
            )
        else:
            self.end(1006, reason)


def event_of(text: str) -> tuple[str, Any]:
    """The event of a text and its data. Raises UsageError, in a sentence that says what to send instead."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    name = document.get("type") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(name, str) or not name:
        raise UsageError(
            'In the mode socketio a message is a JSON object with the event\'s name: {"type": "message:typing", "data": {...}}.'
        )
    if name == "ping":
        raise UsageError("Socket.IO has no ping event: Engine.IO sends pings of its own.")
    if name in _RESERVED:
        raise UsageError(f"{name} is an event of Socket.IO itself and cannot be sent.")
    if name in EVENT_OF:
        raise UsageError(
            f"{name} is a type of the web client; the Socket.IO server's event is {EVENT_OF[name]}."
        )
    fields = {key: value for key, value in document.items() if key != "type"}
    return name, document.get("data", fields)


def namespace_of(event: str) -> str:
    """The namespace whose gateway handles an event."""
    return CHIME if event.startswith("chime:") else MAIN


def refusal(error: Exception, url: str) -> OpsError:
    """Why the transport could not be opened: the client's error, or what is behind it."""
    causes = _causes(error)
    if any(isinstance(each, socket.gaierror) for each in causes):
        return NotFound(f"The host {urlsplit(url).hostname} was not found.")
    if any(isinstance(each, ConnectionRefusedError) for each in causes):
        return Unavailable(
            f"{url} refused the connection: nothing listens there.",
            hint="Start the application's server (apps/server), or give its address with --url.",
        )
    statuses = [status for each in causes if isinstance(status := getattr(each, "status", None), int)]
    if statuses or isinstance(error, _NO_ENGINE_IO):
        said = f"it answered HTTP {statuses[0]}" if statuses else "its first message is not Engine.IO's"
        return NotFound(f"{url} is not a Socket.IO server: {said}.")
    detail = "; ".join(dict.fromkeys(str(each) for each in causes if str(each)))
    return Unavailable(f"The handshake with {url} failed: {redact(detail)[:200]}.")


def _causes(error: BaseException | None) -> list[BaseException]:
    """An error and those behind it, the outermost first."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found += [error, *([inner] if isinstance(inner := getattr(error, "os_error", None), OSError) else [])]
        error = error.__cause__ or error.__context__
    return found


def _said(data: Any = "no reason given", *_: Any) -> str:
    """What a server says when it refuses: `{"message": ...}` of Socket.IO's middleware, or anything else."""
    return redact(str(data.get("message", data)) if isinstance(data, dict) else str(data))[:200]


def _binary(value: object) -> str:
    return f"<{len(value)} bytes>" if isinstance(value, bytes) else str(value)


def _client(url: str, tls: ssl.SSLContext | None) -> tuple[socketio.AsyncClient, aiohttp.ClientSession]:
    try:
        import aiohttp
        import socketio
    except ImportError as error:
        raise SocketIoMissing(
            f"The mode socketio is not installed: {error.name} is missing.",
            hint=extra_command("socketio"),
        ) from error
    context = (tls or tls_context()) if url.startswith("https:") else True
    http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, limit=1))
    options: dict[str, Any] = {"max_msg_size": MAX_RECEIVED_BYTES}
    if proxy := proxy_for(url):
        options["proxy"] = proxy
    return socketio.AsyncClient(
        reconnection=False, handle_sigint=False, http_session=http, websocket_extra_options=options
    ), http
