"""What can be set of broadcasts, from this machine and from Lambda."""

# No `from __future__ import annotations` here: see settings.py.

from typing import Annotated, Any

from msgspec import Meta

from whatschat_ops.config.section import Section
from whatschat_ops.quotas import (
    API_REQUESTS,
    API_REQUESTS_OF_SMALL_REGIONS,
    MAX_FUNCTION_MEMORY_MB,
    MIN_FUNCTION_MEMORY_MB,
)

Rate = Annotated[float, Meta(gt=0)]
Burst = Annotated[int, Meta(gt=0)]


class DistributedSettings(Section, frozen=True):
    """Broadcasting from Lambda functions under a Step Functions Distributed Map, for more than one machine can send."""

    enabled: Annotated[bool, Meta(description="Provision the state machine, the worker and the bucket.")] = (
        False
    )
    shard_connections: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Connections in one shard, which one worker sends to.")
    ] = 25_000
    workers: Annotated[
        int, Meta(ge=1, le=1_000, description="Workers at once; they share the rate evenly.")
    ] = 10
    reserved_concurrency: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(
            description="Concurrent executions of the account that are kept for the workers, and that they cannot exceed; as many as "
            "`workers` or more. Empty: they share the account's with all functions.",
        ),
    ] = None
    memory_mb: Annotated[
        int,
        Meta(
            ge=MIN_FUNCTION_MEMORY_MB,
            le=MAX_FUNCTION_MEMORY_MB,
            description="Memory of the worker (1,769 MB is one vCPU).",
        ),
    ] = 1_024
    tolerated_failure_percentage: Annotated[
        float, Meta(ge=0, le=100, description="Shards that may fail before the state machine stops.")
    ] = 0.0

    def canonical_values(self) -> dict[str, Any]:
        """Without what is not set and not of 0.1.0: digests in saved plans stay as they are."""
        found = super().canonical_values()
        return {
            name: value
            for name, value in found.items()
            if value is not None or name != "reserved_concurrency"
        }


class BroadcastSettings(Section, frozen=True):
    """`ws broadcast`: one message to many connections."""

    rate_limit_per_s: Annotated[
        Rate | None,
        Meta(
            description=f"Posts per second. Empty: the account limit of the Region ({API_REQUESTS.rate_per_s:,.0f}; "
            f"{API_REQUESTS_OF_SMALL_REGIONS.rate_per_s:,.0f} in newer Regions).",
        ),
    ] = None
    burst_limit: Annotated[
        Burst | None,
        Meta(
            description="Posts at once after a pause. Empty: that of the Region "
            f"({API_REQUESTS.burst:,} or {API_REQUESTS_OF_SMALL_REGIONS.burst:,})."
        ),
    ] = None
    tcp_connections: Annotated[
        int,
        Meta(
            ge=1,
            le=500,
            description="Posts in flight at most. Each takes as long as API Gateway answers: 10,000 per second at 25 ms need 250.",
        ),
    ] = 256
    max_attempts: Annotated[int, Meta(ge=1, le=100, description="Attempts for one connection.")] = 8
    deadline_s: Annotated[
        float, Meta(gt=0, description="A connection is given up this long after its first attempt.")
    ] = 30.0
    distributed: DistributedSettings = DistributedSettings()
