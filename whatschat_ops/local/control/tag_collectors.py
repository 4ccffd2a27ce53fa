"""Resources that ministack 1.5.33 tags, but does not return from the tagging service.

AWS's GetResources also returns log groups and SSM parameters (Resource Groups Tagging API, "Supported services").
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Tagged = tuple[str, list[dict[str, str]]]
"""ARN and tags, in the format of ministack's collectors."""


def install(tagging: Any, cloudwatch_logs: Any) -> None:
    """Add the missing collectors."""

    def log_groups() -> Iterator[Tagged]:
        for group in cloudwatch_logs._log_groups.values():
            yield group["arn"].removesuffix(":*"), tagging._normalise_flat(group.get("tags"))

    tagging._COLLECTORS.setdefault("logs", log_groups)
    tagging._COLLECTORS.setdefault("ssm", tagging._collect_ssm)
