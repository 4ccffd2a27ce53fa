"""The functions' work from a client's side: connect, ping, message, call signal, a gone connection, disconnect, logs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import jwt
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.minimality.removal import Broken, Document
from whatschat_ops.config import Names, Settings
from whatschat_ops.config.names import LIVE_ALIAS, ROUTE_FUNCTIONS

ANSWER_S = 4.0
LATE_S = 2.0
"""How long rows and log lines may take to come or go."""
GONE = "gone-connection="


class FunctionsScenario:
    """A provisioned stack whose functions run under a policy of ours to choose."""

    def __init__(self, admin: Callable[[str], Any], settings: Settings, url: str) -> None:
        self._admin = admin
        self._names = Names(settings)
        self._url = url
        secret = admin("ssm").get_parameter(Name=self._names.jwt_secret_parameter, WithDecryption=True)
        self._secret: str = secret["Parameter"]["Value"]

    @property
    def document(self) -> Document:
        """The policy that `provision` put on the role."""
        answer = self._admin("iam").get_role_policy(
            RoleName=self._names.lambda_role, PolicyName="whatschat-ops-lambda"
        )
        found: Document = answer["PolicyDocument"]
        return found

    def attempt(self, document: Document) -> None:
        """Everything with this policy. Raises Broken at the first step that fails."""
        self.put(document)
        self._renew_functions()
        began_ms = int(time.time() * 1000)
        with ExitStack() as sockets:
            alice = sockets.enter_context(self._connect("alice"))
            bob = sockets.enter_context(self._connect("bob"))
            self._talk(alice, bob)
        self._wait("disconnect", "its row stays in the table", lambda: not self._rows())
        for short in ROUTE_FUNCTIONS.values():
            group = self._names.function_log_group(short)
            self._wait("logs", f"nothing in {group}", partial(self._logged, group, "START", began_ms))

    def put(self, document: Document) -> None:
        """Give the functions' role this policy in the place of its own."""
        self._admin("iam").put_role_policy(
            RoleName=self._names.lambda_role,
            PolicyName="whatschat-ops-lambda",
            PolicyDocument=json.dumps(document),
        )

    def clear(self) -> None:
        """Delete the rows that a broken scenario left."""
        table = self._names.connections_table
        for connection_id in self._rows():
            self._admin("dynamodb").delete_item(TableName=table, Key={"connectionId": {"S": connection_id}})

    def _renew_functions(self) -> None:
        """A new version behind the alias: no execution environment, nothing kept from before."""
        client = self._admin("lambda")
        names = [self._names.function(short) for short in ROUTE_FUNCTIONS.values()]
        for name in names:
            variables = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
            variables["MINIMALITY_RUN"] = str(time.time_ns())
            client.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
        for name in names:
            while client.get_function_configuration(FunctionName=name)["LastUpdateStatus"] == "InProgress":
                time.sleep(0.05)
            version = client.publish_version(FunctionName=name)["Version"]
            client.update_alias(FunctionName=name, Name=LIVE_ALIAS, FunctionVersion=version)

    def _connect(self, user: str) -> ClientConnection:
        claims = {"userId": user, "exp": int(time.time()) + 300}
        token = jwt.encode(claims, self._secret, algorithm="HS256")
        began_ms = int(time.time() * 1000)
        try:
            return connect(f"{self._url}?token={token}", open_timeout=20)
        except InvalidStatus as refused:
            seen = f"HTTP {refused.response.status_code}{self._reason('connect', began_ms)}"
            raise Broken("connect", seen) from None

    def _talk(self, alice: ClientConnection, bob: ClientConnection) -> None:
        self._ask("ping", alice, {"type": "ping", "id": "p"}, "pong")
        message = {"type": "message:send", "id": "m", "recipients": ["bob"], "content": "hi"}
        self._ask("message:send", alice, message, "message:sent")
        self._hear("message:send", bob, "message:received")
        self._ask("call:offer", alice, {"type": "call:offer", "id": "c", "targetUserId": "bob", "sdp": "v=0"})
        self._hear("call:offer", bob, "call:offer")
        self._put_row_of_gone_connection("carol")
        self._ask("gone connection", alice, {**message, "id": "g", "recipients": ["carol"]}, "message:sent")
        self._wait("gone connection", "its row stays in the table", lambda: GONE not in self._rows())

    def _ask(self, step: str, client: ClientConnection, message: Any, answer: str | None = None) -> None:
        began_ms = int(time.time() * 1000)
        client.send(json.dumps(message))
        if answer is not None:
            self._hear(step, client, answer, began_ms)

    def _hear(self, step: str, client: ClientConnection, kind: str, began_ms: int | None = None) -> None:
        try:
            received = json.loads(client.recv(timeout=ANSWER_S))
        except TimeoutError:
            reason = self._reason("default", began_ms) if began_ms else ""
            raise Broken(step, f"no answer{reason}") from None
        if received.get("type") != kind or received.get("failed"):
            reason = self._reason("default", began_ms) if began_ms else ""
            raise Broken(step, f"{json.dumps(received)}{reason}")

    def _put_row_of_gone_connection(self, user: str) -> None:
        item = {
            "connectionId": {"S": GONE},
            "userId": {"S": user},
            "connectedAt": {"S": "2026-01-01T00:00:00.000Z"},
            "ttl": {"N": str(int(time.time()) + 3600)},
        }
        self._admin("dynamodb").put_item(TableName=self._names.connections_table, Item=item)

    def _rows(self) -> list[str]:
        rows = self._admin("dynamodb").scan(TableName=self._names.connections_table, ConsistentRead=True)
        return [row["connectionId"]["S"] for row in rows["Items"]]

    def _logged(self, group: str, text: str, began_ms: int) -> list[str]:
        events = self._admin("logs").filter_log_events(logGroupName=group, startTime=began_ms)["events"]
        return [event["message"] for event in events if text in event["message"]]

    def _reason(self, short: str, began_ms: int) -> str:
        """What the function wrote about its failure."""
        deadline = time.monotonic() + LATE_S
        while time.monotonic() < deadline:
            for line in self._logged(self._names.function_log_group(short), '"reason"', began_ms):
                return f" ({json.loads(line)['reason']})"
            time.sleep(0.05)
        return ""

    @staticmethod
    def _wait(step: str, otherwise: str, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + LATE_S
        while not condition():
            if time.monotonic() > deadline:
                raise Broken(step, otherwise)
            time.sleep(0.05)
