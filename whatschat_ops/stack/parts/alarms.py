"""The alarms of the stack: what an on-call is woken by, as data. Pure.

The stack has no dead-letter queue. What takes its place are events that AWS gives up: a scheduled count that failed three
times (`AsyncEventsDropped`), an event that a rule could not deliver (`FailedInvocations`), a broadcast that failed.

| metric | sent | without data |
|---|---|---|
| AWS/Lambda, AWS/ApiGateway, AWS/Events, AWS/States | while there is traffic | all is well: `notBreaching` |
| AWS/DynamoDB throttles | while there are any | the state stays, whatever an alarm says (PutMetricAlarm in the API reference) |
| WhatsChat StaleRows | by each count | not known: `missing` |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from whatschat_ops.config.names import OPEN_CONNECTIONS, ROUTE_FUNCTIONS
from whatschat_ops.stack.kinds.state_machine import StateMachine
from whatschat_ops.stack.parts.blueprint import Blueprint

FIVE_MINUTES_S: Final = 300
NAMESPACE: Final = "WhatsChat"


class Metric(Struct, frozen=True):
    """One metric of CloudWatch. Values of `dimensions` may be references."""

    namespace: str
    name: str
    dimensions: Mapping[str, Any]


class Watch(Struct, frozen=True):
    """One alarm: `statistic` of `metric` reached `threshold` in `needed` of `periods` periods of `period_s`."""

    short: str
    metric: Metric
    threshold: float
    says: str
    statistic: str = "Sum"
    period_s: int = FIVE_MINUTES_S
    periods: int = 1
    needed: int = 1
    missing_data: str = "notBreaching"


def watches(blueprint: Blueprint) -> Iterator[Watch]:
    """Every alarm of these settings."""
    yield from _of_functions(blueprint)
    yield from _of_api(blueprint)
    yield from _of_table(blueprint)
    yield from _of_lost_events(blueprint)


def of_function(blueprint: Blueprint, short: str, name: str) -> Metric:
    """A metric of a function with all its versions."""
    return Metric("AWS/Lambda", name, {"FunctionName": blueprint.names.function(short)})


def of_stage(blueprint: Blueprint, name: str) -> Metric:
    """A metric of the WebSocket API's stage."""
    return Metric(
        "AWS/ApiGateway", name, {"ApiId": blueprint.api_id, "Stage": blueprint.settings.websocket.stage}
    )


def of_table(blueprint: Blueprint, name: str) -> Metric:
    """A metric of the connections table."""
    return Metric("AWS/DynamoDB", name, {"TableName": blueprint.names.connections_table})


def counted(blueprint: Blueprint, name: str) -> Metric:
    """What the scheduled count writes: OpenConnections, StaleRows."""
    return Metric(NAMESPACE, name, {"TableName": blueprint.names.connections_table})


def _of_functions(blueprint: Blueprint) -> Iterator[Watch]:
    limits = blueprint.settings.monitoring.thresholds
    for route, short in ROUTE_FUNCTIONS.items():
        errors = of_function(blueprint, short, "Errors")
        says = f"The function of {route} fails: see its log group for the reason."
        yield Watch(f"{short}-errors", errors, limits.function_errors, says)
    for route, short in ROUTE_FUNCTIONS.items():
        throttles = of_function(blueprint, short, "Throttles")
        says = f"Lambda refuses to run the function of {route}: the account's concurrency is used up, or reserved."
        yield Watch(f"{short}-throttles", throttles, limits.function_throttles, says)


def _of_api(blueprint: Blueprint) -> Iterator[Watch]:
    limits = blueprint.settings.monitoring.thresholds
    errors, latency = of_stage(blueprint, "ExecutionError"), of_stage(blueprint, "IntegrationLatency")
    says = "API Gateway cannot call a function: a permission is missing, or Lambda throttles."
    yield Watch("execution-errors", errors, limits.execution_errors, says)
    says = "Messages are handled slowly: one in a hundred takes longer than this."
    yield Watch(
        "integration-latency", latency, limits.integration_latency_ms, says, "p99", periods=3, needed=2
    )


def _of_table(blueprint: Blueprint) -> Iterator[Watch]:
    monitoring = blueprint.settings.monitoring
    limits = monitoring.thresholds
    for what, name in (("reads", "ReadThrottleEvents"), ("writes", "WriteThrottleEvents")):
        says = (
            f"DynamoDB throttles {what} of the connections table. It sends this metric only while it does, "
            "so the alarm stays in ALARM until its state is set to OK by hand."
        )
        metric = of_table(blueprint, name)
        yield Watch(f"table-{what}-throttled", metric, limits.table_throttles, says, missing_data="ignore")
    if monitoring.counts_connections:
        says = (
            "Expired rows stay in the connections table: the function of $disconnect or TTL does not delete them. "
            "TTL itself may take some days."
        )
        metric = counted(blueprint, "StaleRows")
        period_s = period_of_count_s(blueprint)
        yield Watch("stale-rows", metric, limits.stale_rows, says, "Maximum", period_s, 3, 3, "missing")


def period_of_count_s(blueprint: Blueprint) -> int:
    """A period with at least one count in it."""
    return max(FIVE_MINUTES_S, blueprint.settings.monitoring.open_connections.every_minutes * 60)


def _of_lost_events(blueprint: Blueprint) -> Iterator[Watch]:
    settings, limit = blueprint.settings, blueprint.settings.monitoring.thresholds.lost_events
    if settings.monitoring.counts_connections:
        says = (
            "Open connections are not counted: the function failed three times, and Lambda dropped the event."
        )
        metric = of_function(blueprint, OPEN_CONNECTIONS, "AsyncEventsDropped")
        yield Watch("lost-counts", metric, limit, says)
    if settings.chime.events:
        says = "Events of Chime are lost: EventBridge cannot write them to their log group."
        rule = {"RuleName": blueprint.names.chime_event_rule}
        yield Watch("lost-chime-events", Metric("AWS/Events", "FailedInvocations", rule), limit, says)
    if settings.broadcast.distributed.enabled:
        says = "A distributed broadcast failed: some connections did not get the message. It can be resumed."
        machine = StateMachine.arn.of(blueprint.place, blueprint.names.broadcast_state_machine)
        metric = Metric("AWS/States", "ExecutionsFailed", {"StateMachineArn": machine})
        yield Watch("failed-broadcasts", metric, limit, says)
