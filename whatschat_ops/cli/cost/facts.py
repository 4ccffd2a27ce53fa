"""The facts of the environment that a bill depends on, from its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

METRICS_OF_THE_COUNT: Final = 2
"""OpenConnections and StaleRows."""

if TYPE_CHECKING:
    from whatschat_ops.config import Settings
    from whatschat_ops.cost.quantities import StackFacts


def stack_facts(settings: Settings) -> StackFacts:
    """What of the settings costs money, or decides how much."""
    from whatschat_ops.cost.quantities import DistributedFacts, StackFacts

    distributed, monitoring = settings.broadcast.distributed, settings.monitoring
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
        alarms=_alarms(settings),
        dashboards=int(monitoring.enabled and monitoring.dashboard),
        metrics=METRICS_OF_THE_COUNT if monitoring.counts_connections else 0,
        count_every_minutes=monitoring.open_connections.every_minutes
        if monitoring.counts_connections
        else None,
    )


def _alarms(settings: Settings) -> int:
    """Each of them watches one metric."""
    if not (settings.monitoring.enabled and settings.monitoring.alarms):
        return 0
    from whatschat_ops.stack.arns import Place
    from whatschat_ops.stack.parts.alarms import watches
    from whatschat_ops.stack.parts.blueprint import Blueprint

    return len(list(watches(Blueprint(settings, Place(settings.aws.region, "0" * 12), api_id="API"))))
