"""Sockets of users at a stack's WebSocket API, each with a token of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import jwt
from websockets.sync.client import ClientConnection, connect

from tests.names import LONGEST_WAIT_S


@contextmanager
def user_sockets(url: str, secret: str, users: int) -> Iterator[list[ClientConnection]]:
    """Open sockets of user-0, user-1 and so on, whose tokens are valid for ten minutes."""
    with ExitStack() as opened:
        clients = []
        for number in range(users):
            claims = {"userId": f"user-{number}", "exp": int(time.time()) + 600}
            token = jwt.encode(claims, secret, algorithm="HS256")
            clients.append(opened.enter_context(connect(f"{url}?token={token}", open_timeout=LONGEST_WAIT_S)))
        yield clients
