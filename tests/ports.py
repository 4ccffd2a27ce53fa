"""Ports for servers of tests that are stopped and started again on the same one."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator

_FIRST = 20_000
_PER_WORKER = 400
_WORKERS = 20


def _candidates() -> Iterator[int]:
    """The ports of this worker of pytest-xdist, cyclically, beginning at a position that depends on the process id."""
    worker = int("0" + os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
    begin = os.getpid() % _PER_WORKER
    for number in itertools.count():
        yield _FIRST + worker * _PER_WORKER + (begin + number) % _PER_WORKER


_ports = _candidates()


def free_port() -> int:
    """A port that is free now, and that the kernel does not assign while its server is down.

    A port from `bind(0)` is one of those that outgoing connections get (32768 and above on Linux), so another process
    can have it by the time a killed server is started again.
    """
    for port in itertools.islice(_ports, _PER_WORKER):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("Every port that is meant for tests is taken.")
