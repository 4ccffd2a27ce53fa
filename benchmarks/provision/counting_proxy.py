"""An HTTP proxy that counts: every request to the AWS behind it, by operation. It changes nothing, so signatures stay valid."""

from __future__ import annotations

import http.client
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class CountingProxy(ThreadingHTTPServer):
    """Listens on a free port of 127.0.0.1; `calls` is operation -> count since the last `reset`."""

    daemon_threads = True

    def __init__(self, target_port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target_port = target_port
        self.calls: Counter[str] = Counter()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def reset(self) -> Counter[str]:
        """The counts so far, and start again."""
        with self.lock:
            calls, self.calls = self.calls, Counter()
        return calls


@contextmanager
def counting_proxy(target_port: int) -> Iterator[CountingProxy]:
    """A running proxy in front of 127.0.0.1:`target_port`."""
    proxy = CountingProxy(target_port)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: CountingProxy

    def setup(self) -> None:
        super().setup()
        self.upstream = http.client.HTTPConnection("127.0.0.1", self.server.target_port, timeout=60)

    def finish(self) -> None:
        self.upstream.close()
        super().finish()

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.server.lock:
            self.server.calls[_operation(self.command, self.path, self.headers, body)] += 1
        self.upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            self.upstream.putheader(name, value)
        self.upstream.endheaders(body or None)
        answer = self.upstream.getresponse()
        content = answer.read()
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _forward

    def log_message(self, format: str, *args: object) -> None:
        """No access log: the counts are all that is wanted."""


def _operation(method: str, path: str, headers: object, body: bytes) -> str:
    """`dynamodb DescribeTable`, `sts GetCallerIdentity`, `lambda GET /functions/*`: the last where the API is REST."""
    get = headers.get  # type: ignore[attr-defined]
    scope = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", get("Authorization", ""))
    service = scope.group(1) if scope else "?"
    if target := get("X-Amz-Target"):
        return f"{service} {target.rpartition('.')[2]}"
    if action := re.search(rb"(?:^|&)Action=(\w+)", body[:4096]):
        return f"{service} {action.group(1).decode()}"
    if rpc := re.search(r"/operation/(\w+)", path):
        return f"{service} {rpc.group(1)}"
    names = {"apis", "routes", "integrations", "stages", "deployments", "functions", "aliases", "policy", "tags", "account",
             "versions", "configuration", "code", "v2"}  # fmt: skip
    parts = path.partition("?")[0].strip("/").split("/")
    return f"{service} {method} /{'/'.join(part if part in names else '*' for part in parts)}"
