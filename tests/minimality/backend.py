"""The backend's work: send to a connection, look at it, close it; and a meeting from creation to deletion."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import jwt
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.minimality.meetings import attempt_meeting, call
from tests.minimality.removal import Broken
from whatschat_ops.config import Names, Settings

USER = "user-of-the-backend"
ANSWER_S = 4.0


class BackendScenario:
    """A provisioned stack, and clients of a backend under a policy of ours to choose."""

    def __init__(self, admin: Callable[[str], Any], settings: Settings, url: str) -> None:
        self._admin = admin
        self._names = Names(settings)
        self._url = url
        secret = admin("ssm").get_parameter(Name=self._names.jwt_secret_parameter, WithDecryption=True)
        self._secret: str = secret["Parameter"]["Value"]

    def attempt(self, management: Any, chime: Any) -> None:
        """Everything with these clients. Raises Broken at the first step that is refused."""
        token = jwt.encode({"userId": USER, "exp": int(time.time()) + 300}, self._secret, algorithm="HS256")
        with connect(f"{self._url}?token={quote(token)}", open_timeout=20) as socket:
            self._use(management, socket)
        attempt_meeting(chime, reads_attendees=False)

    def _use(self, management: Any, socket: ClientConnection) -> None:
        connection = {"ConnectionId": self._connection_id()}
        call(management.post_to_connection, Data=b"hello", **connection)
        if socket.recv(timeout=ANSWER_S) != "hello":
            raise Broken("PostToConnection", "another message arrived")
        call(management.get_connection, **connection)
        call(management.delete_connection, **connection)
        try:
            socket.recv(timeout=ANSWER_S)
        except ConnectionClosed:
            return
        raise Broken("DeleteConnection", "the connection stays open")

    def _connection_id(self) -> str:
        """The newest connection of the user: that of an attempt before may not be gone yet."""
        rows = self._admin("dynamodb").scan(TableName=self._names.connections_table, ConsistentRead=True)
        own = [row for row in rows["Items"] if row["userId"]["S"] == USER]
        return str(max(own, key=lambda row: row["connectedAt"]["S"])["connectionId"]["S"])
