"""The state machine of distributed broadcasts, as an Amazon States Language document. Pure."""

from __future__ import annotations

from typing import Any, Final

from whatschat_ops.config.names import BROADCAST_WORKER
from whatschat_ops.stack.parts.blueprint import Blueprint
from whatschat_ops.stack.parts.functions import live_arn

MAP_LABEL: Final = "Shards"
"""Label of the Distributed Map: a part of the ARNs of its children and Map Runs."""

_NEVER_REPEATED: Final = ["PermissionDenied", "UsageError"]
_LAMBDA_IS_BUSY: Final = [
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
]


def execution_input(shards_key: str, workers: int, tolerated_failure_percentage: int) -> dict[str, Any]:
    """What an execution is started with: the list of its shards, how many at once, and of how many percent the failure ends it."""
    return {
        "shards": shards_key,
        "workers": workers,
        "tolerated_failure_percentage": tolerated_failure_percentage,
    }


def definition(blueprint: Blueprint) -> dict[str, Any]:
    """The state machine, for the input that `execution_input` makes.

    A child's output is empty: the outputs of all together must stay below 256 KiB (Step Functions quotas), and what
    came of a shard lies in the bucket.
    """
    place = blueprint.place
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
                        "Bucket": blueprint.names.broadcast_bucket(place.account_id),
                        "Key.$": "$.shards",
                    },
                },
                "MaxConcurrencyPath": "$.workers",
                "ToleratedFailurePercentagePath": "$.tolerated_failure_percentage",
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                    "StartAt": "Send",
                    "States": _shard_states(live_arn(blueprint, BROADCAST_WORKER), place.partition),
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
