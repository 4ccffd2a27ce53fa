"""The connections table as DynamoDB describes it."""

from __future__ import annotations

from dataclasses import dataclass

from whatschat_ops.aws import Aws
from whatschat_ops.config import Names, Settings
from whatschat_ops.errors import NotFound


@dataclass(frozen=True, slots=True)
class IndexDescription:
    """A global secondary index."""

    name: str
    key: str
    projection: str
    status: str


@dataclass(frozen=True, slots=True)
class TableDescription:
    """A table. DynamoDB updates `item_count` and `size_bytes` about every six hours."""

    table: str
    arn: str
    status: str
    key: str
    billing_mode: str
    indexes: tuple[IndexDescription, ...]
    ttl_attribute: str | None
    ttl_status: str
    point_in_time_recovery: bool
    deletion_protection: bool
    item_count: int
    size_bytes: int
    tags: dict[str, str]


def describe_connections_table(settings: Settings, aws: Aws) -> TableDescription:
    """The connections table. Raises NotFound."""
    name = Names(settings).connections_table
    dynamodb = aws.client("dynamodb")
    try:
        table = dynamodb.describe_table(TableName=name)["Table"]
    except NotFound as error:
        raise NotFound(
            f"There is no table {name} in {aws.region}.", hint="whatschat-ops table create"
        ) from error
    ttl = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    recovery = backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus")
    tags = dynamodb.list_tags_of_resource(ResourceArn=table["TableArn"]).get("Tags", [])
    return TableDescription(
        table=name,
        arn=table["TableArn"],
        status=table["TableStatus"],
        key=_key(table["KeySchema"]),
        billing_mode=table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED"),
        indexes=tuple(
            IndexDescription(
                index["IndexName"],
                _key(index["KeySchema"]),
                index["Projection"]["ProjectionType"],
                index.get("IndexStatus", "ACTIVE"),
            )
            for index in table.get("GlobalSecondaryIndexes", [])
        ),
        ttl_attribute=ttl.get("AttributeName"),
        ttl_status=ttl["TimeToLiveStatus"],
        point_in_time_recovery=recovery == "ENABLED",
        deletion_protection=bool(table.get("DeletionProtectionEnabled")),
        item_count=table.get("ItemCount", 0),
        size_bytes=table.get("TableSizeBytes", 0),
        tags={tag["Key"]: tag["Value"] for tag in tags},
    )


def _key(schema: list[dict[str, str]]) -> str:
    return ", ".join(element["AttributeName"] for element in schema)
