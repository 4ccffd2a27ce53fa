"""What Lambda calls for one shard. Its environment: BROADCAST_BUCKET, API_GATEWAY_ENDPOINT, and Lambda's own.

Event: an item of the list of shards (`objects.Shard`). Answer: the event with `left`, 1 when the worker is to be called again for the
rest of the shard, otherwise 0.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cache
from secrets import token_hex
from typing import Any, Final, Protocol

import boto3

from whatschat_ops.redaction import Secret
from whatschat_ops.sender.model import Credentials, SendPolicy
from whatschat_ops.sender.sender import Sender
from whatschat_ops.worker.bucket import Bucket, Objects
from whatschat_ops.worker.counting import Count, Counted, Found, Kept
from whatschat_ops.worker.kinds import COUNT, SAMPLE
from whatschat_ops.worker.objects import ROWS, SEGMENT, Keys, RunSpec, Shard, given_in
from whatschat_ops.worker.pruning import RowPruner
from whatschat_ops.worker.rows import Page, Position, Row, Table, given_rows, wanted
from whatschat_ops.worker.shard import Work

RESERVE_S: Final = 10.0
"""Time to write the last part, beside the longest request that may be in flight."""


class Context(Protocol):
    """The part of Lambda's context object that is used here."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        """Until Lambda ends this invocation."""
        ...


def handler(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Send one shard, or what is left of it; or count or sample it."""
    bucket = Bucket(boto3.client("s3"), os.environ["BROADCAST_BUCKET"])
    shard, keys = Shard.of_event(event), Keys(event["run"])
    spec = RunSpec.from_bytes(bucket.get(keys.spec))
    reserve_s = spec.request_timeout_s + RESERVE_S
    table = spec.record["table_name"]

    def open_table() -> Table:
        return Table(boto3.client("dynamodb"), table, time.time, include_expired=spec.includes_expired)

    def left_s() -> float:
        return context.get_remaining_time_in_millis() / 1000 - reserve_s

    # Lambda may run an event twice under one request id; what the two write must be told apart
    attempt = f"{context.aws_request_id}.{token_hex(4)}"
    if spec.kind in (COUNT, SAMPLE):
        count = Count(
            bucket,
            keys,
            shard.shard,
            attempt,
            lambda position: open_table().items(shard.segment, shard.segments, position),
            found_by(spec),
            left_s,
        )
        return {**event, "left": int(count.work())}
    work = Work(
        bucket,
        keys,
        spec,
        shard.shard,
        attempt,
        pages=pages_of(shard, bucket, keys, open_table),
        # rows that are given were chosen one by one
        keep=(lambda _row: True) if shard.kind == ROWS else wanted(spec.selection),
        prune=spec.action.pruner(RowPruner(cache(lambda: boto3.client("dynamodb")), table), time.time),
        make_sender=lambda message, rate, burst: make_sender(spec, message, rate, burst),
        left_s=left_s,
    )
    return {**event, "left": int(work.send())}


def found_by(spec: RunSpec) -> Found:
    """What workers find that do nothing to connections."""
    if spec.kind == SAMPLE:
        return Kept(wanted(spec.selection), time.time)
    return Counted(datetime.fromisoformat(spec.record["created_at"]))


def pages_of(
    shard: Shard, objects: Objects, keys: Keys, table: Callable[[], Table]
) -> Callable[[Position], Iterator[Page]]:
    """The pages of a shard from a position on."""
    if shard.kind == SEGMENT:
        return lambda position: table().segment(shard.segment, shard.segments, position)
    given = given_in(objects.get(keys.given(shard.shard)))
    if shard.kind == ROWS:
        rows = [Row(*values) for values in given]
        return lambda position: given_rows(rows, position)
    return lambda position: table().users(given, position)


def make_sender(spec: RunSpec, message: bytes, rate_per_s: float, burst: int) -> Sender:
    """The sender of `ws broadcast`, with the keys of this function's role."""
    policy = SendPolicy(
        rate_per_s=rate_per_s,
        burst=burst,
        tcp_connections=spec.tcp_connections,
        max_attempts=spec.max_attempts,
        deadline_s=spec.deadline_s,
        request_timeout_s=spec.request_timeout_s,
    )
    region = os.environ["AWS_REGION"]
    endpoint, operation = os.environ["API_GATEWAY_ENDPOINT"], spec.action.operation
    return Sender(endpoint, region, message, policy, role_credentials, operation=operation)


def role_credentials() -> Credentials:
    """The keys that Lambda gives this execution environment; they outlive an invocation."""
    token = os.environ.get("AWS_SESSION_TOKEN")
    return Credentials(
        access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
        secret_access_key=Secret(os.environ["AWS_SECRET_ACCESS_KEY"]),
        session_token=Secret(token) if token else None,
    )
