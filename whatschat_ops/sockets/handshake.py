"""The HTTP request that opens a WebSocket: where the token goes, and what a failure means.

Pure: `build_handshake` builds the request, `refusal` turns a failed one into an OpsError that names one cause and the
command to run next. `client` sends it; `probe_handshake` only asks for its status.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from websockets.exceptions import (
    InvalidHandshake,
    InvalidProxy,
    InvalidProxyStatus,
    InvalidStatus,
    ProxyError,
)
from websockets.http11 import USER_AGENT
from websockets.typing import Subprotocol

from whatschat_ops.choices import TokenVia
from whatschat_ops.errors import (
    AwsError,
    Hint,
    NotFound,
    PermissionDenied,
    Rejected,
    Throttled,
    Unavailable,
    UsageError,
)
from whatschat_ops.handlers.token_rules import is_subprotocol
from whatschat_ops.network import proxy_for, tls_context
from whatschat_ops.quotas import NEW_CONNECTIONS_PER_S
from whatschat_ops.redaction import Secret, redact

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

DOCTOR: Final = Hint(("doctor", "websocket"))
EXPLAIN: Final = Hint(("ws", "endpoint", "--explain"))

SUBPROTOCOL = "whatschat"
"""Offered before the token, so that the server can accept a name other than the token."""

_VISIBLE = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class Handshake:
    """What is sent to open a socket."""

    url: str
    headers: Mapping[str, str]
    subprotocols: tuple[str, ...]


def build_handshake(websocket_url: str, token: Secret, via: TokenVia) -> Handshake:
    """The handshake that sends `token` in the given way. `websocket_url` has no query.

    Raises UsageError for a token that cannot be sent that way.
    """
    text = token.reveal()
    if not (is_subprotocol(text) if via is TokenVia.SUBPROTOCOL else _VISIBLE.fullmatch(text)):
        raise UsageError(f"The token has characters that cannot be sent in a {via.value}.")
    if via is TokenVia.QUERY:
        return Handshake(f"{websocket_url}?token={quote(text, safe='')}", {}, ())
    if via is TokenVia.SUBPROTOCOL:
        return Handshake(websocket_url, {}, (SUBPROTOCOL, text))
    return Handshake(websocket_url, {"Authorization": f"Bearer {text}"}, ())


def handshake_in_every_channel(websocket_url: str, token: Secret) -> Handshake:
    """The handshake with `token` wherever a handler may read it: for a token that none must accept."""
    made = [build_handshake(websocket_url, token, via) for via in TokenVia]
    return Handshake(
        next(each.url for each in made if each.url != websocket_url),
        {name: value for each in made for name, value in each.headers.items()},
        tuple(name for each in made for name in each.subprotocols),
    )


def refusal(error: Exception, url: str) -> AwsError:
    """Why the handshake failed, and what to do about it."""
    address = redact(url.partition("?")[0])
    if isinstance(error, InvalidStatus):
        return _refused(error.response.status_code, bytes(error.response.body or b""), address)
    if isinstance(error, ProxyError | InvalidProxy):
        return _refused_by_proxy(error, address)
    if isinstance(error, ssl.SSLCertVerificationError):
        return Unavailable(
            f"The certificate of {address} cannot be verified: {error.verify_message}.",
            hint="When it comes from a CA of your own, set AWS_CA_BUNDLE to that CA's certificate.",
        )
    if isinstance(error, TimeoutError):
        return Unavailable(f"The handshake with {address} timed out.", hint=DOCTOR)
    if isinstance(error, socket.gaierror):
        return NotFound(
            f"The host {urlsplit(url).hostname} was not found: the API was deleted, or the endpoint is misspelt.",
            hint=Hint(("ws", "endpoint")),
        )
    if isinstance(error, ConnectionRefusedError):
        return Unavailable(
            f"{address} refused the connection: nothing listens there.", hint=Hint(("status",))
        )
    if isinstance(error, ssl.SSLError) or (isinstance(error, ConnectionResetError) and url.startswith("wss")):
        return Unavailable(
            f"{address} aborted the TLS handshake: {getattr(error, 'reason', None) or type(error).__name__}.",
            hint=Hint(EXPLAIN.argv, "Check the scheme (wss:// is encrypted, ws:// is not)"),
        )
    return Unavailable(
        f"The handshake with {address} failed: {redact(str(error)) or type(error).__name__}.",
        hint=DOCTOR,
    )


def _refused_by_proxy(error: Exception, address: str) -> Unavailable:
    """The proxy of the environment did not open a way to the endpoint."""
    status = error.response.status_code if isinstance(error, InvalidProxyStatus) else None
    if status == 407:
        return Unavailable(
            f"The proxy on the way to {address} asks for a login (HTTP 407).",
            hint="Put it into the proxy's URL: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT",
        )
    said = f"HTTP {status}" if status else redact(str(error))
    return Unavailable(
        f"The proxy on the way to {address} refused the connection: {said}.",
        hint="Check HTTPS_PROXY, HTTP_PROXY and NO_PROXY.",
    )


@dataclass(frozen=True, slots=True)
class HandshakeAnswer:
    """The response to a handshake: its HTTP status (101: accepted), or None and the `error` if there was none."""

    status: int | None
    error: str = ""


def probe_handshake(
    handshake: Handshake,
    *,
    timeout_s: float = 10,
    user_agent: str = USER_AGENT,
    talk: Callable[[ClientConnection], None] = lambda _: None,
) -> HandshakeAnswer:
    """Try to open a socket with this handshake; one that opens is closed at once, after `talk`."""
    from websockets.sync.client import connect

    try:
        with connect(
            handshake.url,
            additional_headers=handshake.headers,
            subprotocols=[Subprotocol(name) for name in handshake.subprotocols] or None,
            user_agent_header=user_agent,
            open_timeout=timeout_s,
            close_timeout=1,
            proxy=proxy_for(handshake.url),
            ssl=tls_context() if handshake.url.startswith("wss:") else None,
        ) as socket:
            talk(socket)
            return HandshakeAnswer(101)
    except InvalidStatus as error:
        return HandshakeAnswer(error.response.status_code)
    except (InvalidHandshake, OSError, TimeoutError) as error:
        return HandshakeAnswer(None, str(error) or type(error).__name__)


def _refused(status: int, body: bytes, address: str) -> AwsError:
    said = redact(body.decode("utf-8", "replace").strip())[:200]
    answer = f"HTTP {status}{f' {said}' if said else ''}"
    kinds: Mapping[int, tuple[type[AwsError], str, Hint]] = {
        401: (
            PermissionDenied,
            "the token is not accepted: expired, or signed with the secret of another stack",
            Hint(("token", "inspect", "--verify", "TOKEN")),
        ),
        403: (
            PermissionDenied,
            "the token is not accepted, or there is no such stage or API at this endpoint",
            EXPLAIN,
        ),
        404: (NotFound, "there is no API at this address", EXPLAIN),
        429: (
            Throttled,
            f"too many new connections ({NEW_CONNECTIONS_PER_S} per second and account, unless raised)",
            Hint(text="Wait a moment and run the same command again."),
        ),
    }
    default: tuple[type[AwsError], str, Hint] = (
        (Unavailable, "the $connect function failed or could not be called", DOCTOR)
        if status >= 500
        else (Rejected, "it is not a WebSocket endpoint", EXPLAIN)
    )
    kind, why, hint = kinds.get(status, default)
    return kind(f"{address} refused the connection: {why} ({answer}).", hint=hint, aws_code=str(status))
