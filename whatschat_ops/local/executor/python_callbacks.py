"""Leads a function's connections to the APIs of the embedded AWS to it, and names other hosts of AWS in its log.

On AWS, functions post to connections at `https://{domainName}/{stage}`. Names of that form do not resolve to this
machine, and the embedded AWS has no certificate for them: here the connection goes to its port, without TLS. Runs in
the worker; imports only the standard library, and `socket` and `ssl` only when the function does, since importing
them takes longer than many handlers run. Not led here: TLS of asyncio (aiohttp, httpx's AsyncClient).
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
            if isinstance(host, str) and host.endswith(AWS_DOMAINS):
                if host in self._own_hosts():
                    return look_up(*self._endpoint, *rest, **options)
                self._report(host)
            return look_up(host, port, *rest, **options)

        socket.getaddrinfo = getaddrinfo

    def _change_ssl(self, ssl: Any) -> None:
        plain_socket = _plain_socket_class()
        wrap = ssl.SSLContext.wrap_socket

        def wrap_socket(context: Any, sock: Any, *rest: Any, **options: Any) -> Any:
            if not self._leads_here(sock):
                return wrap(context, sock, *rest, **options)
            return plain_socket(sock, options.get("server_hostname"))

        ssl.SSLContext.wrap_socket = wrap_socket

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


def _plain_socket_class() -> Any:
    import socket

    class PlainSocket(socket.socket):
        """A connection without TLS for clients that ask what TLS has negotiated."""

        def __init__(self, sock: socket.socket, host: str | None) -> None:
            timeout = sock.gettimeout()
            super().__init__(sock.family, sock.type, sock.proto, fileno=sock.detach())
            self.settimeout(timeout)
            self._host = host

        def getpeercert(self, binary_form: bool = False) -> Any:
            return b"" if binary_form else {"subjectAltName": (("DNS", self._host),)}

        def selected_alpn_protocol(self) -> None:
            return None

        def version(self) -> str:
            return "TLSv1.3"

        def unwrap(self) -> PlainSocket:
            return self

    return PlainSocket
