"""The format of the stage's access log: one line of JSON for each connection, message and disconnection.

The variables are those that API Gateway documents for WebSocket APIs (developer guide, websocket-api-logging). The
query string is not among them, so a token given as `?token=` is never logged.
"""

from __future__ import annotations

import json
from typing import Final

FIELDS: Final = {
    "requestId": "$context.requestId",
    "requestTime": "$context.requestTimeEpoch",
    "eventType": "$context.eventType",
    "routeKey": "$context.routeKey",
    "connectionId": "$context.connectionId",
    "status": "$context.status",
    "integrationStatus": "$context.integration.status",
    "integrationLatency": "$context.integration.latency",
    "integrationError": "$context.integration.error",
    "error": "$context.error.message",
    "sourceIp": "$context.identity.sourceIp",
}
"""Key in the log line -> API Gateway's variable (milliseconds for times and latencies)."""

ACCESS_LOG_FORMAT: Final = json.dumps(FIELDS, separators=(",", ":"))
"""What the stage is given: a single line, which API Gateway demands."""
