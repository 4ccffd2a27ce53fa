"""Kinds of resources that ministack 1.5.33 tags, and forgets when the tagging service is asked what is tagged.

AWS's GetResources knows log groups and SSM parameters, too (Resource Groups Tagging API, "Supported services"). The
modules of ministack are handed in.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Tagged = tuple[str, list[dict[str, str]]]
"""ARN and tags, as ministack's collectors give them."""


def install(tagging: Any, cloudwatch_logs: Any) -> None:
    """Add the missing collectors."""

    def log_groups() -> Iterator[Tagged]:
        for group in cloudwatch_logs._log_groups.values():
            yield group["arn"].removesuffix(":*"), tagging._normalise_flat(group.get("tags"))

    tagging._COLLECTORS.setdefault("logs", log_groups)
    tagging._COLLECTORS.setdefault("ssm", tagging._collect_ssm)
