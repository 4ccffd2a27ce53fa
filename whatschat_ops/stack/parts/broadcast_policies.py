"""Policies of distributed broadcasts: of the worker, of the state machine, and what the operator needs for both. Pure.

What a Distributed Map needs of its state machine's role: Step Functions developer guide, "IAM policies for using
Distributed Map states". S3 answers 403, not 404, for a missing object to who may not list: hence `s3:ListBucket`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from whatschat_ops.config import Names, Settings
from whatschat_ops.config.names import BROADCAST_WORKER, LIVE_ALIAS
from whatschat_ops.provision import Reference
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.policies import Document, allow, document

RUNS: Final = "runs"
"""What the keys of a run's objects begin with."""
MAP_LABEL: Final = "Shards"
"""Label of the Distributed Map: a part of the ARNs of its children and Map Runs."""


def worker_policy(settings: Settings, place: Place, api_id: str | Reference) -> Document:
    """What one worker needs: its shard and the message, a place for the outcomes, the sockets, its log."""
    names = Names(settings)
    bucket = place.bucket(names.broadcast_bucket(place.account_id))
    return document(
        allow("Runs", ["s3:GetObject", "s3:PutObject"], f"{bucket}/{RUNS}/*"),
        {
            **allow("Outcomes", ["s3:ListBucket"], bucket),
            "Condition": {"StringLike": {"s3:prefix": f"{RUNS}/*"}},
        },
        allow(
            "SendToConnections",
            ["execute-api:ManageConnections"],
            place.connections(api_id, settings.websocket.stage, "POST"),
        ),
        allow(
            "Logs",
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            f"{place.log_group(names.function_log_group(BROADCAST_WORKER))}:*",
        ),
    )


def states_policy(settings: Settings, place: Place) -> Document:
    """What the state machine needs: the list of shards, the worker, and its own children."""
    names = Names(settings)
    machine = names.broadcast_state_machine
    bucket = place.bucket(names.broadcast_bucket(place.account_id))
    return document(
        allow("ShardList", ["s3:GetObject"], f"{bucket}/{RUNS}/*"),
        allow(
            "Worker",
            ["lambda:InvokeFunction"],
            place.function(names.function(BROADCAST_WORKER), LIVE_ALIAS),
        ),
        allow("StartChildren", ["states:StartExecution"], place.state_machine(machine)),
        allow(
            "Children",
            ["states:DescribeExecution", "states:StopExecution", "states:RedriveExecution"],
            [place.execution(machine, "*"), place.execution(f"{machine}/{MAP_LABEL}", "*")],
        ),
    )


def operator_statements(settings: Settings, place: Place) -> Iterator[Document]:
    """What provisioning and running distributed broadcasts adds to the operator's rights, when they are enabled."""
    if not settings.broadcast.distributed.enabled:
        return
    names = Names(settings)
    machine = names.broadcast_state_machine
    bucket = place.bucket(names.broadcast_bucket(place.account_id))
    yield allow(
        "Bucket",
        [
            f"s3:{action}"
            for action in (
                "CreateBucket", "DeleteBucket", "ListBucket", "TagResource", "GetBucketTagging", "PutBucketTagging",
                "GetBucketPublicAccessBlock", "PutBucketPublicAccessBlock", "GetEncryptionConfiguration",
                "PutEncryptionConfiguration", "GetLifecycleConfiguration", "PutLifecycleConfiguration",
            )
        ],
        bucket,
    )  # fmt: skip
    yield allow("BroadcastRuns", ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], f"{bucket}/{RUNS}/*")
    yield allow(
        "StateMachine",
        [
            f"states:{action}"
            for action in (
                "CreateStateMachine", "DescribeStateMachine", "UpdateStateMachine", "DeleteStateMachine",
                "TagResource", "ListTagsForResource", "StartExecution",
            )
        ],
        place.state_machine(machine),
    )  # fmt: skip
    yield allow(
        "BroadcastExecutions",
        ["states:DescribeExecution", "states:ListMapRuns", "states:RedriveExecution"],
        [place.execution(machine, "*"), place.execution(f"{machine}/{MAP_LABEL}", "*")],
    )
    yield allow(
        "MapRuns",
        ["states:DescribeMapRun", "states:ListExecutions"],
        place.map_run(machine, f"{MAP_LABEL}:*"),
    )
