"""The format of the stage's access log: one line of JSON for each connection, message and disconnection.

The variables are those that API Gateway documents for WebSocket APIs (developer guide, websocket-api-logging). The
query string is not among them, so a token given as `?token=` is never logged. `integrationRequestId` is the `requestId`
of the function's own line: API Gateway's `requestId` is not in it. `userAgent` stands last, since the client chooses it and
whether API Gateway escapes a quote in it is not documented: what stands before it can be read all the same.
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
    "connectedAt": "$context.connectedAt",
    "messageId": "$context.messageId",
    "integrationRequestId": "$context.integration.requestId",
    "userAgent": "$context.identity.userAgent",
}
"""Key in the log line -> API Gateway's variable (milliseconds for times and latencies)."""

ACCESS_LOG_FORMAT: Final = json.dumps(FIELDS, separators=(",", ":"))
"""What the stage is given: a single line, which API Gateway demands."""
