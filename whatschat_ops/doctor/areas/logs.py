"""The log groups: are they there, and how long do they keep what is written."""

from __future__ import annotations

from typing import Final

from whatschat_ops.doctor.areas.stack import THERE
from whatschat_ops.doctor.drift import drift_check

GROUPS: Final = "WS060"

CHECKS: Final = (
    drift_check(
        GROUPS,
        "websocket.log-groups",
        "Do the log groups exist?",
        ("log_group.*:",),
        "All log groups exist.",
        "A log group does not exist",
        THERE,
        "A log group was deleted: Lambda creates it again without a retention, and API Gateway drops its access log.",
    ),
    drift_check(
        "WS061",
        "websocket.log-retention",
        "Do the logs expire as the settings say?",
        ("log_group.*:retention_days",),
        "Every log group has the retention of the settings.",
        "A log group keeps its events for another time than the settings say",
        (*THERE, GROUPS),
        "The retention was changed or removed: logs that never expire cost money for ever.",
    ),
)
