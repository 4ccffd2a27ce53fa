"""Which port the embedded AWS listens on.

A requested port is used, or the start fails. Without one it is `DEFAULT_PORT`, or the next free port if that is taken
(LocalStack uses the same one). A port found that way is remembered in the state directory and tried first from then
on, so that endpoints in the settings of other programs stay valid.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import sys
import time
from typing import Final

from whatschat_ops.config.local_settings import DEFAULT_LOCAL_PORT
from whatschat_ops.errors import Hint, LocalError
from whatschat_ops.local.layout import HOST, Layout, write_private

DEFAULT_PORT = DEFAULT_LOCAL_PORT
CANDIDATES: Final = 100
"""How many ports are tried before giving up."""
POLL_S: Final = 0.03
OWNED_S: Final = 0.3
"""How long a port may stay taken by a process that we can identify. A killed process keeps its port for a moment."""
UNSEEN_S: Final = 2.0
"""The same for a process that we cannot identify."""


class PortTaken(LocalError):
    """Another process listens on the port."""

    def __init__(self, port: int) -> None:
        super().__init__(
            f"Port {port} on {HOST} is taken by {_owner(port) or 'another process'}.", hint=_other_port(port)
        )


def candidates(layout: Layout) -> list[int]:
    """The ports to try, in order: the remembered one, the default, then the ones after it."""
    remembered = remembered_port(layout)
    ports = [*([remembered] if remembered else []), *range(DEFAULT_PORT, DEFAULT_PORT + CANDIDATES)]
    return list(dict.fromkeys(ports))


def remembered_port(layout: Layout) -> int | None:
    """The port that was found when the default was taken, or None."""
    try:
        port = int(layout.port_file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return port if 0 < port < 65_536 else None


def remember(layout: Layout, port: int) -> None:
    """Try `port` first from now on."""
    if port != candidates(layout)[0]:
        write_private(layout.port_file, f"{port}\n")


def require_free(port: int) -> None:
    """Raise PortTaken unless the port is free or soon becomes free; LocalError if this user may not listen on it."""
    started = time.monotonic()
    while (error := _bind_error(port)) is not None:
        if error.errno in (errno.EACCES, errno.EPERM):
            raise LocalError(
                f"This user may not listen on port {port}: {error.strerror}.", hint=_other_port(port)
            ) from error
        if time.monotonic() - started > (OWNED_S if _owner(port) else UNSEEN_S):
            raise PortTaken(port) from error
        time.sleep(POLL_S)


def _bind_error(port: int) -> OSError | None:
    with socket.socket() as probe:
        if sys.platform != "win32":  # there it would let two processes share the port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            return error
    return None


def _owner(port: int) -> str | None:
    """The process that listens on the port, or None if the operating system does not tell."""
    import psutil

    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:  # macOS tells only root
        return None
    for connection in connections:
        listens = connection.status == psutil.CONN_LISTEN and getattr(connection.laddr, "port", None) == port
        if listens and connection.pid is not None:
            with contextlib.suppress(psutil.Error):
                return f"process {connection.pid} ({psutil.Process(connection.pid).name()})"
    return None


def _other_port(port: int) -> Hint:
    other = port + 1 if port < 65_535 else DEFAULT_PORT
    return Hint(
        ("local", "start", "--port", str(other)),
        f"Set WHATSCHAT_LOCAL_PORT={other}, or local.port in the configuration file, or run",
    )
