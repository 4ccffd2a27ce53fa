"""The facts of the environment that a bill depends on, from its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whatschat_ops.config import Settings
    from whatschat_ops.cost.quantities import StackFacts


def stack_facts(settings: Settings) -> StackFacts:
    """What of the settings costs money, or decides how much."""
    from whatschat_ops.cost.quantities import DistributedFacts, StackFacts

    distributed, monitoring = settings.broadcast.distributed, settings.monitoring
    watching = _watching(settings)
    return StackFacts(
        region=settings.aws.region,
        memory_mb=settings.lambda_.memory_mb,
        architecture=settings.lambda_.architecture,
        log_retention_days=settings.lambda_.log_retention_days,
        point_in_time_recovery=settings.connections.point_in_time_recovery,
        access_logs=settings.websocket.access_logs,
        chime_events=settings.chime.events,
        distributed=DistributedFacts(
            distributed.workers, distributed.shard_connections, distributed.memory_mb
        )
        if distributed.enabled
        else None,
        alarms=watching.get("alarms", 0),
        dashboards=watching.get("dashboards", 0),
        metrics=watching.get("metrics", 0),
        count_every_minutes=monitoring.open_connections.every_minutes
        if monitoring.counts_connections
        else None,
    )


def _watching(settings: Settings) -> dict[str, int]:
    """Key of a price -> how many, of what `plan` says that monitoring costs."""
    if not settings.monitoring.enabled:
        return {}
    from whatschat_ops.stack.monthly_costs import monthly_usage

    usage = monthly_usage(settings)
    return {each.rate: int(each.quantity) for each in usage if each.quantity is not None}
