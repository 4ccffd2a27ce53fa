"""Whether a distributed broadcast leaves the application's functions enough of the account's concurrent executions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from whatschat_ops.aws import Aws
from whatschat_ops.config import Settings
from whatschat_ops.config.broadcast_settings import DistributedSettings

LITTLE_CONCURRENCY: Final = 100
"""Fewer than this are few for the functions of an API with many sockets. AWS gives a new account about ten."""
QUOTA_CODE: Final = "L-B99A9384"


def account_concurrency(aws: Aws) -> tuple[int, int]:
    """How many functions may run at once in the Region, and how many of them are not reserved (GetAccountSettings). Raises AwsError."""
    found: Mapping[str, Any] = aws.client("lambda").get_account_settings()["AccountLimit"]
    return int(found["ConcurrentExecutions"]), int(found["UnreservedConcurrentExecutions"])


def starved_functions(settings: Settings, unreserved: int) -> str:
    """What the workers of a broadcast leave too little for; "" when there is enough, or nothing is distributed.

    `unreserved`: of the account's concurrent executions. Workers with a reservation take none of them.
    """
    distributed = settings.broadcast.distributed
    if not distributed.enabled:
        return ""
    if (reserved := distributed.reserved_concurrency) is not None:
        return _throttled_workers(distributed, reserved)
    return starved_by(distributed.workers, unreserved, "while a broadcast is sent")


def starved_by(workers: int, unreserved: int, meanwhile: str) -> str:
    """What so many workers without a reservation leave too little for; "" when there is enough."""
    left = unreserved - workers
    if left >= LITTLE_CONCURRENCY:
        return ""
    return (
        f"{workers:,} workers leave {max(0, left):,} of the {unreserved:,} executions at once ({QUOTA_CODE}) to all other "
        f"functions: {meanwhile}, $connect and default are throttled."
    )


def _throttled_workers(distributed: DistributedSettings, reserved: int) -> str:
    if reserved >= distributed.workers:
        return ""
    return (
        f"broadcast.distributed.reserved_concurrency ({reserved:,}) is less than broadcast.distributed.workers "
        f"({distributed.workers:,}): Lambda throttles the others, and shards fail."
    )
