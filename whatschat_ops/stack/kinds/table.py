"""A DynamoDB table: on demand, with a TTL attribute and at most some string-keyed indexes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from whatschat_ops.config.names import STACK_TAG
from whatschat_ops.errors import AwsError, Conflict, NotFound, Rejected
from whatschat_ops.provision import Live, Obstacle, contains
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.iam_documents import actions
from whatschat_ops.stack.kinds.context import AwsKind, tag_list, tag_list_property, tag_map
from whatschat_ops.stack.kinds.declaration import (
    ArnPattern,
    AwsField,
    CloudFormationType,
    Properties,
    ref,
    retained,
)
from whatschat_ops.stack.kinds.table_changes import index_effect, ttl_obstacle
from whatschat_ops.stack.kinds.table_keys import (
    attribute_definitions,
    describe_indexes,
    describe_key,
    global_index,
    global_indexes,
    key_schema,
)

ACTIVE_TIMEOUT_S = 600.0


class Table(AwsKind):
    """`key` and `indexes` (index name -> key) as `table_keys` describes them. `ttl_status` is what DynamoDB says of TTL."""

    name = "table"
    service = "dynamodb"
    identity = ("table_name",)
    fields: ClassVar[Mapping[str, AwsField]] = {
        "table_name": AwsField(cfn="TableName"),
        "key": AwsField(
            replaces="DynamoDB cannot change the key of a table",
            cfn=lambda key: {
                "KeySchema": key_schema(key),
                "AttributeDefinitions": attribute_definitions(key),
            },
        ),
        "indexes": AwsField(matches=contains, cfn=lambda indexes: _index_properties(indexes)),
        "billing_mode": AwsField(cfn="BillingMode"),
        "ttl_attribute": AwsField(
            cfn=lambda name: {"TimeToLiveSpecification": {"AttributeName": name, "Enabled": True}}
        ),
        "point_in_time_recovery": AwsField(
            cfn=lambda enabled: {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": enabled}}
        ),
        "deletion_protection": AwsField(cfn="DeletionProtectionEnabled"),
        "tags": AwsField(matches=contains, cfn=tag_list_property),
    }
    holds_data = True
    arn: ClassVar[ArnPattern] = ArnPattern("arn:{partition}:dynamodb:{region}:{account}:table/{name}")
    operator_sid = "Tables"
    operator_actions = actions(
        "dynamodb",
        "CreateTable DescribeTable UpdateTable DeleteTable DescribeTimeToLive UpdateTimeToLive "
        "DescribeContinuousBackups UpdateContinuousBackups TagResource ListTagsOfResource",
    )
    template = (CloudFormationType("AWS::DynamoDB::Table", attributes=lambda fields: _retention(fields)),)
    template_outputs: ClassVar = {"table_name": ref}

    def read(self, identity: Mapping[str, Any]) -> Live | None:
        name = identity["table_name"]
        table = self._describe(name)
        if table is None or table["TableStatus"] == "DELETING":
            return None
        try:
            return self._live(name, table)
        except NotFound:  # deleted in the meantime
            return None

    def create(self, desired: Mapping[str, Any]) -> Live:
        name, indexes = desired["table_name"], desired["indexes"]
        table = self._create(
            TableName=name,
            KeySchema=key_schema(desired["key"]),
            AttributeDefinitions=attribute_definitions(desired["key"], *indexes.values()),
            BillingMode=desired["billing_mode"],
            DeletionProtectionEnabled=desired["deletion_protection"],
            Tags=tag_list(desired["tags"]),
            **global_indexes(indexes),
        )
        if not _is_active(table):
            self._until_active(name)
        self._set_ttl(name, desired["ttl_attribute"])
        if desired["point_in_time_recovery"]:
            self._set_recovery(name, True)
        arn, protected = table["TableArn"], desired["deletion_protection"]
        return Live(
            arn, dict(desired), {"arn": arn}, desired["tags"].get(STACK_TAG), _why_protected(protected)
        )

    def _create(self, **request: Any) -> Mapping[str, Any]:
        """The table, as CreateTable describes it. A deletion of one of that name is waited for."""
        try:
            made = self._client.create_table(**request)
        except Conflict:
            table = self._describe(request["TableName"])
            if table is not None and table["TableStatus"] != "DELETING":
                raise
            self._until_gone(request["TableName"])
            made = self._client.create_table(**request)
        description: Mapping[str, Any] = made["TableDescription"]
        return description

    def update(self, live: Live, desired: Mapping[str, Any], changed: frozenset[str]) -> Live:
        name = desired["table_name"]
        if "tags" in changed:
            self._client.tag_resource(ResourceArn=live.id, Tags=tag_list(desired["tags"]))
        settings: dict[str, Any] = {}
        if "deletion_protection" in changed:
            settings["DeletionProtectionEnabled"] = desired["deletion_protection"]
        if "billing_mode" in changed:
            settings["BillingMode"] = desired["billing_mode"]
        self._until_active(name)  # a run that was killed may have left it CREATING or UPDATING
        if settings:
            self._change(name, settings)
        if "indexes" in changed:
            self._update_indexes(name, live.fields["key"], live.fields["indexes"], desired["indexes"])
        if "ttl_attribute" in changed:
            self._set_ttl(name, desired["ttl_attribute"])
        if "point_in_time_recovery" in changed:
            self._set_recovery(name, desired["point_in_time_recovery"])
        return self._require(name)

    def obstacle(self, live: Live, changed: frozenset[str]) -> Obstacle | None:
        """TTL moves to another attribute in two steps, up to an hour apart (UpdateTimeToLive in the API reference)."""
        return ttl_obstacle(live) if "ttl_attribute" in changed else None

    def effect(self, live: Live, desired: Mapping[str, Any], changed: frozenset[str]) -> str | None:
        """DynamoDB cannot change an index."""
        return index_effect(live, desired) if "indexes" in changed else None

    def delete(self, live: Live) -> None:
        name = live.fields["table_name"]
        try:
            if live.fields["deletion_protection"]:
                self._change(name, {"DeletionProtectionEnabled": False})
            self._context.waiting.repeat(
                lambda: self._client.delete_table(TableName=name),
                while_=lambda error: isinstance(error, Conflict),
                why=f"The table {name} is being changed; waiting for it before it is deleted.",
                timeout_s=ACTIVE_TIMEOUT_S,
            )
        except NotFound:
            return
        self._until_gone(name)

    def _describe(self, name: str) -> Any:
        try:
            return self._client.describe_table(TableName=name)["Table"]
        except NotFound:
            return None

    def _live(self, name: str, table: Mapping[str, Any]) -> Live:
        arn = table["TableArn"]
        ttl_status, ttl_attribute = self._ttl(name)
        backups = self._client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
        recovery = backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus")
        tags = self._context.tags_of(arn, lambda: self._tags(arn))
        protected = bool(table.get("DeletionProtectionEnabled"))
        return Live(
            id=arn,
            fields={
                "table_name": name,
                "key": describe_key(table),
                "indexes": describe_indexes(table),
                "billing_mode": table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED"),
                "ttl_attribute": ttl_attribute,
                "point_in_time_recovery": recovery == "ENABLED",
                "deletion_protection": protected,
                "tags": tags,
            },
            outputs={"arn": arn, "ttl_status": ttl_status},
            owner=tags.get(STACK_TAG),
            protected=_why_protected(protected),
        )

    def _tags(self, arn: str) -> Mapping[str, str]:
        return tag_map(self._client.list_tags_of_resource(ResourceArn=arn).get("Tags", []))

    def _require(self, name: str) -> Live:
        return self._live(name, self._client.describe_table(TableName=name)["Table"])

    def _until_active(self, name: str) -> None:
        def probe() -> bool | None:
            table = self._describe(name)  # right after CreateTable AWS may not know it yet
            return True if table is not None and _is_active(table) else None

        self._context.waiting.until(f"the table {name} is not active", probe, timeout_s=ACTIVE_TIMEOUT_S)

    def _until_gone(self, name: str) -> None:
        def probe() -> bool | None:
            table = self._describe(name)
            return True if table is None or table["TableStatus"] != "DELETING" else None

        self._context.waiting.until(f"the table {name} is being deleted", probe, timeout_s=ACTIVE_TIMEOUT_S)

    def _set_ttl(self, name: str, attribute: str) -> None:
        """UpdateTimeToLive answers ValidationException to a second call within an hour."""
        try:
            self._client.update_time_to_live(
                TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": attribute}
            )
        except Rejected:  # the first answer was lost: "TimeToLive is already enabled"
            if self._ttl(name)[1] != attribute:
                raise

    def _ttl(self, name: str) -> tuple[str, str | None]:
        """TimeToLiveStatus, and the attribute if TTL is on."""
        ttl = self._client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        status = ttl["TimeToLiveStatus"]
        return status, ttl.get("AttributeName") if status in ("ENABLED", "ENABLING") else None

    def _change(self, name: str, settings: Mapping[str, Any]) -> None:
        """UpdateTable; 409 (ResourceInUseException) while another change, or this one sent before, goes on."""
        self._context.waiting.repeat(
            lambda: self._client.update_table(TableName=name, **settings),
            while_=lambda error: isinstance(error, Conflict),
            why=f"The table {name} is being changed; waiting for it.",
            timeout_s=ACTIVE_TIMEOUT_S,
        )
        self._until_active(name)

    def _set_recovery(self, name: str, enabled: bool) -> None:
        self._context.waiting.repeat(
            lambda: self._client.update_continuous_backups(
                TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": enabled}
            ),
            while_=_backups_not_ready,
            why=f"Waiting until {name} can have continuous backups.",
            timeout_s=120,
        )

    def _update_indexes(
        self, name: str, table_key: str, live: Mapping[str, str], desired: Mapping[str, str]
    ) -> None:
        """DynamoDB makes or deletes one index at a time. Indexes that we did not ask for stay."""
        for index, key in desired.items():
            if live.get(index) == key:
                continue
            if index in live:
                self._change_index(name, {"Delete": {"IndexName": index}})
            self._change_index(
                name, {"Create": global_index(index, key)}, attribute_definitions(table_key, key)
            )

    def _change_index(
        self, name: str, change: Mapping[str, Any], attributes: list[dict[str, str]] | None = None
    ) -> None:
        extra = {"AttributeDefinitions": attributes} if attributes else {}
        self._client.update_table(TableName=name, GlobalSecondaryIndexUpdates=[change], **extra)
        self._until_active(name)


def _is_active(table: Mapping[str, Any]) -> bool:
    states = [table["TableStatus"]]
    states += [index.get("IndexStatus", "ACTIVE") for index in table.get("GlobalSecondaryIndexes", [])]
    return all(state == "ACTIVE" for state in states)


def _why_protected(protected: bool) -> str | None:
    return "its deletion protection is on" if protected else None


def _backups_not_ready(error: AwsError) -> bool:
    return error.aws_code == "ContinuousBackupsUnavailableException"


def _index_properties(indexes: Mapping[str, str]) -> Properties:
    return (
        {"AttributeDefinitions": attribute_definitions(*indexes.values()), **global_indexes(indexes)}
        if indexes
        else {}
    )


def _retention(fields: Properties) -> Properties:
    """A table that may not be deleted stays when its CloudFormation stack is deleted."""
    return retained("Retain" if fields["deletion_protection"] else "Delete")(fields)


def index_arn(place: Place, table: str, index: str) -> str:
    """The ARN of an index of a table."""
    return f"{Table.arn.of(place, table)}/index/{index}"
