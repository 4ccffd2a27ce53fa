"""What is there of a stack: every resource with its live identity, and whether it is as the settings want it.

The connections table also as DynamoDB describes it, for `table describe`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from whatschat_ops.aws import Aws
from whatschat_ops.config import Names, Settings
from whatschat_ops.errors import NotFound
from whatschat_ops.provision import Action, Plan, report
from whatschat_ops.provision.report import ChangeReport, StepReport
from whatschat_ops.stack.kinds import KINDS

_STATES: Final[Mapping[str, str]] = {
    Action.CREATE: "missing",
    Action.NO_OP: "in sync",
    Action.UPDATE: "drifted",
    Action.REPLACE: "drifted",
    Action.DELETE: "not wanted",
    Action.BLOCKED: "not ours",
}


@dataclass(frozen=True, slots=True)
class ResourceStatus:
    """One resource. `state`: `in sync`, `drifted`, `missing`, `not wanted` or `not ours`; `id`: its ARN or id."""

    address: str
    state: str
    id: str | None
    drift: tuple[ChangeReport, ...]
    reason: str | None


@dataclass(frozen=True, slots=True)
class StackStatus:
    """The stack. `drift` holds values as wanted (`new`) and as they are (`old`)."""

    stack: str
    provisioned: bool
    in_sync: bool
    resources: tuple[ResourceStatus, ...]


@dataclass(frozen=True, slots=True)
class StatusChange:
    """One resource whose state, identity or drift is not what it was. `at` is a time in UTC; None: it was not there."""

    at: datetime
    address: str
    old_state: str | None
    state: str | None
    id: str | None
    drift: tuple[ChangeReport, ...]


def changes_between(old: StackStatus, new: StackStatus, at: datetime) -> tuple[StatusChange, ...]:
    """What happened between two looks at a stack, in the order of the newer one."""
    before = {resource.address: resource for resource in old.resources}
    after = {resource.address: resource for resource in new.resources}
    changed = [address for address in after | before if before.get(address) != after.get(address)]
    return tuple(_change(at, address, before.get(address), after.get(address)) for address in changed)


def _change(
    at: datetime, address: str, old: ResourceStatus | None, new: ResourceStatus | None
) -> StatusChange:
    return StatusChange(
        at,
        address,
        old.state if old else None,
        new.state if new else None,
        new.id if new else None,
        new.drift if new else (),
    )


def status_of(plan: Plan, stack: str) -> StackStatus:
    """The status that a plan implies."""
    steps = report(plan, stack).steps
    resources = tuple(
        ResourceStatus(
            address=step.address,
            state=_state(step),
            id=step.id,
            drift=step.changes if step.action in (Action.UPDATE, Action.REPLACE) else (),
            reason=step.reason or step.note or step.state,
        )
        for step in steps
        if not (step.action == Action.NO_OP and step.id is None)  # unwanted and absent: as it should be
    )
    states = {resource.state for resource in resources}
    # What destroy keeps (the Region-wide log role) is no sign of a stack.
    provisioned = any(resource.state != "missing" for resource in resources if not _kept(resource.address))
    return StackStatus(stack, provisioned, states <= {"in sync"}, resources)


def _kept(address: str) -> bool:
    return address.partition(".")[0] in {kind.name for kind in KINDS.values() if kind.kept}


def _state(step: StepReport) -> str:
    """Blocked with changes: it is ours and not as wanted, but must not be changed now."""
    return "drifted" if step.action == Action.BLOCKED and step.changes else _STATES[Action(step.action)]


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
        raise NotFound(f"There is no table {name} in {aws.region}.") from error
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
