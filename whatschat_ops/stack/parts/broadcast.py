"""What distributed broadcasts need, as resources: bucket, worker function, state machine, and their roles. Pure.

bucket                               stands alone
worker role policy -> role, API      the policy names the bucket's runs and the API's @connections
worker function -> role, log group, API;  alias -> function
state machine -> role, alias         a Distributed Map over a list of shards: one item is one shard
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from whatschat_ops.config import Names, Settings
from whatschat_ops.config.names import BROADCAST_WORKER, LIVE_ALIAS
from whatschat_ops.packaging import FunctionPackage
from whatschat_ops.provision import Reference, Resource, text
from whatschat_ops.quotas import MAX_FUNCTION_TIMEOUT_S
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.parts.broadcast_policies import MAP_LABEL, states_policy, worker_policy
from whatschat_ops.stack.policies import trust_policy

BUCKET: Final = "bucket.broadcast"
WORKER_ROLE: Final = "role.broadcast-worker"
STATES_ROLE: Final = "role.broadcast-states"

RUNS_KEPT_DAYS: Final = 14
"""An execution can be redriven for 14 days (RedriveExecution in the API reference); after that its objects are no use."""

WORKER_TIMEOUT_S: Final = MAX_FUNCTION_TIMEOUT_S
"""The longest that Lambda runs a function. A worker that comes near it hands the rest of its shard to the next one."""

_NEVER_REPEATED: Final = ["PermissionDenied", "UsageError"]
_LAMBDA_IS_BUSY: Final = [
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
]


def broadcast_resources(
    settings: Settings, place: Place, api_id: Reference, package: FunctionPackage | None
) -> Iterator[Resource]:
    """Everything that `broadcast.distributed.enabled` adds. Without `package` the worker's code is left alone."""
    names = Names(settings)
    yield _bucket(names, place)
    log_group = {
        "group_name": names.function_log_group(BROADCAST_WORKER),
        "retention_days": settings.lambda_.log_retention_days,
        "tags": names.tags,
    }
    yield Resource("log_group", BROADCAST_WORKER, log_group)
    yield from _role(
        names,
        WORKER_ROLE,
        names.broadcast_worker_role,
        "lambda.amazonaws.com",
        worker_policy(settings, place, api_id),
    )
    yield from _role(
        names,
        STATES_ROLE,
        names.broadcast_states_role,
        "states.amazonaws.com",
        states_policy(settings, place),
    )
    yield _worker(settings, place, package)
    yield _alias(settings)
    yield _state_machine(settings, place)


def _bucket(names: Names, place: Place) -> Resource:
    return Resource(
        "bucket",
        "broadcast",
        {
            "bucket_name": names.broadcast_bucket(place.account_id),
            "public_access_blocked": True,
            "encryption": "AES256",
            "expiration_days": RUNS_KEPT_DAYS,
            "tags": names.tags,
        },
    )


def _role(
    names: Names, address: str, role_name: str, service: str, document: dict[str, Any]
) -> Iterator[Resource]:
    logical = address.partition(".")[2]
    yield Resource(
        "role",
        logical,
        {
            "role_name": role_name,
            "path": names.iam_path,
            "trust_policy": trust_policy(service),
            "tags": names.tags,
        },
    )
    yield Resource(
        "role_policy",
        logical,
        {
            "role_name": Reference(address, "role_name"),
            "policy_name": "whatschat-ops-broadcast",
            "document": document,
        },
    )


def _worker(settings: Settings, place: Place, package: FunctionPackage | None) -> Resource:
    names = Names(settings)
    fields: dict[str, Any] = {
        "function_name": names.function(BROADCAST_WORKER),
        "runtime": settings.lambda_.runtime,  # ours, also where the application's own functions are Node.js
        "architecture": settings.lambda_.architecture,
        "memory_mb": settings.broadcast.distributed.memory_mb,
        "timeout_s": WORKER_TIMEOUT_S,
        "role_arn": place.role(names.iam_path, names.broadcast_worker_role),
        "environment": {
            "API_GATEWAY_ENDPOINT": text(
                Reference("api.websocket", "callback_base"), "/", settings.websocket.stage
            ),
            "BROADCAST_BUCKET": names.broadcast_bucket(place.account_id),
        },
        "published": True,
        "tags": names.tags,
    }
    if package is not None:
        fields |= {
            "handler": package.handler,
            "code_sha256": package.sha256_base64,
            "zip": package.zip_bytes,
        }
    return Resource(
        "function", BROADCAST_WORKER, fields, frozenset({WORKER_ROLE, f"log_group.{BROADCAST_WORKER}"})
    )


def _alias(settings: Settings) -> Resource:
    function = f"function.{BROADCAST_WORKER}"
    return Resource(
        "alias",
        BROADCAST_WORKER,
        {
            "function_name": Reference(function, "function_name"),
            "alias_name": LIVE_ALIAS,
            "version": Reference(function, "version"),
            "content": Reference(function, "content"),
            "keep_versions": settings.lambda_.keep_versions,
        },
    )


def _state_machine(settings: Settings, place: Place) -> Resource:
    names = Names(settings)
    return Resource(
        "state_machine",
        "broadcast",
        {
            "state_machine_name": names.broadcast_state_machine,
            "type": "STANDARD",
            "role_arn": place.role(names.iam_path, names.broadcast_states_role),
            "definition": definition(settings, place),
            "tags": names.tags,
        },
        frozenset(
            {
                STATES_ROLE.replace("role.", "role_policy."),
                WORKER_ROLE.replace("role.", "role_policy."),
                f"alias.{BROADCAST_WORKER}",
                BUCKET,
            }
        ),
    )


def definition(settings: Settings, place: Place) -> dict[str, Any]:
    """The state machine: its input is {"shards": key of the list of shards}.

    A child's output is empty: the outputs of all together must stay below 256 KiB (Step Functions quotas), and what
    came of a shard lies in the bucket.
    """
    names, distributed = Names(settings), settings.broadcast.distributed
    return {
        "Comment": "One message to many connections: one item is one shard of them.",
        "StartAt": MAP_LABEL,
        "States": {
            MAP_LABEL: {
                "Type": "Map",
                "Label": MAP_LABEL,
                "ItemReader": {
                    "Resource": f"arn:{place.partition}:states:::s3:getObject",
                    "ReaderConfig": {"InputType": "JSON"},
                    "Parameters": {
                        "Bucket": names.broadcast_bucket(place.account_id),
                        "Key.$": "$.shards",
                    },
                },
                "MaxConcurrency": distributed.workers,
                "ToleratedFailurePercentage": distributed.tolerated_failure_percentage,
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                    "StartAt": "Send",
                    "States": _shard_states(
                        place.function(names.function(BROADCAST_WORKER), LIVE_ALIAS), place.partition
                    ),
                },
                "ResultPath": None,
                "End": True,
            }
        },
    }


def _shard_states(worker_arn: str, partition: str) -> dict[str, Any]:
    """Send until nothing is left. The worker knows what was sent before, so that any of its failures may be repeated."""
    return {
        "Send": {
            "Type": "Task",
            "Resource": f"arn:{partition}:states:::lambda:invoke",
            "Parameters": {"FunctionName": worker_arn, "Payload.$": "$"},
            "OutputPath": "$.Payload",
            "Retry": [
                {"ErrorEquals": _NEVER_REPEATED, "MaxAttempts": 0},
                {
                    "ErrorEquals": _LAMBDA_IS_BUSY,
                    "IntervalSeconds": 1,
                    "BackoffRate": 2,
                    "MaxAttempts": 8,
                    "JitterStrategy": "FULL",
                },
                {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 2, "BackoffRate": 2, "MaxAttempts": 2},
            ],
            "Next": "AllSent",
        },
        "AllSent": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.left", "NumericGreaterThan": 0, "Next": "Send"}],
            "Default": "Done",
        },
        "Done": {"Type": "Pass", "Result": {}, "End": True},
    }
