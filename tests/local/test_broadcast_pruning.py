"""Pruning against the embedded AWS's DynamoDB, with IAM enforced."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.local.conftest import EmbeddedAws
from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.broadcast.journal.gone import GoneRow
from whatschat_ops.broadcast.journal.summary import Pruning
from whatschat_ops.broadcast.pruning import RowPruner
from whatschat_ops.errors import PermissionDenied
from whatschat_ops.redaction import Secret

pytestmark = pytest.mark.local
TABLE = "pruning-connections"


@pytest.fixture
def table(embedded_aws: EmbeddedAws) -> Iterator[Any]:
    """A connections table."""
    dynamodb = embedded_aws.client("dynamodb")
    dynamodb.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "connectionId", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "connectionId", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield dynamodb
    dynamodb.delete_table(TableName=TABLE)


def put(dynamodb: Any, connection_id: str, connected_at: dict[str, str] | None) -> None:
    """Write a row."""
    item = {"connectionId": {"S": connection_id}, "userId": {"S": "u"}}
    dynamodb.put_item(TableName=TABLE, Item=item | ({"connectedAt": connected_at} if connected_at else {}))


def ids(dynamodb: Any) -> set[str]:
    """The connections in the table."""
    return {item["connectionId"]["S"] for item in dynamodb.scan(TableName=TABLE)["Items"]}


def aws_of(embedded_aws: EmbeddedAws, access_key_id: str, secret: Secret) -> Aws:
    """Clients of one user."""
    return Aws(
        AwsTarget(
            region=embedded_aws.region,
            endpoint_url=embedded_aws.endpoint_url,
            access_key_id=access_key_id,
            secret_access_key=secret,
        )
    )


def test_only_rows_that_are_as_they_were_read_are_deleted(embedded_aws: EmbeddedAws, table: Any) -> None:
    read, later = {"S": "2026-11-23T10:15:02Z"}, {"S": "2026-11-23T10:16:00Z"}
    put(table, "same=", read)
    put(table, "rewritten=", later)
    put(table, "number=", {"N": "1763892902.5"})
    put(table, "without=", None)
    put(table, "without-then-with=", later)
    put(table, "other=", read)
    text = json.dumps(read)
    rows = [
        GoneRow(1, "same=", text),
        GoneRow(2, "rewritten=", text),
        GoneRow(3, "number=", '{"N":"1763892902.5"}'),
        GoneRow(4, "without=", ""),
        GoneRow(5, "without-then-with=", ""),
        GoneRow(6, "unknown=", text),
    ]
    pruner = RowPruner(
        aws_of(embedded_aws, embedded_aws.access_key_id, embedded_aws.secret_access_key), TABLE
    )
    assert pruner(rows) == [
        Pruning.PRUNED,
        Pruning.REWRITTEN,
        Pruning.PRUNED,
        Pruning.PRUNED,
        Pruning.REWRITTEN,
        Pruning.PRUNED,  # it is not there any more, whatever deleted it
    ]
    assert ids(table) == {"rewritten=", "without-then-with=", "other="}


@pytest.mark.parametrize(("action", "allowed"), [("PartiQLDelete", True), ("DeleteItem", False)])
def test_pruning_needs_partiql_delete(
    embedded_aws: EmbeddedAws, table: Any, action: str, allowed: bool
) -> None:
    put(table, "a=", None)
    iam = embedded_aws.client("iam")
    name = f"pruner-{action}"
    iam.create_user(UserName=name)
    keys = iam.create_access_key(UserName=name)["AccessKey"]
    statement = {
        "Effect": "Allow",
        "Action": f"dynamodb:{action}",
        "Resource": f"arn:aws:dynamodb:*:*:table/{TABLE}",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy)
    pruner = RowPruner(aws_of(embedded_aws, keys["AccessKeyId"], Secret(keys["SecretAccessKey"])), TABLE)
    if allowed:
        assert pruner([GoneRow(1, "a=", "")]) == [Pruning.PRUNED]
    else:
        with pytest.raises(PermissionDenied):
            pruner([GoneRow(1, "a=", "")])
        assert ids(table) == {"a="}
