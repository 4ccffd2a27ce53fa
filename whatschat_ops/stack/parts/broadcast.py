"""What distributed broadcasts need: bucket, worker function, state machine, their roles. Nothing unless enabled. Pure.

bucket                               stands alone
worker role policy -> role, API      the policy names the bucket's runs and the API's @connections
worker function -> role, log group, API;  alias -> function
state machine -> role, alias         a Distributed Map over a list of shards: one item is one shard

What a Distributed Map needs of its state machine's role: Step Functions developer guide, "IAM policies for using
Distributed Map states". S3 answers 403, not 404, for a missing object to who may not list: hence `s3:ListBucket`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from whatschat_ops.config.names import BROADCAST_WORKER, USER_INDEX
from whatschat_ops.provision import Reference, Resource, text
from whatschat_ops.quotas import MAX_FUNCTION_TIMEOUT_S
from whatschat_ops.stack.iam_documents import Document, actions, allow, deny_plain_http, document
from whatschat_ops.stack.kinds.bucket import RUNS, Bucket
from whatschat_ops.stack.kinds.function import NO_RESERVATION, Function
from whatschat_ops.stack.kinds.state_machine import StateMachine, execution_arn, map_run_arn
from whatschat_ops.stack.kinds.table import Table, index_arn
from whatschat_ops.stack.parts.blueprint import API, Blueprint, Part
from whatschat_ops.stack.parts.functions import (
    alias,
    arn_of_role,
    function,
    function_log_group,
    live_arn,
    logs_statement,
    made_roles,
    role,
    use_given_role,
)
from whatschat_ops.stack.parts.state_machine import MAP_LABEL, definition

WORKER_ROLE: Final = "broadcast-worker"
STATES_ROLE: Final = "broadcast-states"
POLICY: Final = "whatschat-ops-broadcast"

RUNS_KEPT_DAYS: Final = 14
"""An execution can be redriven for 14 days (RedriveExecution in the API reference); after that its objects are no use."""

WORKER_TIMEOUT_S: Final = MAX_FUNCTION_TIMEOUT_S
"""The longest that Lambda runs a function. A worker that comes near it hands the rest of its shard to the next one."""


def resources(blueprint: Blueprint) -> Iterator[Resource]:
    """Everything that `broadcast.distributed.enabled` adds. What an earlier setting left is found by its tag (orphans.py)."""
    if not blueprint.settings.broadcast.distributed.enabled:
        return
    names = blueprint.names
    yield _bucket(blueprint)
    yield function_log_group(blueprint, BROADCAST_WORKER)
    yield from role(
        blueprint,
        WORKER_ROLE,
        names.broadcast_worker_role,
        "lambda.amazonaws.com",
        (POLICY, worker_policy(blueprint)),
    )
    yield from role(
        blueprint,
        STATES_ROLE,
        names.broadcast_states_role,
        "states.amazonaws.com",
        (POLICY, states_policy(blueprint)),
        for_account=blueprint.place.account_id,
    )
    yield _worker(blueprint)
    yield alias(blueprint, BROADCAST_WORKER, role=WORKER_ROLE)
    yield _state_machine(blueprint)


def worker_policy(blueprint: Blueprint) -> Document:
    """What one worker needs: its rows, the message, a place for the outcomes, the sockets, rows of gone connections to delete, its log."""
    bucket = _bucket_arn(blueprint)
    table = Table.arn.of(blueprint.place, blueprint.names.connections_table)
    return document(
        allow("Runs", ["s3:GetObject", "s3:PutObject"], f"{bucket}/{RUNS}/*"),
        {
            **allow("Outcomes", ["s3:ListBucket"], bucket),
            "Condition": {"StringLike": {"s3:prefix": f"{RUNS}/*"}},
        },
        allow("Rows", ["dynamodb:Scan", "dynamodb:PartiQLDelete"], table),
        allow(
            "RowsOfUsers",
            ["dynamodb:Query"],
            index_arn(blueprint.place, blueprint.names.connections_table, USER_INDEX),
        ),
        *(
            allow(
                sid,
                ["execute-api:ManageConnections"],
                blueprint.place.connections(blueprint.api_id, blueprint.settings.websocket.stage, method),
            )
            for sid, method in (
                ("SendToConnections", "POST"),
                ("GetConnections", "GET"),
                ("CloseConnections", "DELETE"),
            )
        ),
        logs_statement(blueprint, BROADCAST_WORKER),
    )


def states_policy(blueprint: Blueprint) -> Document:
    """What the state machine needs: the list of shards, the worker, and its own children."""
    return document(
        allow("ShardList", ["s3:GetObject"], f"{_bucket_arn(blueprint)}/{RUNS}/*"),
        allow("Worker", ["lambda:InvokeFunction"], live_arn(blueprint, BROADCAST_WORKER)),
        allow("StartChildren", ["states:StartExecution"], _machine_arn(blueprint)),
        allow(
            "Children",
            ["states:DescribeExecution", "states:StopExecution", "states:RedriveExecution"],
            _execution_arns(blueprint),
        ),
    )


def operator_statements(blueprint: Blueprint) -> Iterator[Document]:
    """To start executions, follow, change, stop and repeat them, and to read what came of them."""
    if not blueprint.settings.broadcast.distributed.enabled:
        return
    yield from use_given_role(blueprint, WORKER_ROLE, "lambda.amazonaws.com")
    yield from use_given_role(blueprint, STATES_ROLE, "states.amazonaws.com")
    objects = f"{_bucket_arn(blueprint)}/{RUNS}/*"
    yield allow("BroadcastRuns", ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], objects)
    earlier = blueprint.names.earlier_broadcast_bucket(blueprint.place.account_id)
    yield allow("BroadcastRuns", [], f"{Bucket.arn.of(blueprint.place, earlier)}/{RUNS}/*")
    yield allow(Bucket.operator_sid, [], Bucket.arn.of(blueprint.place, earlier))
    yield allow("StateMachine", ["states:StartExecution", "states:ListExecutions"], _machine_arn(blueprint))
    yield allow(
        "BroadcastExecutions",
        actions("states", "DescribeExecution ListMapRuns RedriveExecution StopExecution"),
        _execution_arns(blueprint),
    )
    map_runs = map_run_arn(blueprint.place, blueprint.names.broadcast_state_machine, f"{MAP_LABEL}:*")
    yield allow("MapRuns", actions("states", "DescribeMapRun ListExecutions UpdateMapRun"), map_runs)
    yield allow(
        "BroadcastWorker",
        actions("lambda", "PutFunctionConcurrency DeleteFunctionConcurrency"),
        Function.arn.of(blueprint.place, blueprint.names.function(BROADCAST_WORKER)),
    )
    yield allow("Anywhere", ["lambda:GetAccountSettings"], "*")


def _bucket_arn(blueprint: Blueprint) -> str:
    return Bucket.arn.of(blueprint.place, blueprint.names.broadcast_bucket(blueprint.place.account_id))


def _machine_arn(blueprint: Blueprint) -> str:
    return StateMachine.arn.of(blueprint.place, blueprint.names.broadcast_state_machine)


def _execution_arns(blueprint: Blueprint) -> list[str]:
    """Those of the state machine, and of the items of its map."""
    machine = blueprint.names.broadcast_state_machine
    return [execution_arn(blueprint.place, each, "*") for each in (machine, f"{machine}/{MAP_LABEL}")]


def _bucket(blueprint: Blueprint) -> Resource:
    return Resource(
        "bucket",
        "broadcast",
        {
            "bucket_name": blueprint.names.broadcast_bucket(blueprint.place.account_id),
            "public_access_blocked": True,
            "encryption": "AES256",
            "expiration_days": RUNS_KEPT_DAYS,
            "tls_statement": deny_plain_http(_bucket_arn(blueprint)),
            "tags": blueprint.names.tags,
        },
    )


def _worker(blueprint: Blueprint) -> Resource:
    settings, names = blueprint.settings, blueprint.names
    fields = {
        "runtime": settings.lambda_.runtime,  # ours, also where the application's own functions are Node.js
        "memory_mb": settings.broadcast.distributed.memory_mb,
        "timeout_s": WORKER_TIMEOUT_S,
        "reserved_concurrency": settings.broadcast.distributed.reserved_concurrency or NO_RESERVATION,
        "environment": {
            "API_GATEWAY_ENDPOINT": text(Reference(API, "callback_base"), "/", settings.websocket.stage),
            "BROADCAST_BUCKET": names.broadcast_bucket(blueprint.place.account_id),
        },
    }
    return function(
        blueprint, BROADCAST_WORKER, role=WORKER_ROLE, role_name=names.broadcast_worker_role, fields=fields
    )


def _state_machine(blueprint: Blueprint) -> Resource:
    names = blueprint.names
    needed = {f"alias.{BROADCAST_WORKER}", *made_roles(blueprint, "role_policy", STATES_ROLE, WORKER_ROLE)}
    return Resource(
        "state_machine",
        "broadcast",
        {
            "state_machine_name": names.broadcast_state_machine,
            "type": "STANDARD",
            "role_arn": arn_of_role(blueprint, STATES_ROLE, names.broadcast_states_role),
            "definition": definition(blueprint),
            "tags": names.tags,
        },
        frozenset({*needed, "bucket.broadcast"}),
    )


PART: Final = Part(resources, operator_statements)
