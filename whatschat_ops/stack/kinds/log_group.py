"""A CloudWatch log group with a retention."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from whatschat_ops.config.names import STACK_TAG
from whatschat_ops.errors import NotFound
from whatschat_ops.provision import Live, Resource, contains
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.iam_documents import Document, actions, allow
from whatschat_ops.stack.kinds.context import AwsKind, Context, tag_list_property
from whatschat_ops.stack.kinds.declaration import ArnPattern, AwsField, CloudFormationType, Granted, retained

FUNCTION_GROUPS = "/aws/lambda/"


class LogGroup(AwsKind):
    """`retention_days` None means that logs never expire."""

    name = "log_group"
    service = "logs"
    identity = ("group_name",)
    fields: ClassVar[Mapping[str, AwsField]] = {
        "group_name": AwsField(cfn="LogGroupName"),
        "retention_days": AwsField(cfn="RetentionInDays"),
        "tags": AwsField(matches=contains, cfn=tag_list_property),
    }
    arn: ClassVar[ArnPattern] = ArnPattern("arn:{partition}:logs:{region}:{account}:log-group:{name}")
    operator_sid = "LogGroups"
    operator_actions = actions(
        "logs", "CreateLogGroup DeleteLogGroup PutRetentionPolicy TagResource ListTagsForResource"
    )
    template = (CloudFormationType("AWS::Logs::LogGroup", attributes=retained("Delete")),)

    @classmethod
    def arns(cls, resource: Resource, place: Place) -> list[str]:
        """Some of the actions are checked on the ARN with `:*` at its end."""
        return [f"{arn}{end}" for arn in super().arns(resource, place) for end in ("", ":*")]

    @classmethod
    def operator_statements(cls, granted: Granted) -> Iterator[Document]:
        """Also the listing, which knows no resource."""
        yield from super().operator_statements(granted)
        yield allow("Anywhere", ["logs:DescribeLogGroups"], "*")

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
        self._client.create_log_group(logGroupName=desired["group_name"], tags=desired["tags"])
        self._set_retention(desired)  # which CloudWatch does only for a group that it knows
        arn = self.arn.of(self._context.place, desired["group_name"])
        return Live(arn, dict(desired), {"arn": arn}, desired["tags"].get(STACK_TAG))

    def update(self, live: Live, desired: Mapping[str, Any], changed: frozenset[str]) -> Live:
        if "tags" in changed:
            self._client.tag_resource(resourceArn=live.id, tags=desired["tags"])
        if "retention_days" in changed:
            self._set_retention(desired)
        return Live(live.id, {**live.fields, **desired}, live.outputs, live.owner)

    def delete(self, live: Live) -> None:
        try:
            self._client.delete_log_group(logGroupName=live.fields["group_name"])
        except NotFound:
            return

    def _set_retention(self, desired: Mapping[str, Any]) -> None:
        self._client.put_retention_policy(
            logGroupName=desired["group_name"], retentionInDays=desired["retention_days"]
        )

    def _tags(self, arn: str) -> Mapping[str, str]:
        found: Mapping[str, str] = self._client.list_tags_for_resource(resourceArn=arn).get("tags", {})
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
