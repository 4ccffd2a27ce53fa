"""Endpoint URLs: from any form of one, the two that are needed.

Clients open the `websocket_url`, backends post to the `callback_url` followed by `/@connections/{id}`. A stage is
part of the path on an execute-api host and on the embedded AWS, and must not be added on a custom domain, whose
path is the API mapping key. Pure: text in, `Endpoint` or UsageError out. `normalise` is idempotent.

Sources: API Gateway developer guide, "Use @connections commands in your backend service" and "Set up custom domain
names for WebSocket APIs".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import SplitResult, urlsplit

from whatschat_ops.errors import UsageError
from whatschat_ops.handlers.partitions import COMMERCIAL, OTHERS
from whatschat_ops.quotas import STAGE_PATTERN
from whatschat_ops.redaction import redact

DEFAULT_STAGE = "production"
_EXAMPLE = "wss://abc123.execute-api.us-east-1.amazonaws.com/production"

_TLS = {"wss": True, "https": True, "ws": False, "http": False}
_DEFAULT_PORTS = {True: 443, False: 80}
_CALLBACK_PATH = "/@connections"
_EXECUTE_API_HOST = re.compile(r"(?P<api_id>[a-z0-9-]+)\.execute-api\.[a-z0-9.-]+")
_AWS_SUFFIXES = tuple(
    f".{suffix}" for each in (COMMERCIAL, *OTHERS) for suffix in (each.dns_suffix, each.dual_stack_suffix)
)
_EMBEDDED_PATH = re.compile(r"/_aws/execute-api/(?P<api_id>[^/]+)(/(?P<stage>[^/]+))?")
_HOST = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?|[0-9a-f:.]+:[0-9a-f:.]*")
_PATH = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)*")
_STAGE = re.compile(STAGE_PATTERN)


class EndpointKind(StrEnum):
    """What kind of host an endpoint has."""

    EXECUTE_API = "execute-api"
    EMBEDDED = "embedded"
    CUSTOM_DOMAIN = "custom-domain"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint in its one form. No URL ends in a slash; `api_id` and `stage` are None on a custom domain."""

    websocket_url: str
    callback_url: str
    kind: EndpointKind
    api_id: str | None
    stage: str | None


def normalise(text: str, *, stage: str = DEFAULT_STAGE) -> Endpoint:
    """The endpoint of a URL.

    Accepts wss, ws, https and http URLs with or without a trailing slash or `/@connections[/ID]`. `stage` is used
    if the URL needs one and has none. Raises UsageError when the text is not the URL of an endpoint.
    """
    parts = _split(text)
    tls, host, port = _TLS[parts.scheme], _host(parts, text), _port(parts, text)
    path = _without_callback(parts.path)
    if not _PATH.fullmatch(path):
        raise _refusal(text, "its path has characters that are not allowed")
    if embedded := _EMBEDDED_PATH.fullmatch(path):
        kind, api_id = EndpointKind.EMBEDDED, embedded["api_id"]
        chosen: str | None = embedded["stage"] or stage
        path = f"/_aws/execute-api/{api_id}/{chosen}"
    elif execute_api := _EXECUTE_API_HOST.fullmatch(host):
        kind, api_id = EndpointKind.EXECUTE_API, execute_api["api_id"]
        chosen = _only_segment(path, text) or stage
        path = f"/{chosen}"
        tls = tls or host.endswith(_AWS_SUFFIXES)  # API Gateway listens on TLS only
    else:
        kind, api_id, chosen = EndpointKind.CUSTOM_DOMAIN, None, None
    if chosen is not None and not _STAGE.fullmatch(chosen):
        raise _refusal(text, f"{chosen!r} is not a valid stage name")
    location = _location(host, port, tls) + path
    secure = "s" if tls else ""
    return Endpoint(f"ws{secure}://{location}", f"http{secure}://{location}", kind, api_id, chosen)


def explain(endpoint: Endpoint) -> tuple[str, ...]:
    """What the parts of the endpoint are, in sentences."""
    reasons = {
        EndpointKind.EXECUTE_API: f"The host is API Gateway's own for the API {endpoint.api_id}; "
        f"the path is the stage, {endpoint.stage}.",
        EndpointKind.EMBEDDED: f"The path names the API {endpoint.api_id} and its stage {endpoint.stage} "
        "on the embedded AWS.",
        EndpointKind.CUSTOM_DOMAIN: "The host is a custom domain: the path is the API mapping key, "
        "and no stage is added.",
    }
    return (
        reasons[endpoint.kind],
        f"Clients connect to {endpoint.websocket_url}",
        f"Backends post to   {endpoint.callback_url}/@connections/CONNECTION_ID",
    )


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text.strip())
    except ValueError as error:  # for example an unclosed bracket of an IPv6 address
        raise _refusal(text, str(error)) from error
    if parts.scheme not in _TLS or not text.strip()[len(parts.scheme) :].startswith("://"):
        raise _refusal(text, "it does not begin with wss://, https://, ws:// or http://")
    if parts.query or parts.fragment or "?" in text or "#" in text:
        raise _refusal(text, "it has a query or a fragment; pass a token with --token instead")
    if parts.username is not None or parts.password is not None:
        raise _refusal(text, "it contains a user name")
    return parts


def _host(parts: SplitResult, text: str) -> str:
    host = (parts.hostname or "").rstrip(".")
    if not _HOST.fullmatch(host) or ".." in host:
        raise _refusal(text, "its host is missing or not valid")
    return host


def _port(parts: SplitResult, text: str) -> int | None:
    try:
        port = parts.port
    except ValueError as error:
        raise _refusal(text, "its port is not a number between 1 and 65535") from error
    if port == 0:
        raise _refusal(text, "its port is not a number between 1 and 65535")
    return port


def _without_callback(path: str) -> str:
    """The path up to the stage, without empty segments and trailing slash."""
    start = (path + "/").find(f"{_CALLBACK_PATH}/")
    kept = path if start < 0 else path[:start]
    return "".join(f"/{segment}" for segment in kept.split("/") if segment)


def _only_segment(path: str, text: str) -> str:
    if path.count("/") > 1:
        raise _refusal(text, f"an execute-api host has one path segment, the stage, not {path}")
    return path.lstrip("/")


def _location(host: str, port: int | None, tls: bool) -> str:
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None or port == _DEFAULT_PORTS[tls] else f"{shown}:{port}"


def _refusal(text: str, why: str) -> UsageError:
    return UsageError(
        f"{_shortened(text)} is not a WebSocket endpoint: {why}.",
        hint=f"Write it like {_EXAMPLE}",
    )


def _shortened(text: str) -> str:
    """The text for a message, without its query, which may have a token."""
    shown = redact(text.strip()).partition("?")[0]
    return repr(shown if len(shown) <= 120 else f"{shown[:117]}...")
