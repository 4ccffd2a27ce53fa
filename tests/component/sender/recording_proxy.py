"""An HTTP proxy on loopback that keeps what it was asked for."""

from __future__ import annotations

import itertools
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from tests.component.sender.sender_endpoint import OK, listening, read_request


@contextmanager
def proxy(answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n") -> Iterator[tuple[int, list[str]]]:
    """A proxy that tunnels CONNECT and answers everything else itself. Gives its port and the heads it was sent.

    The hosts under `.invalid` are servers of the test, on this machine.
    """
    heads: list[str] = []

    def serve(client: socket.socket) -> None:
        for _ in itertools.count():
            request = read_request(client)
            if request is None:
                return
            heads.append("\n".join([request.line, *(f"{k}: {v}" for k, v in request.headers.items())]))
            if not request.line.startswith("CONNECT"):
                client.sendall(OK.pieces[0])
                continue
            client.sendall(answer)
            if b" 200 " not in answer:
                return
            host, _, port = request.line.split(" ")[1].rpartition(":")
            reached = "127.0.0.1" if host.endswith(".invalid") else host
            with socket.create_connection((reached, int(port))) as upstream:
                relay(client, upstream)
            return

    with listening(serve) as port:
        yield port, heads


def relay(one: socket.socket, other: socket.socket) -> None:
    """Both ways, until either closes."""
    while True:
        for ready in select.select([one, other], [], [])[0]:
            data = ready.recv(65536)
            if not data:
                return
            (other if ready is one else one).sendall(data)
