"""Rows about the connections table."""

from __future__ import annotations

from typing import Any, Final

from tests.breakages.row import FIX, Breakage, Repair
from tests.breakages.world import World

INDEX: Final = "userId-index"


def _dynamodb(world: World) -> Any:
    return world.client("dynamodb")


def _table(world: World) -> str:
    return world.names.connections_table


def delete_table(world: World) -> None:
    """With its rows."""
    _dynamodb(world).delete_table(TableName=_table(world))


def change_key(world: World) -> None:
    """Made again by hand, with a key of another name, and tagged as ours."""
    delete_table(world)
    _dynamodb(world).create_table(
        TableName=_table(world),
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        Tags=[{"Key": key, "Value": value} for key, value in world.names.tags.items()],
    )


def delete_index(world: World) -> None:
    """By user."""
    _dynamodb(world).update_table(
        TableName=_table(world), GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": INDEX}}]
    )


def project_keys_only(world: World) -> None:
    """The index, made again by hand."""
    delete_index(world)
    made = {
        "IndexName": INDEX,
        "KeySchema": [{"AttributeName": "userId", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    }
    _dynamodb(world).update_table(
        TableName=_table(world),
        AttributeDefinitions=[{"AttributeName": "userId", "AttributeType": "S"}],
        GlobalSecondaryIndexUpdates=[{"Create": made}],
    )


def switch_ttl_off(world: World) -> None:
    """Rows stay for ever."""
    _dynamodb(world).update_time_to_live(
        TableName=_table(world), TimeToLiveSpecification={"Enabled": False, "AttributeName": "ttl"}
    )


def leave_row(world: World) -> None:
    """Of a connection that ended three years ago."""
    _dynamodb(world).put_item(
        TableName=_table(world),
        Item={
            "connectionId": {"S": "b2xk"},
            "userId": {"S": "alice"},
            "connectedAt": {"S": "2023-11-14T00:00:00.000Z"},
            "ttl": {"N": "1700000000"},
        },
    )


def claim(world: World) -> None:
    """The tag of another stack."""
    _tag(world, "whatschat-elsewhere")


def give_back(world: World) -> None:
    """Its own tag."""
    _tag(world, world.names.stack)


def _tag(world: World, stack: str) -> None:
    arn = _dynamodb(world).describe_table(TableName=_table(world))["Table"]["TableArn"]
    _dynamodb(world).tag_resource(ResourceArn=arn, Tags=[{"Key": "whatschat-ops:stack", "Value": stack}])


def protect(world: World) -> None:
    """Deletion protection, which the settings do not ask for."""
    _dynamodb(world).update_table(TableName=_table(world), DeletionProtectionEnabled=True)


ROWS: Final = (
    Breakage("The connections table was deleted", "table", delete_table, "WS020"),
    Breakage("The connections table has another key", "table", change_key, "WS021"),
    Breakage("The index by user was deleted", "table", delete_index, "WS022"),
    Breakage("The index by user projects its keys only", "table", project_keys_only, "WS023"),
    Breakage("TTL was switched off", "table", switch_ttl_off, "WS024", FIX),
    Breakage("A row ended years ago", "table", leave_row, "WS025", FIX, warns=True),
    Breakage("The table carries the tag of another stack", "table", claim, "ST009", Repair("its tag given back", give_back)),
    Breakage("The table has a deletion protection that the settings do not ask for", "table", protect, "ST010"),
)  # fmt: skip
