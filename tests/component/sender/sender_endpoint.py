"""A small HTTP server for the sender's tests: threads and sockets, answers told by the test, byte by byte if need be."""

from __future__ import annotations

import datetime
import ipaddress
import itertools
import re
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from whatschat_ops.redaction import Secret
from whatschat_ops.sender.model import Credentials, Outcome, Result, SendPolicy, Snapshot, Target
from whatschat_ops.sender.sender import Sender

KEYS = Credentials("AKIDEXAMPLE", Secret("secret"))
POLICY = SendPolicy(
    rate_per_s=100_000, burst=1_000, tcp_connections=4, deadline_s=600.0, request_timeout_s=60.0
)
"""Its time limits are for tests that move the clock: no slow machine reaches them."""
MESSAGE = b'{"type":"notice"}'


@dataclass(frozen=True)
class Request:
    """One request: the `attempt` is counted by connection id, `on_socket` by TCP connection (both from 1)."""

    line: str
    headers: dict[str, str]
    body: bytes
    connection_id: str
    attempt: int
    on_socket: int


@dataclass(frozen=True)
class Reply:
    """Pieces are sent with a pause in front of each; then the connection is closed or kept."""

    pieces: Sequence[bytes] = ()
    pause_s: float = 0.0
    close: bool = False


def reply(
    status: int,
    body: bytes = b"",
    *,
    error: str = "",
    close: bool = False,
    date: str = "",
    pause_s: float = 0.0,
) -> Reply:
    """An answer as API Gateway gives it."""
    lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"x-amzn-ErrorType: {error}"] if error else []
    lines += [f"Date: {date}"] if date else []
    lines += ["Connection: close" if close else "Connection: keep-alive"]
    return Reply(("\r\n".join(lines).encode() + b"\r\n\r\n" + body,), pause_s, close)


OK = reply(200)
DROP = Reply(close=True)
Script = Callable[[Request], Reply]


@dataclass
class Endpoint:
    """What the server has seen, and its address."""

    script: Script
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    answered: int = 0
    """How many requests got their whole answer."""
    attempts: Counter[str] = field(default_factory=Counter)
    sockets: int = 0
    open_now: int = 0
    open_most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/prod"

    def serve(self, connection: socket.socket) -> None:
        """All requests of one TCP connection."""
        with self.lock:
            self.sockets += 1
            self.open_now += 1
            self.open_most = max(self.open_most, self.open_now)
        try:
            for number in itertools.count(1):
                request = read_request(connection)
                if request is None:
                    return
                if not self._answer(connection, replace(request, on_socket=number)):
                    return
        finally:
            with self.lock:
                self.open_now -= 1

    def _answer(self, connection: socket.socket, request: Request) -> bool:
        with self.lock:
            self.attempts[request.connection_id] += 1
            request = replace(request, attempt=self.attempts[request.connection_id])
            self.requests.append(request)
        answer = self.script(request)
        for piece in answer.pieces:
            time.sleep(answer.pause_s)
            connection.sendall(piece)
        with self.lock:
            self.answered += 1
        return not answer.close


class MovedClock:
    """The machine's clock, `ahead_s` seconds later."""

    ahead_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_s


def read_request(connection: socket.socket) -> Request | None:
    """The next request; None when the client closes."""
    received = b""
    while b"\r\n\r\n" not in received:
        data = connection.recv(65536)
        if not data:
            return None
        received += data
    head, _, body = received.partition(b"\r\n\r\n")
    line, *rest = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in rest)}
    while len(body) < int(headers.get("content-length", "0")):
        body += connection.recv(65536)
    found = re.search(r"/@connections/([^ ]*) ", line)
    return Request(line, headers, body, unquote(found[1]) if found else "", 0, 0)


@contextmanager
def listening(serve: Callable[[socket.socket], None], *, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server on a free port of 127.0.0.1; every connection is served in a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    open_sockets: set[socket.socket] = set()
    threads: list[threading.Thread] = []

    def handle(raw: socket.socket) -> None:
        connection = raw
        with suppress(OSError):
            if tls:
                connection = tls.wrap_socket(raw, server_side=True)
            open_sockets.add(connection)
            serve(connection)
        with suppress(OSError):
            connection.close()

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                open_sockets.add(connection)
                threads.append(threading.Thread(target=handle, args=(connection,), daemon=True))
                threads[-1].start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield listener.getsockname()[1]
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(5)
        for connection in list(open_sockets):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(5)
        for connection in list(open_sockets):
            connection.close()


@contextmanager
def endpoint(script: Script = lambda _: OK, *, tls: ssl.SSLContext | None = None) -> Iterator[Endpoint]:
    """An @connections endpoint that answers as `script` says."""
    made = Endpoint(script)
    with listening(made.serve, tls=tls) as port:
        made.port = port
        yield made


class Feed:
    """Targets 1..n with ids `c1`..., and their results. `in_batches` is how many are given at a time."""

    def __init__(self, ids: int | Sequence[str], *, in_batches: int = 10**9) -> None:
        names = [f"c{number}" for number in range(1, ids + 1)] if isinstance(ids, int) else ids
        self._targets = [Target(number, name) for number, name in enumerate(names, 1)]
        self._given = 0
        self._in_batches = in_batches
        self.results: list[Result] = []
        self.batches: list[int] = []

    def next_targets(self, limit: int) -> Sequence[Target] | None:
        """`model.NextTargets`."""
        if self._given == len(self._targets):
            return None
        batch = self._targets[self._given : self._given + min(limit, self._in_batches)]
        self._given += len(batch)
        return batch

    @property
    def given(self) -> int:
        return self._given

    def on_results(self, results: Sequence[Result]) -> None:
        """`model.OnResults`."""
        self.batches.append(len(results))
        self.results += results

    def outcomes(self) -> dict[int, Outcome]:
        """By number; fails when one has two results."""
        assert len({result.number for result in self.results}) == len(self.results)
        return {result.number: result.outcome for result in self.results}

    def only(self) -> Result:
        """The one result."""
        [result] = self.results
        return result


def send(
    url: str,
    feed: Feed,
    *,
    policy: SendPolicy = POLICY,
    should_stop: Callable[[], bool] = lambda: False,
    message: bytes = MESSAGE,
    keys: Callable[[], Credentials] = lambda: KEYS,
    **options: Any,
) -> Snapshot:
    """Run a Sender over all of `feed`."""
    sender = Sender(url, "eu-west-1", message, policy, keys, **options)
    return sender.run(feed.next_targets, feed.on_results, should_stop)


@dataclass(frozen=True)
class Authority:
    """A self-signed certificate for localhost and 127.0.0.1."""

    certificate: Path
    server: ssl.SSLContext


def make_authority(directory: Path, name: str = "localhost") -> Authority:
    """Make a certificate and a server context that uses it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names: list[x509.GeneralName] = [x509.DNSName(name)]
    if name == "localhost":
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = directory / f"{name}.pem", directory / f"{name}.key"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_file, key_file)
    return Authority(certificate_file, context)
