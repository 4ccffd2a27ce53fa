"""Resources that ministack 1.5.33 tags, but does not return from the tagging service.

AWS's GetResources also returns log groups, SSM parameters and alarms (Resource Groups Tagging API, "Supported services").
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Tagged = tuple[str, list[dict[str, str]]]
"""ARN and tags, in the format of ministack's collectors."""


def install(tagging: Any, cloudwatch_logs: Any, cloudwatch: Any) -> None:
    """Add the missing collectors."""

    def log_groups() -> Iterator[Tagged]:
        for group in cloudwatch_logs._log_groups.values():
            yield group["arn"].removesuffix(":*"), tagging._normalise_flat(group.get("tags"))

    def alarms() -> Iterator[Tagged]:
        for alarm in cloudwatch._alarms.values():
            yield alarm["AlarmArn"], tagging._normalise_flat(cloudwatch._resource_tags.get(alarm["AlarmArn"]))

    tagging._COLLECTORS.setdefault("logs", log_groups)
    tagging._COLLECTORS.setdefault("cloudwatch", alarms)
    tagging._COLLECTORS.setdefault("ssm", tagging._collect_ssm)
