"""A rotation of the JWT secret under a hundred open sockets, while users of either secret keep connecting."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import jwt
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.local.conftest import EmbeddedAws
from tests.local.program import PrefixedStack, eventually

pytestmark = pytest.mark.local

SOCKETS = 100
FORGED = jwt.encode(
    {"userId": "mallory", "exp": int(time.time()) + 3600},
    "a-secret-of-no-stack-that-is-32-bytes-long",
    "HS256",
)


class Stack(PrefixedStack):
    """A provisioned stack."""

    def __init__(self, aws: EmbeddedAws) -> None:
        super().__init__(aws, "rotation-")
        self.run("provision", "--yes")
        self.url = self.says("ws", "endpoint")

    def token(self, user: str) -> str:
        return self.says("token", "mint", "--user", user)

    def connect(self, token: str) -> ClientConnection:
        return connect(f"{self.url}?token={token}", open_timeout=60)

    def status(self, token: str) -> int:
        """What a handshake with this token is answered with."""
        try:
            with self.connect(token):
                return 101
        except InvalidStatus as refused:
            return refused.response.status_code


class Visitors:
    """Users who connect again and again, each with one token, and what they were answered."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._leave = threading.Event()
        self._threads: list[threading.Thread] = []
        self.answers: Counter[tuple[str, int]] = Counter()

    def add(self, name: str, token: str) -> None:
        thread = threading.Thread(target=self._come_and_go, args=(name, token))
        thread.start()
        self._threads.append(thread)

    def leave(self) -> None:
        self._leave.set()
        for thread in self._threads:
            thread.join()

    def _come_and_go(self, name: str, token: str) -> None:
        while not self._leave.wait(0.25):
            self.answers[name, self._stack.status(token)] += 1


@pytest.fixture(scope="module")
def stack(embedded_aws: EmbeddedAws) -> Iterator[Stack]:
    made = Stack(embedded_aws)
    yield made
    made.run("destroy", "--yes")
    left = embedded_aws.client("ssm").describe_parameters()["Parameters"]
    assert [each["Name"] for each in left if "rotation-whatschat" in each["Name"]] == []


def ping(socket: ClientConnection) -> Any:
    socket.send('{"type":"ping"}')
    return json.loads(socket.recv(timeout=60))["type"]


def test_rotation_refuses_no_valid_token_and_closes_no_socket(stack: Stack) -> None:
    visitors = Visitors(stack)
    with ExitStack() as open_sockets:
        open_sockets.callback(visitors.leave)
        before = stack.token("alice")
        sockets = [open_sockets.enter_context(stack.connect(before)) for _ in range(SOCKETS)]
        visitors.add("before", before)
        visitors.add("forged", FORGED)  # it makes the functions look for a rotation before there is one

        rotated = stack.json("token", "secret", "rotate", "--grace", "1h", "--yes")
        after = stack.token("bob")
        assert stack.status(after) == 101  # the very first one
        visitors.add("after", after)
        eventually(
            lambda: (
                visitors.answers["before", 101] > 50
                and visitors.answers["after", 101] > 5
                and visitors.answers["forged", 401] > 5
            )
        )

        visitors.leave()
        assert {answer for answer, count in visitors.answers.items() if count} == {
            ("before", 101),
            ("after", 101),
            ("forged", 401),
        }
        assert visitors.answers["before", 101] > 50
        assert [ping(socket) for socket in sockets] == ["pong"] * SOCKETS

    assert rotated["previous_accepted_until"] > rotated["rotated_at"]
    stack.run("token", "inspect", "--verify", before)
    assert "No changes" in stack.run("plan").stdout
    (finding,) = [each for each in stack.json("doctor") if each["name"] == "websocket.secret-rotation"]
    assert finding["status"] == "ok"
    assert "Tokens of the previous secret are accepted until" in finding["detail"]


def test_rotation_without_grace_refuses_earlier_tokens_within_a_minute(stack: Stack) -> None:
    before = stack.token("alice")
    assert stack.status(before) == 101
    stack.run("token", "secret", "rotate", "--grace", "0", "--yes")
    deadline = time.monotonic() + 90
    while stack.status(before) == 101:
        assert time.monotonic() < deadline, "the earlier token is still accepted"
        time.sleep(1)
    assert stack.status(before) == 401
    assert stack.status(stack.token("alice")) == 101
    stack.run("token", "inspect", "--verify", before, code=3)
