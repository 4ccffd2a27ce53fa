"""The rows of the table of corrections for EventBridge."""

from __future__ import annotations

from typing import Final

from whatschat_ops.local.control.correction import Correction
from whatschat_ops.local.control.eventbridge import Rules

EVENTS: Final = (
    Correction(
        what="a rule delivers without the permission of its target; log groups and nine other kinds of targets are accepted and get nothing; entries without a source, type or valid detail are delivered; `rate(0 minutes)` is a schedule; schedules do not follow the local clock",
        why="the policies of functions, queues, topics and log groups and the roles of targets are checked; log groups get events; the others, dead-letter queues, other accounts and parameters of other targets are refused; InvalidArgument and MalformedDetail for entries; ValidationException",
        source="EventBridge User Guide, Using resource-based policies for Amazon EventBridge; Event bus targets",
        replaces=(
            "eventbridge._invoke_target",
            "eventbridge._now_ts",
            "eventbridge._put_events",
            "eventbridge._put_targets",
            "eventbridge._validate_schedule_expression",
        ),
        apply=lambda modules, parts: Rules(modules, parts).install(),
    ),
)
