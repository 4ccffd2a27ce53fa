"""Which other machines this process asks for, seen by an audit hook (PEP 578): every name that is resolved, every address that is used.

All threads are seen. Not seen: sockets that a library opens in C without Python's `socket` (DuckDB's own HTTP client), and what a
child process does; which programs are started is in `Contacts.programs`.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from whatschat_ops.network import is_loopback

RESOLVING: Final = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
STARTING: Final = ("subprocess.Popen", "os.exec", "os.fork", "os.posix_spawn", "os.system")
SENDING: Final = ("socket.connect", "socket.sendto", "socket.sendmsg")


@dataclass(frozen=True)
class Contacts:
    """What was asked for."""

    hosts: set[str] = field(default_factory=set)
    """Names and addresses other than this machine's. Each was refused."""
    programs: set[str] = field(default_factory=set)
    """File names of the programs that were started."""


_watching: Contacts | None = None
_installed = False


@contextlib.contextmanager
def no_other_machine() -> Iterator[Contacts]:
    """While the body runs, other machines are not found and cannot be reached, and each that is asked for is recorded."""
    global _watching, _installed
    if not _installed:  # a hook cannot be removed
        _installed = True
        sys.addaudithook(_hook)
    _watching = Contacts()
    try:
        yield _watching
    finally:
        _watching = None


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching is None:
        return
    if event in STARTING:
        _watching.programs.add(
            Path(os.fsdecode(arguments[0] or arguments[1][0])).name if arguments else event
        )
    elif event in RESOLVING and _is_other(arguments[0]):
        _watching.hosts.add(_text(arguments[0]))
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    elif event in SENDING and isinstance(arguments[1], tuple) and _is_other(arguments[1][0]):
        _watching.hosts.add(_text(arguments[1][0]))
        raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))


def _is_other(host: Any) -> bool:
    name = _text(host or "")
    return (
        bool(name) and not is_loopback(f"http://{f'[{name}]' if ':' in name else name}") and not _is_own(name)
    )


def _is_own(name: str) -> bool:
    """Whether it is an address of this machine, between which WebRTC connects."""
    try:
        family = socket.AF_INET6 if ipaddress.ip_address(name).version == 6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((name, 0))
    except (ValueError, OSError):
        return False
    return True


def _text(host: Any) -> str:
    return host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
