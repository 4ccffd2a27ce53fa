"""Rows about the log groups and the events of meetings."""

from __future__ import annotations

from typing import Final

from tests.breakages.row import Breakage
from tests.breakages.world import World


def group(world: World, short: str) -> str:
    """The log group of a function."""
    return f"/aws/lambda/{world.names.function(short)}"


def delete_group(world: World) -> None:
    world.client("logs").delete_log_group(logGroupName=group(world, "disconnect"))


def delete_access_group(world: World) -> None:
    world.client("logs").delete_log_group(logGroupName=world.names.access_log_group)


def keep_for_ever(world: World) -> None:
    world.client("logs").delete_retention_policy(logGroupName=group(world, "connect"))


def keep_a_day(world: World) -> None:
    world.client("logs").put_retention_policy(logGroupName=group(world, "default"), retentionInDays=1)


def disable_rule(world: World) -> None:
    world.client("events").disable_rule(Name=world.names.chime_event_rule)


def delete_rule(world: World) -> None:
    events, name = world.client("events"), world.names.chime_event_rule
    targets = [target["Id"] for target in events.list_targets_by_rule(Rule=name)["Targets"]]
    events.remove_targets(Rule=name, Ids=targets)
    events.delete_rule(Name=name)


ROWS: Final = (
    Breakage("The retention of a log group was changed", "logs", keep_a_day, "WS061"),
    Breakage("The retention of a log group was removed", "logs", keep_for_ever, "WS061"),
    Breakage("The log group of a function was deleted", "logs", delete_group, "WS060"),
    Breakage("The log group of the access log was deleted", "logs", delete_access_group, "WS060"),
    Breakage("The rule for the events of meetings was disabled", "logs", disable_rule, "CH005"),
    Breakage("The rule for the events of meetings was deleted", "logs", delete_rule, "CH005"),
)
