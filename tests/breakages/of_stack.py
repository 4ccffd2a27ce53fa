"""Rows about the stack as a whole."""

from __future__ import annotations

import time
from typing import Any, Final

from tests.breakages.of_api import delete_api
from tests.breakages.of_table import delete_table
from tests.breakages.row import FIX, Breakage, Repair
from tests.breakages.world import PREFIX, World
from whatschat_ops.stack.locking.lease import LockHolder, attributes


def name_another_prefix(world: World) -> None:
    """In the settings."""
    world.settings(prefix="borken-")


def name_own_prefix(world: World) -> None:
    """In the settings."""
    world.settings(prefix=PREFIX)


def delete_halfway(world: World) -> None:
    """By hand, as one who gave up halfway."""
    delete_api(world)
    delete_table(world)
    world.client("ssm").delete_parameter(Name=world.names.jwt_secret_parameter)


def kill_run(world: World) -> None:
    """What a run that was killed leaves: its lock, which expired, and a stack without its API."""
    delete_api(world)
    _leave_lock(world)


def _leave_lock(world: World) -> None:
    holder = LockHolder(
        "arn:aws:iam::000000000000:user/operator",
        "laptop",
        "another-boot:1",
        "provision",
        "2026-11-29T02:00:00Z",
        time.time() - 60,
        "0123456789abcdef",
        7,
    )
    row: dict[str, Any] = {"stack": {"S": world.names.stack}, "serial": {"N": "1"}, **attributes(holder)}
    world.client("dynamodb").put_item(TableName=world.names.lock_table, Item=row)


ROWS: Final = (
    Breakage("The settings name another prefix", "stack", name_another_prefix, "ST005",
             Repair("the prefix corrected", name_own_prefix)),
    Breakage("The API, the table and the secret were deleted by hand", "stack", delete_halfway, "ST007", FIX),
    Breakage("`provision` was killed before it made the API", "stack", kill_run, "ST006"),
)  # fmt: skip
