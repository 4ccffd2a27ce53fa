"""Two AWS endpoints on loopback that are none: one denies every call, one talks rubbish."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

DENIED: Final = (
    403,
    "application/x-amz-json-1.0",
    b'{"__type": "AccessDeniedException", "message": "User: arn:aws:iam::123456789012:user/x is not authorized"}',
)
DENIED_XML: Final = (
    403,
    "text/xml",
    b"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not authorized</Message></Error></ErrorResponse>",
)
"""The same of services of the query protocol: IAM, STS."""
BODIES: Final = (
    b"",
    b"{}",
    b"null",
    b"[]",
    b'"text"',
    b"123",
    b"true",
    b'{"Item',
    b"<html><body><h1>502 Bad Gateway</h1></body></html>",
    b"<a/>",
    b"<ErrorResponse><Error><Code>X</Code></Error></ErrorResponse>",
    b"\xff\xfe\x00",
    b"{" * 3000,
    b'{"message": null, "__type": 5}',
    b'{"__type": "Throttling", "message": "Rate exceeded"}',
    b'{"Items": null, "Count": "x", "LastEvaluatedKey": 5}',
    b'{"Items": [null, 1, {"connectionId": 5, "userId": {"S": null}}], "items": {}}',
    b'{"Table": [], "Functions": {}, "Parameter": {"Value": 5}, "Configuration": "x"}',
    b'{"Parameter": null, "Table": {"TableName": 5, "KeySchema": "x"}, "Meetings": 5}',
    b'{"items": [{"apiId": 5, "name": null, "tags": []}], "Items": "x", "Account": 5}',
)
STATUSES: Final = (200, 200, 200, 200, 204, 301, 400, 403, 404, 410, 413, 429, 500, 502, 503)
KINDS: Final = ("application/json", "text/html", "application/x-amz-json-1.1", "text/xml", "")


class Server(ThreadingHTTPServer):
    """An endpoint. `seed` is set before each command, so that its answers can be had again."""

    daemon_threads = True
    request_queue_size = 128
    rubbish = False
    seed = ""
    _number = 0
    _lock = threading.Lock()

    def begin(self, seed: str) -> None:
        """Give the answers of this seed from now on."""
        self.seed, self._number = seed, 0

    def answer(self, content_type: str) -> tuple[int, str, bytes]:
        """Status, content type and body of the next answer."""
        if not self.rubbish:
            return DENIED_XML if "form-urlencoded" in content_type else DENIED
        with self._lock:
            self._number += 1
            random_ = random.Random(f"{self.seed}:{self._number if self._number < 4 else 4}")
        return random_.choice(STATUSES), random_.choice(KINDS), random_.choice(BODIES)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5  # an idle connection of a command that has ended keeps no thread

    def _reply(self) -> None:
        server: Any = self.server
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, kind, body = server.answer(self.headers.get("Content-Type") or "")
        body = b"" if status == 204 else body
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        if status == 301:
            self.send_header("Location", f"http://127.0.0.1:{server.server_address[1]}/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if self.command != "HEAD" else b"")

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = _reply

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(*, rubbish: bool) -> Iterator[Server]:
    """A server on a free port of loopback."""
    server = Server(("127.0.0.1", 0), _Handler)
    server.rubbish = rubbish
    thread = threading.Thread(target=server.serve_forever, name="endpoint", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
