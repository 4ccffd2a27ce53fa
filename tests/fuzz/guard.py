"""What a fuzzed command cannot do, whatever it was told: leave loopback, write outside its directory, start programs.

A hook for audit events (PEP 578) cannot be removed, so it does nothing except while it is told to guard.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

LOOPBACK: Final = frozenset(("127.0.0.1", "::1", "localhost", "0.0.0.0", "::", "", None, "127.0.0.2"))
DEVICES: Final = ("/dev/", "/proc/self/fd/")
_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES: Final = {
    name: places
    for names, places in (
        ("os.mkdir os.remove os.rmdir os.truncate os.chmod os.chown os.utime os.mkfifo shutil.rmtree", (0,)),
        ("os.rename os.link shutil.move", (0, 1)),
        ("os.symlink", (1,)),
    )
    for name in names.split()
}
_PROGRAMS: Final = (
    "subprocess.Popen",
    "os.exec",
    "os.posix_spawn",
    "os.system",
    "os.spawn",
    "os.fork",
    "os.kill",
)

_root: Path | None = None
_installed = False


def install(root: Path) -> None:
    """Guard this process from now on."""
    global _root
    _install_hook()
    _root = root


def limit_memory(size_bytes: int) -> None:
    """Let this process have so much memory and no more: reading without end is an error."""
    resource.setrlimit(resource.RLIMIT_AS, (size_bytes, size_bytes))


@contextlib.contextmanager
def guarded(root: Path) -> Iterator[None]:
    """Guard this process while the body runs. `root`: the directory that may be written to."""
    global _root
    _install_hook()
    _root = root
    try:
        yield
    finally:
        _root = None


def _install_hook() -> None:
    global _installed
    if not _installed:
        _installed = True
        sys.addaudithook(_hook)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _root is None:
        return
    if event == "open":
        _check_open(*arguments)
    elif event == "socket.getaddrinfo":
        _check_host(arguments[0])
    elif event in ("socket.connect", "socket.sendto"):
        _check_address(arguments[1])
    elif event in _CHANGES:
        for place in _CHANGES[event]:
            _check_path(arguments[place])
    elif event in _PROGRAMS and not (event == "os.kill" and arguments[1] == 0):
        raise FileNotFoundError(errno.ENOENT, "no program is started here", str(arguments[0]))


def _check_open(path: Any, mode: Any, flags: int) -> None:
    if isinstance(flags, int) and flags & _WRITES:
        _check_path(path)


def _check_path(path: Any) -> None:
    if isinstance(path, int):
        return
    found = os.path.realpath(os.fsdecode(path))
    if not (found.startswith(str(_root)) or found.startswith(DEVICES)):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fsdecode(path))


def _check_host(host: Any) -> None:
    if (host.decode("ascii", "replace") if isinstance(host, bytes) else host) not in LOOPBACK:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def _check_address(address: Any) -> None:
    if isinstance(address, tuple) and address[0] not in LOOPBACK:
        raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
