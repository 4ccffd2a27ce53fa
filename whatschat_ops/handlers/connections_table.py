"""The DynamoDB table of open connections, as the handlers use it.

A row is `{connectionId: S, userId: S, connectedAt: S, ttl: N}`: `connectedAt` is ISO 8601 in UTC with milliseconds,
`ttl` is epoch seconds. The index `userId-index` (hash key `userId`) projects all attributes. DynamoDB deletes expired
rows days later, so every read skips them. Raises AwsCallFailed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from .aws_api import AwsCallFailed

USER_INDEX: Final = "userId-index"

DEFAULT_NAME: Final = "websocket-connections"

Attribute = Mapping[str, Any]
"""A DynamoDB attribute value, for example {"S": "R0oXAdfD0kwCH6w="}."""


class JsonApi(Protocol):
    """The part of AwsApi that this module needs."""

    def call(self, service: str, target: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Call an operation; raises AwsCallFailed."""
        ...


@dataclass(frozen=True, slots=True)
class StoredConnection:
    """A live connection. `connected_at` is the attribute as it is stored, whichever program wrote it."""

    connection_id: str
    connected_at: Attribute | None


class ConnectionsTable:
    """Reads and writes rows of one table."""

    def __init__(self, api: JsonApi, name: str) -> None:
        self._api = api
        self._name = name

    def put(self, connection_id: str, user_id: str, connected_at_ms: int, expires_s: int) -> None:
        """Store a connection; a row with the same id is replaced."""
        item = {
            "connectionId": {"S": connection_id},
            "userId": {"S": user_id},
            "connectedAt": {"S": iso_time(connected_at_ms)},
            "ttl": {"N": str(expires_s)},
        }
        self._call("PutItem", Item=item)

    def user_of(self, connection_id: str, now_s: float) -> str | None:
        """The user of a live connection, or None."""
        # Strongly consistent: a client may send its first message right after its handshake.
        answer = self._call("GetItem", Key={"connectionId": {"S": connection_id}}, ConsistentRead=True)
        item = answer.get("Item")
        if item is None or _is_expired(item, now_s):
            return None
        user_id: str | None = item.get("userId", {}).get("S")
        return user_id

    def connections_of(self, user_id: str, now_s: float) -> list[StoredConnection]:
        """The live connections of a user."""
        return [
            StoredConnection(item["connectionId"]["S"], item.get("connectedAt"))
            for item in self._items_of(user_id)
            if not _is_expired(item, now_s)
        ]

    def delete(self, connection_id: str) -> str | None:
        """Delete a row; its user, or None when there is no row."""
        key = {"connectionId": {"S": connection_id}}
        old = self._call("DeleteItem", Key=key, ReturnValues="ALL_OLD").get("Attributes")
        user_id: str | None = None if old is None else old.get("userId", {}).get("S", "")
        return user_id

    def delete_gone(self, connection: StoredConnection) -> bool:
        """Delete the row of a closed connection, unless it was replaced since it was read."""
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(connectedAt)"}
        if connection.connected_at is not None:
            condition = {
                "ConditionExpression": "connectedAt = :seen",
                "ExpressionAttributeValues": {":seen": connection.connected_at},
            }
        try:
            self._call("DeleteItem", Key={"connectionId": {"S": connection.connection_id}}, **condition)
        except AwsCallFailed as failure:
            if failure.code == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def _items_of(self, user_id: str) -> Iterator[Mapping[str, Attribute]]:
        start: dict[str, Any] = {}
        while True:
            page = self._call(
                "Query",
                IndexName=USER_INDEX,
                KeyConditionExpression="userId = :user",
                ExpressionAttributeValues={":user": {"S": user_id}},
                **start,
            )
            yield from page.get("Items", ())
            if "LastEvaluatedKey" not in page:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def _call(self, operation: str, **request: Any) -> dict[str, Any]:
        return self._api.call(
            "dynamodb", f"DynamoDB_20120810.{operation}", {"TableName": self._name, **request}
        )


def table_name(environ: Mapping[str, str]) -> str:
    """CONNECTIONS_TABLE, else the default name of the guide."""
    return environ.get("CONNECTIONS_TABLE") or DEFAULT_NAME


def iso_time(epoch_ms: int) -> str:
    """As JavaScript's `toISOString`: 2026-11-23T07:12:00.123Z."""
    seconds, milliseconds = divmod(epoch_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"


def _is_expired(item: Mapping[str, Attribute], now_s: float) -> bool:
    ttl = item.get("ttl", {}).get("N")
    return ttl is not None and float(ttl) <= now_s
