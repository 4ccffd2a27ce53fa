"""Signature Version 4 for `{method} {prefix}/@connections/{id}`: a whole HTTP request as bytes, about 2 µs each.

Takes the place to post to, the body and the keys; all but the id is put together once, what depends on the time once a
second. Gives what botocore's SigV4Auth gives (a property test holds it to that): the path is URL-encoded twice in the
canonical request, as for every service but S3. Must not know sockets, and must never put a key into a message.

Source: "Create a signed AWS API request", AWS Identity and Access Management User Guide.
"""

from __future__ import annotations

import hashlib
import hmac
import string
import time
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from whatschat_ops.errors import CredentialsError, UsageError
from whatschat_ops.sender.model import Credentials

SERVICE: Final = "execute-api"
_UNRESERVED_OR_EQUALS: Final = f"{string.ascii_letters}{string.digits}-._~="
_BLOCK_BYTES: Final = 64
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))


@dataclass(frozen=True, slots=True)
class RequestShape:
    """What is the same in all requests of a run.

    `host` is the Host header, `path` the URL path before `/@connections` (already URL-encoded, no slash at its end).
    `before_path` is "" or `http://host:port` for a proxy that wants the absolute form; `extra_headers` are lines that
    are not signed, each ending in CRLF.
    """

    host: str
    path: str
    region: str
    body: bytes = field(repr=False)
    before_path: str = ""
    extra_headers: str = field(default="", repr=False)
    method: str = "POST"


class Signer:
    """Makes signed requests. `at` must have been called before `request`."""

    def __init__(self, shape: RequestShape, credentials: Credentials) -> None:
        """Raises UsageError when a part of the request cannot be in one."""
        _refuse_line_breaks(shape)
        self._shape = shape
        self._start = f"{shape.method} {shape.before_path}{shape.path}/@connections/".encode()
        path = canonical_path(f"{shape.path}/@connections")
        self._canonical = hashlib.sha256(f"{shape.method}\n{path}/".encode())
        self._payload_hash = hashlib.sha256(shape.body).hexdigest()
        self._second = -1
        self._day = ""
        self.use(credentials)

    def use(self, credentials: Credentials) -> None:
        """Sign with these keys from now on. Raises CredentialsError when they cannot be keys."""
        token = credentials.session_token.reveal() if credentials.session_token else ""
        _refuse_unprintable(credentials.access_key_id, token)
        self._access_key_id = credentials.access_key_id
        self._secret = credentials.secret_access_key.reveal()
        self._token = " ".join(token.split()) if token else None
        self._day = ""
        if self._second >= 0:
            self._renew(self._second)

    def at(self, epoch_s: float) -> None:
        """Sign for this time from now on."""
        if int(epoch_s) != self._second:
            self._second = int(epoch_s)
            self._renew(self._second)

    def request(self, connection_id: str) -> bytes:
        """The whole request for one connection."""
        encoded = encode_id(connection_id)
        if encoded in _DOTS:
            canonical = self._canonical_dots(encoded.decode())
        else:
            canonical = self._canonical.copy()
            canonical.update(encoded.replace(b"%", b"%25") + self._canonical_end)
        inner = self._inner.copy()
        inner.update(canonical.hexdigest().encode())
        outer = self._outer.copy()
        outer.update(inner.digest())
        return b"%b%b%b%b%b" % (self._start, encoded, self._middle, outer.hexdigest().encode(), self._end)

    def _canonical_dots(self, encoded: str) -> hashlib._Hash:
        path = canonical_path(f"{self._shape.path}/@connections/{encoded}")
        return hashlib.sha256(f"{self._shape.method}\n{path}".encode() + self._canonical_end)

    def _renew(self, second: int) -> None:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        day = stamp[:8]
        scope = f"{day}/{self._shape.region}/{SERVICE}/aws4_request"
        if day != self._day:
            self._day = day
            self._use_key(signing_key(self._secret, day, self._shape.region))
        headers = {"host": self._shape.host, "x-amz-date": stamp}
        if self._token is not None:
            headers["x-amz-security-token"] = self._token
        names = ";".join(headers)
        lines = "\n".join(f"{name}:{value}" for name, value in headers.items())
        self._canonical_end = f"\n\n{lines}\n\n{names}\n{self._payload_hash}".encode()
        self._inner = self._inner_key.copy()
        self._inner.update(f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n".encode())
        token = f"X-Amz-Security-Token: {self._token}\r\n" if self._token is not None else ""
        self._middle = (
            f" HTTP/1.1\r\nHost: {self._shape.host}\r\nX-Amz-Date: {stamp}\r\n{token}{self._shape.extra_headers}"
            f"Content-Length: {len(self._shape.body)}\r\nAuthorization: AWS4-HMAC-SHA256 "
            f"Credential={self._access_key_id}/{scope}, SignedHeaders={names}, Signature="
        ).encode()
        self._end = b"\r\n\r\n" + self._shape.body

    def _use_key(self, key: bytes) -> None:
        """HMAC with the key already mixed in: copying the two states is half the time of a new HMAC.

        (OpenSSL looks an algorithm up each time that a hash is created, but not when one is copied.)
        """
        block = key.ljust(_BLOCK_BYTES, b"\0")
        self._inner_key = hashlib.sha256(block.translate(_INNER))
        self._outer = hashlib.sha256(block.translate(_OUTER))


_DOTS: Final = frozenset({b"", b".", b".."})
"""Ids that disappear when the path is normalised."""


def encode_id(connection_id: str) -> bytes:
    """An id as botocore puts it into the path: all but unreserved characters percent-encoded, `/` too."""
    if connection_id.strip(_UNRESERVED_OR_EQUALS):  # something else is in it, at least in the middle
        return quote(connection_id, safe="-._~").encode()
    return connection_id.replace("=", "%3D").encode()


def canonical_path(path: str) -> str:
    """`path` normalised (no empty, `.` and `..` parts) and encoded once more, as botocore's SigV4Auth does it."""
    if not path:
        return "/"
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part and part != ".":
            parts.append(part)
    start = "/" if path.startswith("/") else ""
    end = "/" if path.endswith("/") and parts else ""
    return quote(f"{start}{'/'.join(parts)}{end}", safe="/~")


def signing_key(secret: str, day: str, region: str) -> bytes:
    """The key derived for one day and Region."""
    key = f"AWS4{secret}".encode()
    for part in (day, region, SERVICE, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _refuse_line_breaks(shape: RequestShape) -> None:
    for part in (shape.host, shape.path, shape.region, shape.before_path):
        if not part.isascii() or any(character <= " " for character in part):
            raise UsageError(
                f"{part!r} cannot be part of a request: it has blanks, line breaks or non-ASCII text."
            )


def _refuse_unprintable(*parts: str) -> None:
    if not all(part.isascii() and part.isprintable() for part in parts):
        raise CredentialsError("The AWS credentials cannot be used: they contain characters that no key has.")
