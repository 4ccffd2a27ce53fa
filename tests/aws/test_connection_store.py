"""The connections table and @connections, on moto and on a stubbed endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from moto import mock_aws

from tests.connections_table import create_table
from whatschat_ops.aws import Aws, AwsTarget, connect
from whatschat_ops.connections.store import ConnectionStore
from whatschat_ops.errors import NotFound, NotProvisioned
from whatschat_ops.redaction import Secret

TABLE = "websocket-connections"
NOW_S = 1_800_000_000.0


@pytest.fixture
def aws() -> Iterator[Aws]:
    with mock_aws():
        yield connect(AwsTarget("us-east-1", access_key_id="testing", secret_access_key=Secret("testing")))


@pytest.fixture
def store(aws: Aws) -> ConnectionStore:
    create_table(aws.client("dynamodb"), TABLE)
    return ConnectionStore(aws, TABLE, now_s=lambda: NOW_S)


def put(aws: Aws, connection_id: str, user_id: str = "alice", ttl_s: float = NOW_S + 60, **more: Any) -> None:
    item = {
        "connectionId": {"S": connection_id},
        "userId": {"S": user_id},
        "connectedAt": {"S": "2027-01-15T08:00:00.123Z"},
        "ttl": {"N": str(int(ttl_s))},
        **more,
    }
    aws.client("dynamodb").put_item(TableName=TABLE, Item=item)


def ids(rows: Iterator[Any]) -> list[str]:
    return sorted(row.connection_id for row in rows)


def test_expired_rows_are_left_out_unless_asked(aws: Aws, store: ConnectionStore) -> None:
    put(aws, "live")
    put(aws, "expired", ttl_s=NOW_S)

    assert ids(store.scan()) == ["live"]
    assert ids(store.of_user("alice")) == ["live"]
    assert ids(store.scan(include_expired=True)) == ["expired", "live"]


def test_a_table_of_several_pages_is_read_whole(aws: Aws, store: ConnectionStore) -> None:
    for number in range(12):  # a page is 1 MB, an item at most 400 KB
        put(aws, f"c{number:02}", padding={"S": "x" * 200_000})

    assert len(ids(store.scan())) == 12
    assert len(ids(store.of_user("alice"))) == 12


def test_users_are_read_once_each_and_no_user_means_every_connection(
    aws: Aws, store: ConnectionStore
) -> None:
    put(aws, "a")
    put(aws, "b", "bob")
    put(aws, "c", "carol")

    assert ids(store.of_users(("alice", "bob", "alice"))) == ["a", "b"]
    assert ids(store.of_users(())) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "stored",
    [
        {"S": "2027-01-15T08:00:00.123Z"},
        {"N": "1800000000123"},
        {"N": "1800000000.123"},
        {"S": "2027-01-15T09:00:00.123+01:00"},
    ],
)
def test_every_way_to_store_a_time_is_read(aws: Aws, store: ConnectionStore, stored: dict[str, str]) -> None:
    put(aws, "c", connectedAt=stored)

    row = store.get("c")

    assert row is not None
    assert row.connected_at == datetime(2027, 1, 15, 8, 0, 0, 123_000, tzinfo=UTC)
    assert row.ttl == datetime.fromtimestamp(NOW_S + 60, UTC)


def test_a_row_of_another_program_is_read_as_far_as_it_goes(aws: Aws, store: ConnectionStore) -> None:
    aws.client("dynamodb").put_item(
        TableName=TABLE, Item={"connectionId": {"S": "c"}, "connectedAt": {"S": "yesterday"}}
    )

    (row,) = store.scan()

    assert (row.user_id, row.connected_at, row.ttl) == ("", None, None)
    assert not row.expired(NOW_S)


def test_a_row_that_was_read_is_pruned(aws: Aws, store: ConnectionStore) -> None:
    put(aws, "c")
    (row,) = store.scan()

    assert store.prune(row) is True
    assert store.get("c") is None
    assert store.prune(row) is False


def test_a_row_that_was_written_again_survives_pruning(aws: Aws, store: ConnectionStore) -> None:
    put(aws, "c")
    (row,) = store.scan()
    put(aws, "c", connectedAt={"S": "2027-01-15T08:00:01.000Z"})

    assert store.prune(row) is False
    assert store.get("c") is not None


def test_a_row_without_a_time_is_pruned_only_while_it_has_none(aws: Aws, store: ConnectionStore) -> None:
    client = aws.client("dynamodb")
    client.put_item(TableName=TABLE, Item={"connectionId": {"S": "c"}})
    (row,) = store.scan()
    put(aws, "c")
    assert store.prune(row) is False

    client.put_item(TableName=TABLE, Item={"connectionId": {"S": "c"}})
    assert store.prune(row) is True
    assert store.prune(row) is False


def test_deleting_says_whether_there_was_a_row(aws: Aws, store: ConnectionStore) -> None:
    put(aws, "c")

    assert store.delete("c") is True
    assert store.delete("c") is False


def test_a_missing_table_names_the_way_out(aws: Aws) -> None:
    store = ConnectionStore(aws, "not-there")

    for read in (lambda: list(store.scan()), lambda: store.get("c"), lambda: store.delete("c")):
        with pytest.raises(NotFound, match="no connections table not-there") as caught:
            read()
        assert isinstance(caught.value, NotProvisioned)
