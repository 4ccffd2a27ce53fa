"""Whether the roles that version 0.1.0 made are in use still: one set of them for a stack in all Regions. Only reads.

Asked while such roles are there, which is until the last Region of a stack has changed over. All of them stay or go
together: a Region changes its functions and its state machine over in one plan. What may not be read counts as used.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from whatschat_ops.config import Names
from whatschat_ops.config.names import BROADCAST_WORKER, LIVE_ALIAS, ROUTE_FUNCTIONS
from whatschat_ops.errors import AwsError, NotFound
from whatschat_ops.stack.kinds.alias import read_alias
from whatschat_ops.stack.kinds.context import Context
from whatschat_ops.stack.kinds.role import role_arn
from whatschat_ops.stack.kinds.state_machine import StateMachine

REGIONS_AT_ONCE: Final = 8


def why_in_use(context: Context, names: Names, leaving: Collection[str]) -> str | None:
    """Why the roles have to stay; None when they can be deleted once this Region has changed over.

    `leaving` are functions of this Region that are deleted before them.
    """
    prefix = role_arn(context.place, names.earlier_iam_path, "")
    ours = frozenset(names.function(short) for short in (*ROUTE_FUNCTIONS.values(), BROADCAST_WORKER))
    here = context.aws.region
    try:
        regions = _regions(context)
        with ThreadPoolExecutor(max_workers=REGIONS_AT_ONCE, thread_name_prefix="regions") as pool:
            others = pool.map(lambda region: _users(context, region, prefix, ours), regions)
        used = [
            f"{function} in {region}"
            for region, functions in zip(regions, others, strict=True)
            for function in functions
            if region != here or function not in {*ours, *leaving}  # ours are changed over by this very plan
        ]
        used += _still_here(context, names)
    except AwsError as error:
        return f"whether it is used in another Region cannot be read: {error.message}"
    return f"{' and '.join(used)} still uses roles of this path" if used else None


def _regions(context: Context) -> Sequence[str]:
    """The Regions that are enabled for the account (DescribeRegions in the EC2 API reference), and this one."""
    found = context.client("ec2").describe_regions()["Regions"]
    return sorted({context.aws.region, *(region["RegionName"] for region in found)})


def _users(context: Context, region: str, prefix: str, ours: frozenset[str]) -> list[str]:
    """Functions of a Region with one of the roles: what runs next, and what is live of a stack like ours."""
    client = context.aws.client("lambda", region=region)
    functions = [
        function
        for page in client.get_paginator("list_functions").paginate()
        for function in page["Functions"]
    ]
    return [
        function["FunctionName"]
        for function in functions
        if any(_is_earlier(role, prefix) for role in _roles_of(client, function, ours))
    ]


def _roles_of(client: Any, function: Any, ours: frozenset[str]) -> Iterator[str]:
    """A function that was rolled back runs with the role of an older version."""
    yield function["Role"]
    if (name := function["FunctionName"]) in ours:
        try:
            yield client.get_function_configuration(FunctionName=name, Qualifier=LIVE_ALIAS)["Role"]
        except NotFound:
            return


def _is_earlier(role: str, prefix: str) -> bool:
    return role.startswith(prefix) and "/" not in role.removeprefix(prefix)


def _still_here(context: Context, names: Names) -> Iterator[str]:
    """What goes on in this Region although its functions are changed over: a canary, broadcasts."""
    for function in map(names.function, names.functions):
        try:
            canary = read_alias(context, function, LIVE_ALIAS).routing.canary
        except NotFound:
            continue
        if canary is not None:
            yield f"the canary of {function}"
    if names.broadcast_states_role in names.roles and _broadcasts_run(context, names):
        yield "a broadcast that is being sent"


def _broadcasts_run(context: Context, names: Names) -> bool:
    machine = StateMachine.arn.of(context.place, names.broadcast_state_machine)
    try:
        found = context.client("stepfunctions").list_executions(
            stateMachineArn=machine, statusFilter="RUNNING", maxResults=1
        )
    except AwsError as error:
        if error.aws_code == "StateMachineDoesNotExist" or isinstance(error, NotFound):
            return False
        raise
    return bool(found["executions"])
