"""A CloudWatch log group with a retention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from whatschat_ops.config.names import STACK_TAG
from whatschat_ops.errors import NotFound
from whatschat_ops.provision import Field, Kind, Live, contains
from whatschat_ops.stack.kinds.context import Context


class LogGroup(Kind):
    """`retention_days` None means that logs never expire."""

    name = "log_group"
    identity = ("group_name",)
    fields: ClassVar[Mapping[str, Field]] = {
        "group_name": Field(),
        "retention_days": Field(),
        "tags": Field(matches=contains),
    }

    def __init__(self, context: Context) -> None:
        self._context = context

    @property
    def _logs(self) -> Any:
        return self._context.client("logs")

    def read(self, identity: Mapping[str, Any]) -> Live | None:
        name = identity["group_name"]
        group = self._find(name)
        if group is None:
            return None
        arn = group["arn"].removesuffix(":*")
        try:
            tags = self._logs.list_tags_for_resource(resourceArn=arn).get("tags", {})
        except NotFound:  # deleted in the meantime
            return None
        return Live(
            id=arn,
            fields={"group_name": name, "retention_days": group.get("retentionInDays"), "tags": tags},
            outputs={"arn": arn},
            owner=tags.get(STACK_TAG),
        )

    def create(self, desired: Mapping[str, Any]) -> Live:
        self._logs.create_log_group(logGroupName=desired["group_name"], tags=desired["tags"])
        self._set_retention(desired)
        return self._context.waiting.until(
            f"the log group {desired['group_name']} does not appear", lambda: self.read(desired), timeout_s=60
        )

    def update(self, live: Live, desired: Mapping[str, Any], changed: frozenset[str]) -> Live:
        if "tags" in changed:
            self._logs.tag_resource(resourceArn=live.id, tags=desired["tags"])
        if "retention_days" in changed:
            self._set_retention(desired)
        return Live(live.id, {**live.fields, **desired}, live.outputs, live.owner)

    def delete(self, live: Live) -> None:
        try:
            self._logs.delete_log_group(logGroupName=live.fields["group_name"])
        except NotFound:
            return

    def _set_retention(self, desired: Mapping[str, Any]) -> None:
        self._logs.put_retention_policy(
            logGroupName=desired["group_name"], retentionInDays=desired["retention_days"]
        )

    def _find(self, name: str) -> Any:
        for page in self._logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name):
            for group in page["logGroups"]:
                if group["logGroupName"] == name:
                    return group
        return None
