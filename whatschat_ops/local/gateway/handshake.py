"""The opening HTTP request of a WebSocket connection: its target, its headers, and the accept key of the 101
response.

Takes the bytes of the request; gives a `Handshake`. It knows nothing of routes, functions or permissions.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from urllib.parse import unquote

from whatschat_ops.local.interfaces import HttpRequest

ACCEPT_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455 section 1.3."""
LOCAL_PREFIX = ["_aws", "execute-api"]
"""First segments of the path of an API on an endpoint with many APIs: /_aws/execute-api/{api}/{stage}."""


class BadHandshake(ValueError):
    """The request is not a WebSocket handshake (RFC 6455 section 4.2.1)."""


@dataclass(frozen=True, slots=True)
class Address:
    """The stage of an API."""

    api_id: str
    stage: str


@dataclass(frozen=True, slots=True)
class Handshake:
    """A WebSocket handshake. Header names have the case in which they were sent."""

    target: str
    """Path and query as sent."""
    headers: tuple[tuple[str, str], ...]
    client_host: str
    server_port: int

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def query_string(self) -> str:
        """The query as sent, without the question mark."""
        return self.target.partition("?")[2]

    def header(self, name: str) -> str | None:
        """The first header of that (lower-case) name."""
        return next((value for key, value in self.headers if key.lower() == name), None)

    @property
    def host(self) -> str:
        """The Host header as sent, with its port."""
        return self.header("host") or ""

    def address(self) -> Address | None:
        """The API and stage of the URL; None if it has none, or a longer path."""
        segments = [unquote(segment) for segment in self.path.split("/")[1:]]
        if segments[:2] == LOCAL_PREFIX:
            segments = segments[2:]
        else:
            labels = self.host.split(":")[0].split(".")
            if len(labels) < 2 or labels[1] != "execute-api":
                return None
            segments = [labels[0], *segments]
        if segments[2:] == [""]:  # AWS's tutorials have URLs with a slash after the stage
            segments.pop()
        if len(segments) != 2 or not all(segments):
            return None
        return Address(*segments)

    def as_http_request(self) -> HttpRequest:
        """The same request, for the check of its SigV4 signature."""
        return HttpRequest(
            method="GET",
            raw_path=self.path,
            query_string=self.query_string,
            headers=tuple(
                (key.lower().encode("latin-1"), value.encode("latin-1")) for key, value in self.headers
            ),
            body=b"",
            client_host=self.client_host,
        )

    def accept_key(self) -> str:
        """The value of Sec-WebSocket-Accept. Raises BadHandshake."""
        if (self.header("sec-websocket-version") or "").strip() != "13":
            raise BadHandshake("Sec-WebSocket-Version must be 13")
        key = (self.header("sec-websocket-key") or "").strip().encode("latin-1")
        try:
            decoded = base64.b64decode(key, validate=True)
        except binascii.Error as error:
            raise BadHandshake("Sec-WebSocket-Key is not base64") from error
        if len(decoded) != 16:
            raise BadHandshake("Sec-WebSocket-Key must hold 16 bytes")
        return base64.b64encode(hashlib.sha1(key + ACCEPT_GUID).digest()).decode("ascii")


def parse_handshake(head: bytes, client_host: str, server_port: int) -> Handshake:
    """Read a request head that the HTTP parser has already checked. Raises BadHandshake."""
    request_line, *lines = head.rstrip(b"\r\n").decode("latin-1").split("\r\n")
    method, _, rest = request_line.partition(" ")
    target = rest.rpartition(" ")[0]
    if method != "GET":
        raise BadHandshake("a handshake is a GET request")
    headers = []
    for line in lines:
        name, _, value = line.partition(":")
        headers.append((name, value.strip()))
    return Handshake(target, tuple(headers), client_host, server_port)
