"""Which metrics are shown of an API, a function and a table, as data.

Names and statistics: API Gateway Developer Guide, "Monitor WebSocket API execution with CloudWatch metrics"; Lambda Developer
Guide, "Types of metrics for Lambda functions"; DynamoDB Developer Guide, "DynamoDB metrics and dimensions"; Chime SDK Developer
Guide, "Service usage metrics".
"""

from __future__ import annotations

from typing import Final, NamedTuple

GATEWAY: Final = "AWS/ApiGateway"
LAMBDA: Final = "AWS/Lambda"
DYNAMODB: Final = "AWS/DynamoDB"
CHIME: Final = "AWS/ChimeSDK"
USAGE: Final = "AWS/Usage"


class Shown(NamedTuple):
    """A figure's name, and the metric and statistic that it is."""

    name: str
    metric: str
    statistic: str = "Sum"
    unit: str = ""


_LATENCIES: Final = (("p50", "p50"), ("p95", "p95"), ("p99", "p99"), ("longest", "Maximum"))


def _latency(name: str, metric: str) -> tuple[Shown, ...]:
    return tuple(Shown(f"{name} {label}", metric, statistic, "ms") for label, statistic in _LATENCIES)


CONNECTS: Final = Shown("Connects", "ConnectCount")
MESSAGES: Final = Shown("Messages", "MessageCount")
CLIENT_ERRORS: Final = Shown("Client errors", "ClientError")
INTEGRATION_ERRORS: Final = Shown("Integration errors", "IntegrationError")
EXECUTION_ERRORS: Final = Shown("Execution errors", "ExecutionError")
API_COUNTS: Final = (CONNECTS, MESSAGES, CLIENT_ERRORS, INTEGRATION_ERRORS, EXECUTION_ERRORS)
API: Final = (*API_COUNTS, *_latency("Latency", "IntegrationLatency"))

ROUTE: Final = (*API_COUNTS, Shown("Latency p95", "IntegrationLatency", "p95", "ms"))
"""Of a route with detailed metrics."""

INVOCATIONS: Final = Shown("Invocations", "Invocations")
FUNCTION_ERRORS: Final = Shown("Errors", "Errors")
THROTTLES: Final = Shown("Throttles", "Throttles")
CONCURRENCY: Final = Shown("Concurrent executions", "ConcurrentExecutions", "Maximum")
FUNCTION: Final = (INVOCATIONS, FUNCTION_ERRORS, THROTTLES, *_latency("Duration", "Duration"), CONCURRENCY)

TABLE: Final = (
    Shown("TTL deletions", "TimeToLiveDeletedItemCount"),
    Shown("Read units", "ConsumedReadCapacityUnits"),
    Shown("Write units", "ConsumedWriteCapacityUnits"),
    Shown("Read throttles", "ReadThrottleEvents"),
    Shown("Write throttles", "WriteThrottleEvents"),
)
TABLE_OPERATIONS: Final = (
    Shown("Requests", "SuccessfulRequestLatency", "SampleCount"),
    Shown("Throttled requests", "ThrottledRequests"),
    Shown("System errors", "SystemErrors"),
)
"""Metrics that a table has for each operation: their sums are shown."""

CALLS: Final = (
    Shown("API calls", "CallCount"),
    Shown("API errors", "ErrorCount"),
    Shown("API throttles", "ThrottleCount"),
)
"""Of AWS/Usage, for each operation of Chime SDK: their sums are shown."""
