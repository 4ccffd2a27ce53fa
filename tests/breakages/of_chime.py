"""Rows about meetings: what is in the ledger, and the account's quota."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tests.breakages.row import Breakage, Repair
from tests.breakages.world import World

CONCURRENT_MEETINGS: Final = "L-9F286451"


def create(world: World) -> dict[str, Any]:
    """A meeting of a test."""
    done = world.cli("chime", "meeting", "create", "--user", "alice", "--purpose", "test", "--json")
    assert done.code == 0, done.said
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def age_ledger(world: World, status: str | None = None) -> None:
    """The open meetings of the ledger were made two hours ago."""
    dynamodb, table = world.client("dynamodb"), world.names.ledger_table
    before = (
        (datetime.now(UTC) - timedelta(hours=2)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )
    for item in dynamodb.scan(TableName=table)["Items"]:
        if item["status"]["S"] == "deleted":
            continue
        item["createdAt"] = {"S": before}
        if status:
            item["status"] = {"S": status}
        dynamodb.put_item(TableName=table, Item=item)


def forget_meeting(world: World) -> None:
    create(world)
    age_ledger(world)


def crash_while_creating(world: World) -> None:
    """A row was written ahead, and the program was killed before Chime answered."""
    create(world)
    age_ledger(world, "pending")


def empty_ledger(world: World) -> None:
    """End every meeting, and forget it."""
    dynamodb, table = world.client("dynamodb"), world.names.ledger_table
    for item in dynamodb.scan(TableName=table)["Items"]:
        world.cli("chime", "meeting", "delete", item["meetingId"]["S"], "--yes")
        dynamodb.delete_item(TableName=table, Key={"meetingId": item["meetingId"]})


def use_up_quota(world: World) -> None:
    world.client("service-quotas").request_service_quota_increase(
        ServiceCode="chime", QuotaCode=CONCURRENT_MEETINGS, DesiredValue=1
    )
    create(world)


def raise_quota(world: World) -> None:
    world.client("service-quotas").request_service_quota_increase(
        ServiceCode="chime", QuotaCode=CONCURRENT_MEETINGS, DesiredValue=250
    )
    empty_ledger(world)


ROWS: Final = (
    Breakage("A meeting of a test was left open", "meetings", forget_meeting, "CH004", warns=True),
    Breakage(
        "A meeting was left pending by a crash",
        "meetings",
        crash_while_creating,
        "CH003",
        Repair(
            "`chime meeting list`, which asks Chime for it again, and `chime meeting delete`", empty_ledger
        ),
        warns=True,
        also=("CH004",),
    ),
    Breakage(
        "The account has as many meetings as its quota allows",
        "meetings",
        use_up_quota,
        "CH011",
        Repair("`aws service-quotas request-service-quota-increase`", raise_quota),
    ),
)
