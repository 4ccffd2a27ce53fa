"""The rows of the table of corrections for EventBridge."""

from __future__ import annotations

from typing import Final

from whatschat_ops.local.control.correction import Correction
from whatschat_ops.local.control.eventbridge import Rules

EVENTS: Final = (
    Correction(
        what="a rule delivers without the permission of its target; log groups and nine other kinds of targets are accepted and get nothing",
        why="the policies of functions, queues, topics and log groups and the roles of targets are checked; log groups get events; the others, and dead-letter queues, are refused",
        source="EventBridge User Guide, Using resource-based policies for Amazon EventBridge; Event bus targets",
        replaces=("eventbridge._invoke_target", "eventbridge._put_targets"),
        apply=lambda modules, parts: Rules(modules, parts).install(),
    ),
)
