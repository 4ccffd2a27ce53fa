"""A CloudWatch log group with a retention."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from whatschat_ops.config.names import STACK_TAG
from whatschat_ops.errors import NotFound
from whatschat_ops.provision import Field, Kind, Live, contains
from whatschat_ops.stack.kinds.context import Context

FUNCTION_GROUPS = "/aws/lambda/"


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
            tags = self._context.tags_of(arn, lambda: self._tags(arn))
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
        self._set_retention(desired)  # which CloudWatch does only for a group that it knows
        arn = self._context.place.log_group(desired["group_name"])
        return Live(arn, dict(desired), {"arn": arn}, desired["tags"].get(STACK_TAG))

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

    def _tags(self, arn: str) -> Mapping[str, str]:
        found: Mapping[str, str] = self._logs.list_tags_for_resource(resourceArn=arn).get("tags", {})
        return found

    def _find(self, name: str) -> Any:
        groups = list_log_groups(self._context, _listed_with(name))
        return next((group for group in groups if group["logGroupName"] == name), None)


def list_log_groups(context: Context, prefix: str) -> Iterator[Mapping[str, Any]]:
    """Every log group whose name begins so."""
    for page in context.pages("logs", "describe_log_groups", logGroupNamePrefix=prefix):
        yield from page["logGroups"]


def _listed_with(name: str) -> str:
    """The prefix to list a group by: those of functions that are named alike (`websocket-connect`) come together."""
    alike, dash, _ = name.rpartition("-")
    return f"{alike}-" if dash and name.startswith(FUNCTION_GROUPS) else name
