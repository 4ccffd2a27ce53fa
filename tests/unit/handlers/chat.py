"""A chat on hand-written fakes: three users, what each of their connections got, and what is left in the table."""

from __future__ import annotations

import json
from typing import Any

from whatschat_ops.handlers.aws_api import AwsCallFailed
from whatschat_ops.handlers.connections_table import StoredConnection
from whatschat_ops.handlers.default import Conversation
from whatschat_ops.handlers.limits import MAX_MESSAGE_BYTES
from whatschat_ops.handlers.log import Log
from whatschat_ops.handlers.management_api import PostOutcome

NOW_S = 1_800_000_000.0
SENT_AT_MS = 1_800_000_000_000


class FakeTable:
    """Live connections: connection id -> user."""

    def __init__(self, users: dict[str, str]) -> None:
        self.users = users
        self.reads = 0
        self.deleted: list[str] = []
        self.failing_users: set[str] = set()
        self.fails = False

    def user_of(self, connection_id: str, now_s: float) -> str | None:
        assert now_s == NOW_S
        self.reads += 1
        if self.fails:
            raise AwsCallFailed("GetItem", "InternalServerError")
        return self.users.get(connection_id)

    def connections_of(self, user_id: str, now_s: float) -> list[StoredConnection]:
        assert now_s == NOW_S
        if user_id in self.failing_users:
            raise AwsCallFailed("Query", "ThrottlingException")
        return [StoredConnection(key, {"S": "t"}) for key, user in self.users.items() if user == user_id]

    def delete_gone(self, connection: StoredConnection) -> bool:
        if self.fails:
            raise AwsCallFailed("DeleteItem", "InternalServerError")
        self.deleted.append(connection.connection_id)
        return True


class FakeManagement:
    """@connections: remembers what every connection got."""

    def __init__(self, outcomes: dict[str, PostOutcome] | None = None) -> None:
        self.outcomes = outcomes or {}
        self.got: dict[str, list[dict[str, Any]]] = {}

    def post(self, connection_id: str, data: bytes, log: Log) -> PostOutcome:
        outcome = self.outcomes.get(connection_id, PostOutcome.DELIVERED)
        if len(data) > MAX_MESSAGE_BYTES:
            outcome = PostOutcome.TOO_LARGE
        if outcome is PostOutcome.DELIVERED:
            self.got.setdefault(connection_id, []).append(json.loads(data))
        return outcome


class Chat:
    """alice on a1, bob on b1 and b2, carol on c1; messages come from a1."""

    def __init__(self, **outcomes: PostOutcome) -> None:
        self.table = FakeTable({"a1": "alice", "b1": "bob", "b2": "bob", "c1": "carol"})
        self.management = FakeManagement(outcomes)

    def send(self, connection_id: str = "a1", seconds_left: float = 10.0, **message: Any) -> None:
        self.send_body(json.dumps(message), connection_id, seconds_left)

    def send_body(self, body: str, connection_id: str = "a1", seconds_left: float = 10.0) -> None:
        log = Log("default", "request", connection_id)
        Conversation(
            connection_id,
            "gateway-id",
            self.table,
            self.management,
            now_s=NOW_S,
            seconds_left=seconds_left,
            log=log,
        ).answer(body, False)
        log.write(9_000, cold_start=False)

    @property
    def got(self) -> dict[str, list[dict[str, Any]]]:
        return self.management.got
