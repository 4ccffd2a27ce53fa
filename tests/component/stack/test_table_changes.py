"""A table that is not as wanted, as DynamoDB describes it: what the plan says, and what applying it leaves. On moto."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.config import Settings
from whatschat_ops.provision import Action, Ownership, Plan, Step, apply, plan
from whatschat_ops.redaction import Secret
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.kinds import kinds_of
from whatschat_ops.stack.kinds.context import Context
from whatschat_ops.stack.parts.blueprint import Blueprint
from whatschat_ops.stack.parts.connections import resources
from whatschat_ops.stack.waiting import Waiting

TABLE = "websocket-connections"
ADOPT = Ownership("whatschat-local", adopt=True)


@pytest.fixture
def aws() -> Iterator[Aws]:
    with mock_aws():
        yield Aws(AwsTarget("us-east-1", access_key_id="AKIDEXAMPLE", secret_access_key=Secret("secret")))


def made_by_hand(aws: Aws, *, key_type: str = "S", sort_key: str | None = None, **index: Any) -> Any:
    """The guide's table, with something about it that is not the guide's."""
    schema = [("connectionId", "HASH", key_type)] + ([(sort_key, "RANGE", "N")] if sort_key else [])
    attributes = {name: kind for name, _, kind in schema}
    indexes = {}
    if index:
        kind, projection = index["kind"], index["projection"]
        attributes["userId"] = kind
        by_user = [{"AttributeName": "userId", "KeyType": "HASH"}]
        indexes["GlobalSecondaryIndexes"] = [
            {"IndexName": "userId-index", "KeySchema": by_user, "Projection": projection}
        ]
    dynamodb = aws.client("dynamodb")
    dynamodb.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": name, "KeyType": role} for name, role, _ in schema],
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": k} for n, k in attributes.items()],
        BillingMode="PAY_PER_REQUEST",
        **indexes,
    )
    return dynamodb


def turn_ttl(dynamodb: Any, attribute: str, *, on: bool = True) -> None:
    specification = {"Enabled": on, "AttributeName": attribute}
    dynamodb.update_time_to_live(TableName=TABLE, TimeToLiveSpecification=specification)


def planned(aws: Aws, ownership: Ownership = ADOPT) -> tuple[Plan, Step]:
    wanted = resources(Blueprint(Settings(), Place("us-east-1", "123456789012")))
    made = plan(wanted, kinds_of(Context(aws)), ownership)
    (step,) = made
    return made, step


ALL, KEYS = {"ProjectionType": "ALL"}, {"ProjectionType": "KEYS_ONLY"}
SOME = {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["ttl", "connectedAt"]}


@pytest.mark.parametrize(
    ("kind", "projection", "old"),
    [
        ("S", KEYS, "userId; KEYS_ONLY"),
        ("S", SOME, "userId; INCLUDE connectedAt ttl"),
        ("N", ALL, "userId (N)"),
        ("B", KEYS, "userId (B); KEYS_ONLY"),
    ],
)
def test_index_of_another_projection_or_key_type_is_created_again(
    aws: Aws, kind: str, projection: dict[str, Any], old: str
) -> None:
    dynamodb = made_by_hand(aws, kind=kind, projection=projection)
    turn_ttl(dynamodb, "ttl")
    made, step = planned(aws)
    (change,) = (change for change in step.changes if change.field == "indexes")
    assert (step.action, change.old) == (Action.UPDATE, {"userId-index": old})
    assert step.note == "userId-index: deleted and created again; queries of it fail until then"
    apply(made, kinds_of(Context(aws, Waiting(sleep=lambda _: None))), lambda _: None)
    table = dynamodb.describe_table(TableName=TABLE)["Table"]
    (index,) = table["GlobalSecondaryIndexes"]
    assert index["Projection"] == ALL
    assert {"AttributeName": "userId", "AttributeType": "S"} in table["AttributeDefinitions"]
    assert planned(aws)[1].action is Action.NO_OP


@pytest.mark.parametrize(
    ("key_type", "sort_key", "old"),
    [
        ("N", None, "connectionId (N)"),
        ("B", None, "connectionId (B)"),
        ("S", "connectedAt", "connectionId, connectedAt (N)"),
    ],
)
def test_key_of_another_type_needs_another_table(
    aws: Aws, key_type: str, sort_key: str | None, old: str
) -> None:
    made_by_hand(aws, key_type=key_type, sort_key=sort_key)
    _, step = planned(aws, Ownership("whatschat-local", adopt=True, delete_data=True))
    (change,) = (change for change in step.changes if change.field == "key")
    assert (change.old, change.new) == (old, "connectionId")
    assert (step.action, step.loses_data) == (Action.REPLACE, True)


def test_ttl_on_another_attribute_is_blocked_until_it_is_off(aws: Aws) -> None:
    dynamodb = made_by_hand(aws)
    turn_ttl(dynamodb, "expiresAt")
    _, step = planned(aws)
    assert step.action is Action.BLOCKED
    assert "TTL is on for the attribute 'expiresAt'" in str(step.reason) and "up to an hour" in str(
        step.reason
    )
    assert (
        f"aws dynamodb update-time-to-live --region us-east-1 --table-name {TABLE} "
        "--time-to-live-specification Enabled=false,AttributeName=expiresAt"
    ) in str(step.hint)
    turn_ttl(dynamodb, "expiresAt", on=False)
    made, step = planned(aws)
    assert step.action is Action.UPDATE
    apply(made, kinds_of(Context(aws, Waiting(sleep=lambda _: None))), lambda _: None)
    ttl = dynamodb.describe_time_to_live(TableName=TABLE)["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}


def test_ttl_that_is_being_turned_off_is_waited_for(aws: Aws) -> None:
    """moto turns it off at once; DynamoDB says DISABLING meanwhile (API reference, TimeToLiveDescription)."""
    made_by_hand(aws)
    disabling = {"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLING", "AttributeName": "ttl"}}

    def say_disabling(parsed: dict[str, Any], **_: Any) -> None:
        parsed.update(disabling)

    aws.client("dynamodb").meta.events.register("after-call.dynamodb.DescribeTimeToLive", say_disabling)
    _, step = planned(aws)
    assert step.action is Action.BLOCKED
    assert "TTL is being turned off" in str(step.reason)
    assert "Wait for up to an hour, then" in str(step.hint)
