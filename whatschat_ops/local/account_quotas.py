"""The quotas of the account of the embedded AWS, by their codes in Service Quotas.

Only those that bound a WebSocket API, Chime meetings and their functions; what AWS has besides is not found. Values and
names: the Service Quotas pages named in `whatschat_ops.quotas`, lists of accounts as others published them in 2026.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from whatschat_ops import quotas
from whatschat_ops.local.layout import write_private

SERVICE_NAMES: Final = {
    "apigateway": "Amazon API Gateway",
    "chime": "Amazon Chime",
    "dynamodb": "Amazon DynamoDB",
    "lambda": "AWS Lambda",
    "logs": "Amazon CloudWatch Logs",
}
CONCURRENT_EXECUTIONS: Final = "L-B99A9384"
CONCURRENT_MEETINGS: Final = "L-9F286451"
MIN_CHANGED: Final = {CONCURRENT_EXECUTIONS: 10, CONCURRENT_MEETINGS: 1}
"""The quotas that can be changed, because they are applied here, and their least values: AWS gives a new account as few
as 10 concurrent executions."""


@dataclass(frozen=True, slots=True)
class Quota:
    """One quota and its default."""

    service: str
    code: str
    name: str
    value: float
    unit: str = "None"
    adjustable: bool = False


def _of_calls(operation: str, rate_code: str, burst_code: str) -> tuple[Quota, Quota]:
    name = f"Amazon Chime SDK meetings - {operation} API"
    return (
        Quota("chime", rate_code, f"{name} rate in requests per second", quotas.CHIME_API.rate_per_s),
        Quota("chime", burst_code, f"{name} burst rate in requests per second", quotas.CHIME_API.burst),
    )


_CHIME = "Amazon Chime SDK meetings - "

QUOTAS: Final = (
    Quota("apigateway", "L-8A5B8E43", "Throttle rate", quotas.API_REQUESTS.rate_per_s, adjustable=True),
    Quota("apigateway", "L-CDF5615A", "Throttle burst rate", quotas.API_REQUESTS.burst),
    Quota(
        "apigateway",
        "L-9ED1E49A",
        "WebSocket new connections rate",
        quotas.NEW_CONNECTIONS_PER_S,
        adjustable=True,
    ),
    Quota("apigateway", "L-E1465507", "WebSocket new connections burst rate", quotas.NEW_CONNECTIONS_PER_S),
    Quota(
        "apigateway",
        "L-A6CCE716",
        "Connection duration for WebSocket API",
        quotas.MAX_CONNECTION_S,
        "Seconds",
    ),
    Quota("apigateway", "L-60AC41CD", "WebSocket Idle Connection Timeout", quotas.MAX_IDLE_S, "Seconds"),
    Quota("apigateway", "L-E11F7D5D", "WebSocket frame size", quotas.MAX_FRAME_BYTES / 1024, "Kilobytes"),
    Quota(
        "apigateway",
        "L-FD0EB744",
        "WebSocket message payload size",
        quotas.MAX_MESSAGE_BYTES / 1024,
        "Kilobytes",
    ),
    Quota(
        "apigateway",
        "L-E5AE38E3",
        "Maximum integration timeout in milliseconds",
        quotas.MAX_INTEGRATION_TIMEOUT_MS,
        "Milliseconds",
        adjustable=True,
    ),
    Quota("apigateway", "L-01C8A9E0", "Resources/Routes per REST/WebSocket API", 300, adjustable=True),
    Quota("apigateway", "L-379E48B0", "Stages per API", 10, adjustable=True),
    Quota("apigateway", "L-20859C74", "AWS Lambda authorizer result size", 8, "Kilobytes"),
    Quota("apigateway", "L-AA0FF27B", "Regional APIs", 600),
    Quota("apigateway", "L-A93447B8", "Custom Domain Names", 120, adjustable=True),
    Quota(
        "chime",
        CONCURRENT_MEETINGS,
        f"{_CHIME}Concurrent meeting quota",
        quotas.CHIME_MEETINGS,
        adjustable=True,
    ),
    Quota(
        "chime",
        "L-A5C73716",
        "Amazon Chime SDK meetings (legacy endpoint) - Concurrent meeting quota",
        quotas.CHIME_MEETINGS,
    ),
    Quota("chime", "L-B1CE561B", f"{_CHIME}Attendees per meeting", quotas.CHIME_ATTENDEES),
    Quota("chime", "L-154D84D0", f"{_CHIME}Replica meetings per primary meeting", quotas.CHIME_REPLICAS),
    Quota("chime", "L-AC1D2091", f"{_CHIME}Concurrent video streams published per meeting", 25),
    *_of_calls("All meeting management", "L-F147F728", "L-63907FE3"),
    *_of_calls("CreateMeeting", "L-8A6E3C7B", "L-FE9F896D"),
    *_of_calls("CreateMeetingWithAttendees", "L-5F1ABF39", "L-91426809"),
    *_of_calls("GetMeeting", "L-6FAB55D2", "L-58F5D62D"),
    *_of_calls("DeleteMeeting", "L-48F4CA7A", "L-A42FC7C2"),
    *_of_calls("CreateAttendee", "L-563605EA", "L-6B38EB2F"),
    *_of_calls("BatchCreateAttendees", "L-7B4DA565", "L-98193B78"),
    _of_calls("DeleteAttendee", "", "L-398B2BD6")[1],  # the code of its rate is not published
    *_of_calls("ListAttendees", "L-37BA0833", "L-C875D9AA"),
    *_of_calls("UpdateAttendeeCapabilities", "L-3CC08C2F", "L-674630CB"),
    *_of_calls("BatchUpdateAttendeeCapabilitiesExcept", "L-44BD764A", "L-7846C766"),
    *_of_calls("TagResource", "L-3BB10AA7", "L-DA021F73"),
    *_of_calls("ListTagsForResource", "L-B103920E", "L-E79A53C7"),
    Quota("dynamodb", "L-F98FE922", "Maximum number of tables", quotas.DYNAMODB_TABLES, adjustable=True),
    Quota("dynamodb", "L-F7858A77", "Global Secondary Indexes per table", 20, adjustable=True),
    Quota("lambda", CONCURRENT_EXECUTIONS, "Concurrent executions", 1_000, adjustable=True),
    Quota("lambda", "L-2ACBD22F", "Function and layer storage", 75, "Gigabytes", adjustable=True),
    Quota(
        "lambda",
        "L-6581F036",
        "Environment variable size",
        quotas.MAX_FUNCTION_ENVIRONMENT_BYTES / 1024,
        "Kilobytes",
    ),
    Quota("logs", "L-D6990B80", "Live Tail concurrent sessions limit", 15, adjustable=True),
    Quota("logs", "L-C7B9AAAB", "Log groups", 1_000_000, adjustable=True),
)


class AccountQuotas:
    """The quotas of the account in each Region; `path` keeps those that were changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed: dict[str, dict[str, int]] = _read(path)

    def value(self, region: str, quota: Quota) -> float:
        """The value in effect."""
        return self._changed.get(region, {}).get(quota.code, quota.value)

    def concurrent_executions(self, region: str) -> int:
        """How many functions may run at once in the Region (lambda-quotas, L-B99A9384)."""
        return self._changed.get(region, {}).get(CONCURRENT_EXECUTIONS, 1_000)

    def concurrent_meetings(self, region: str) -> int:
        """How many Chime meetings there may be at once in the control Region (chime-quotas, L-9F286451)."""
        return self._changed.get(region, {}).get(CONCURRENT_MEETINGS, quotas.CHIME_MEETINGS)

    def change(self, region: str, code: str, value: int) -> None:
        """Change a quota of `MIN_CHANGED`, from the next request on. Raises OSError."""
        changed = {**self._changed, region: {**self._changed.get(region, {}), code: value}}
        write_private(self._path, json.dumps(changed) + "\n")
        self._changed = changed


def _read(path: Path) -> dict[str, dict[str, int]]:
    """What was changed; nothing, if the file is damaged: then the defaults are in effect."""
    try:
        return {str(region): _codes(values) for region, values in json.loads(path.read_bytes()).items()}
    except (OSError, ValueError, RecursionError, AttributeError, TypeError):
        return {}


def _codes(values: Any) -> dict[str, int]:
    """A number is the concurrent executions, the only quota that earlier versions could change."""
    changed = values if isinstance(values, dict) else {CONCURRENT_EXECUTIONS: values}
    return {str(code): int(value) for code, value in changed.items()}
