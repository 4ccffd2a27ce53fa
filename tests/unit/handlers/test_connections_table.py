"""The exact requests to DynamoDB, and what is made of its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from whatschat_ops.handlers.aws_api import AwsCallFailed
from whatschat_ops.handlers.connections_table import ConnectionsTable, StoredConnection

NOW_S = 1_800_000_000.0
Requests = list[tuple[str, dict[str, Any]]]


@dataclass
class FakeApi:
    """DynamoDB: gives these answers one after the other, and remembers what it was asked."""

    answers: list[dict[str, Any] | AwsCallFailed] = field(default_factory=list)
    asked: Requests = field(default_factory=list)

    def call(self, service: str, target: str, request: Mapping[str, Any]) -> dict[str, Any]:
        assert service == "dynamodb"
        self.asked.append((target, dict(request)))
        answer = self.answers.pop(0) if self.answers else {}
        if isinstance(answer, AwsCallFailed):
            raise answer
        return answer


def row(connection_id: str, *, ttl: float | None = None) -> dict[str, Any]:
    expiry = {} if ttl is None else {"ttl": {"N": str(int(ttl))}}
    return {
        "connectionId": {"S": connection_id},
        "userId": {"S": "alice"},
        "connectedAt": {"S": "t"},
        **expiry,
    }


def test_connection_is_stored_with_its_time_and_its_end_in_seconds() -> None:
    api = FakeApi()
    ConnectionsTable(api, "table").put("c=", "alice", 1_800_000_000_123, 1_800_086_400)
    assert api.asked == [
        (
            "DynamoDB_20120810.PutItem",
            {
                "TableName": "table",
                "Item": {
                    "connectionId": {"S": "c="},
                    "userId": {"S": "alice"},
                    "connectedAt": {"S": "2027-01-15T08:00:00.123Z"},
                    "ttl": {"N": "1800086400"},
                },
            },
        )
    ]


def test_sender_is_read_consistently() -> None:
    """A client may send its first message right after its handshake."""
    api = FakeApi([{"Item": row("c")}])
    assert ConnectionsTable(api, "table").user_of("c", NOW_S) == "alice"
    assert api.asked == [
        (
            "DynamoDB_20120810.GetItem",
            {"TableName": "table", "Key": {"connectionId": {"S": "c"}}, "ConsistentRead": True},
        )
    ]


@pytest.mark.parametrize(
    ("ttl", "user"), [(None, "alice"), (NOW_S + 1, "alice"), (NOW_S, None), (NOW_S - 1, None)]
)
def test_row_that_has_expired_is_no_live_connection(ttl: float | None, user: str | None) -> None:
    assert ConnectionsTable(FakeApi([{"Item": row("c", ttl=ttl)}]), "t").user_of("c", NOW_S) == user
    found = ConnectionsTable(FakeApi([{"Items": [row("c", ttl=ttl)]}]), "t").connections_of("alice", NOW_S)
    assert len(found) == (user is not None)


def test_connections_of_every_page_are_found() -> None:
    key = {"connectionId": {"S": "c1"}, "userId": {"S": "alice"}}
    api = FakeApi([{"Items": [row("c1")], "LastEvaluatedKey": key}, {"Items": [row("c2")]}])
    found = ConnectionsTable(api, "table").connections_of("alice", NOW_S)
    assert found == [StoredConnection("c1", {"S": "t"}), StoredConnection("c2", {"S": "t"})]
    query = {
        "TableName": "table",
        "IndexName": "userId-index",
        "KeyConditionExpression": "userId = :user",
        "ExpressionAttributeValues": {":user": {"S": "alice"}},
    }
    assert api.asked == [
        ("DynamoDB_20120810.Query", query),
        ("DynamoDB_20120810.Query", {**query, "ExclusiveStartKey": key}),
    ]


def test_gone_connection_is_deleted_only_if_it_is_the_one_that_was_read() -> None:
    key = {"TableName": "t", "Key": {"connectionId": {"S": "c"}}}
    api = FakeApi([{}, {}, AwsCallFailed("DeleteItem", "ConditionalCheckFailedException")])
    table = ConnectionsTable(api, "t")
    assert table.delete_gone(StoredConnection("c", {"N": "7"}))
    assert table.delete_gone(StoredConnection("c", None))
    assert not table.delete_gone(StoredConnection("c", None))
    seen = {"ConditionExpression": "connectedAt = :seen", "ExpressionAttributeValues": {":seen": {"N": "7"}}}
    unknown = {"ConditionExpression": "attribute_not_exists(connectedAt)"}
    assert [request for _, request in api.asked] == [{**key, **seen}, {**key, **unknown}, {**key, **unknown}]
    with pytest.raises(AwsCallFailed):
        ConnectionsTable(FakeApi([AwsCallFailed("DeleteItem", "AccessDenied")]), "t").delete_gone(
            StoredConnection("c", None)
        )
