"""What Lambda calls for one shard. Its environment: BROADCAST_BUCKET, API_GATEWAY_ENDPOINT, and Lambda's own.

Event: {"run", "shard", "connections"} (`objects.shard_item`). Answer: the event with `left`, how many connections are
still to be sent to; the state machine calls again while that is more than 0.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from secrets import token_hex
from typing import Any, Final, Protocol

import boto3

from whatschat_ops.redaction import Secret
from whatschat_ops.sender.model import Credentials, SendPolicy
from whatschat_ops.sender.sender import Sender
from whatschat_ops.worker.bucket import Bucket
from whatschat_ops.worker.objects import Keys, RunSpec
from whatschat_ops.worker.shard import send_shard

RESERVE_S: Final = 10.0
"""Time to write the last part, beside the longest request that may be in flight."""


class Context(Protocol):
    """The part of Lambda's context object that is used here."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        """Until Lambda ends this invocation."""
        ...


def handler(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Send one shard, or what is left of it."""
    bucket = Bucket(boto3.client("s3"), os.environ["BROADCAST_BUCKET"])
    keys = Keys(event["run"])
    spec = RunSpec.from_bytes(bucket.get(keys.spec))
    reserve_ms = (spec.request_timeout_s + RESERVE_S) * 1000
    left = send_shard(
        bucket,
        keys,
        event["shard"],
        event["connections"],
        # Lambda may run an event twice under one request id; parts must tell the two apart
        attempt=f"{context.aws_request_id}.{token_hex(4)}",
        spec=spec,
        make_sender=make_sender,
        near_the_end=lambda: context.get_remaining_time_in_millis() < reserve_ms,
    )
    return {**event, "left": left}


def make_sender(spec: RunSpec, message: bytes) -> Sender:
    """The sender of `ws broadcast`, with the keys of this function's role."""
    policy = SendPolicy(
        rate_per_s=spec.rate_per_s,
        burst=spec.burst,
        tcp_connections=spec.tcp_connections,
        max_attempts=spec.max_attempts,
        deadline_s=spec.deadline_s,
        request_timeout_s=spec.request_timeout_s,
    )
    region = os.environ["AWS_REGION"]
    return Sender(os.environ["API_GATEWAY_ENDPOINT"], region, message, policy, role_credentials)


def role_credentials() -> Credentials:
    """The keys that Lambda gives this execution environment; they outlive an invocation."""
    token = os.environ.get("AWS_SESSION_TOKEN")
    return Credentials(
        access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
        secret_access_key=Secret(os.environ["AWS_SECRET_ACCESS_KEY"]),
        session_token=Secret(token) if token else None,
    )
