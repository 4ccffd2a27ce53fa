"""Leads a function's connections to the APIs of the embedded AWS to it, and names other hosts of AWS in its log.

On AWS, functions post to connections at `https://{domainName}/{stage}`. Names of that form do not resolve to this
machine, and the embedded AWS has no certificate for them: here the connection goes to its port, without TLS. Runs in
the worker; imports only the standard library, and `socket` and `ssl` only when the function does, since importing
them takes longer than many handlers run.

A name of an API becomes the address `OWN_ADDRESS`, which exists in this process only: clients may look it up, keep
their own port and connect later (anyio does). TLS is left out where a socket that leads here is wrapped, and where
asyncio and its clients (aiohttp, httpx) make TLS of two buffers.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing `typing` takes a tenth of a cold start
    from typing import Any

OWN_ADDRESS = "127.83.65.87"
AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".on.aws")


class Callbacks:
    """Changes `socket` and `ssl` as they are imported. `hosts_file` names the APIs' hosts, one a line."""

    def __init__(self, endpoint: tuple[str, int], hosts_file: str) -> None:
        self._endpoint = endpoint
        self._hosts_file = hosts_file
        self._reported: set[str] = set()
        self._changes = {"socket": self._change_socket, "ssl": self._change_ssl}

    def install(self) -> None:
        """Change what is imported already, and the rest when it is."""
        for name in [name for name in self._changes if name in sys.modules]:
            self._changes.pop(name)(sys.modules[name])
        sys.meta_path.insert(0, self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Called by importlib."""
        change = self._changes.pop(fullname, None)
        spec = None if change is None else PathFinder.find_spec(fullname, path, target)
        if change is None or spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_and_change(module: ModuleType) -> None:
            execute(module)
            change(module)

        spec.loader.exec_module = execute_and_change  # type: ignore[method-assign]
        return spec

    def _change_socket(self, socket: Any) -> None:
        look_up = socket.getaddrinfo

        def getaddrinfo(host: Any, port: Any, *rest: Any, **options: Any) -> Any:
            name = text(host)
            if name.endswith(AWS_DOMAINS):
                if name in self._own_hosts():
                    return look_up(OWN_ADDRESS, port, *rest, **options)
                self._report(name)
            return look_up(host, port, *rest, **options)

        socket.getaddrinfo = getaddrinfo
        for name in ("connect", "connect_ex"):
            setattr(socket.socket, name, self._leading_here(getattr(socket.socket, name)))

    def _leading_here(self, connect: Any) -> Any:
        def connect_here(sock: Any, address: Any) -> Any:
            is_own = isinstance(address, tuple) and address[0] == OWN_ADDRESS
            return connect(sock, self._endpoint if is_own else address)

        return connect_here

    def _change_ssl(self, ssl: Any) -> None:
        plain_socket, plain_buffers = _plain_socket_class(), _plain_buffers_class(ssl)
        wrap, wrap_bio = ssl.SSLContext.wrap_socket, ssl.SSLContext.wrap_bio

        def wrap_socket(context: Any, sock: Any, *rest: Any, **options: Any) -> Any:
            if not self._leads_here(sock):
                return wrap(context, sock, *rest, **options)
            return plain_socket(sock, options.get("server_hostname"))

        def wrap_buffers(
            context: Any,
            incoming: Any,
            outgoing: Any,
            server_side: bool = False,
            server_hostname: Any = None,
            session: Any = None,
        ) -> Any:
            name = text(server_hostname)
            if name.endswith(AWS_DOMAINS) and not server_side and name in self._own_hosts():
                return plain_buffers(incoming, outgoing, context, name)
            return wrap_bio(context, incoming, outgoing, server_side, server_hostname, session)

        ssl.SSLContext.wrap_socket, ssl.SSLContext.wrap_bio = wrap_socket, wrap_buffers

    def _leads_here(self, sock: Any) -> bool:
        try:
            return bool(sock.getpeername()[:2] == self._endpoint)
        except OSError:  # it is not connected yet
            return False

    def _own_hosts(self) -> list[str]:
        try:
            with open(self._hosts_file, encoding="ascii") as file:  # noqa: PTH123 - importing pathlib takes long
                return file.read().split()
        except OSError:
            return []

    def _report(self, host: str) -> None:
        if host not in self._reported:
            self._reported.add(host)
            os.write(
                2, f"WARN\tThe function connects to {host}: that is AWS, not the embedded AWS.\n".encode()
            )


def text(host: Any) -> str:
    """The name of a host; anyio and trio have it in bytes."""
    return host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "")


class Untouched:
    """What clients ask about TLS. `_host` is the name that the certificate would be for."""

    _host: Any
    server_side = session_reused = False
    session = None

    def getpeercert(self, binary_form: bool = False) -> Any:
        return b"" if binary_form else {"subjectAltName": (("DNS", self._host),)}

    def _nothing(self, *_: Any) -> None:
        """There is no such thing."""

    selected_alpn_protocol = selected_npn_protocol = cipher = shared_ciphers = compression = _nothing
    get_channel_binding = verify_client_post_handshake = do_handshake = _nothing

    def version(self) -> str:
        return "TLSv1.3"


def _plain_socket_class() -> Any:
    import socket

    class PlainSocket(Untouched, socket.socket):
        """A connection without TLS."""

        def __init__(self, sock: socket.socket, host: str | None) -> None:
            timeout = sock.gettimeout()
            super().__init__(sock.family, sock.type, sock.proto, fileno=sock.detach())
            self.settimeout(timeout)
            self._host = host

        def unwrap(self) -> PlainSocket:
            return self

    return PlainSocket


def _plain_buffers_class(ssl: Any) -> Any:
    class PlainBuffers(Untouched):
        """`ssl.SSLObject` without TLS: what is written goes out, what comes in is read."""

        def __init__(self, incoming: Any, outgoing: Any, context: Any, host: str) -> None:
            self._incoming, self._outgoing, self.context = incoming, outgoing, context
            self._host = self.server_hostname = host

        def read(self, size: int = 1024, buffer: Any = None) -> Any:
            data = self._incoming.read(size if buffer is None else min(size, len(buffer)))
            if not data and not self._incoming.eof:
                raise ssl.SSLWantReadError(2, "The operation did not complete (read)")
            if buffer is None:
                return data
            buffer[: len(data)] = data
            return len(data)

        def write(self, data: Any) -> int:
            return int(self._outgoing.write(data))

        def pending(self) -> int:
            return int(self._incoming.pending)

        def unwrap(self) -> None:
            return None

    return PlainBuffers
