"""A CloudWatch log group with a retention."""

from __future__ import annotations

import json
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
EVENT_GROUPS = "/aws/events/"


class LogGroup(AwsKind):
    """`retention_days` None means that logs never expire. `resource_policy`, of a group of events, says which services may
    write to it; CloudWatch keeps one for each group, and deletes it with the group (API reference, PutResourcePolicy).
    """

    name = "log_group"
    service = "logs"
    identity = ("group_name",)
    fields: ClassVar[Mapping[str, AwsField]] = {
        "group_name": AwsField(cfn="LogGroupName"),
        "retention_days": AwsField(cfn="RetentionInDays"),
        "resource_policy": AwsField(cfn="ResourcePolicyDocument"),
        "tags": AwsField(matches=contains, cfn=tag_list_property),
    }
    arn: ClassVar[ArnPattern] = ArnPattern("arn:{partition}:logs:{region}:{account}:log-group:{name}")
    operator_sid = "Logs"
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
        """Also the listing and resource policies, for which IAM knows no resource."""
        yield from super().operator_statements(granted)
        policies = any("resource_policy" in group.fields for group in granted.resources)
        names = f"DescribeLogGroups {'DescribeResourcePolicies PutResourcePolicy' if policies else ''}"
        yield allow("Anywhere", actions("logs", names), "*")

    def read(self, identity: Mapping[str, Any]) -> Live | None:
        name = identity["group_name"]
        group = self._find(name)
        if group is None:
            return None
        arn = group["arn"].removesuffix(":*")
        try:
            tags = self._context.tags_of(arn, lambda: self._tags(arn))
            policy = self._policy(arn) if name.startswith(EVENT_GROUPS) else None
        except NotFound:  # deleted in the meantime
            return None
        document = {"resource_policy": json.loads(policy["policyDocument"])} if policy else {}
        fields = {"group_name": name, "retention_days": group.get("retentionInDays"), "tags": tags}
        return Live(arn, {**fields, **document}, {"arn": arn}, tags.get(STACK_TAG))

    def create(self, desired: Mapping[str, Any]) -> Live:
        self._client.create_log_group(logGroupName=desired["group_name"], tags=desired["tags"])
        self._set_retention(desired)  # which CloudWatch does only for a group that it knows
        arn = self.arn.of(self._context.place, desired["group_name"])
        self._set_policy(arn, desired)
        return Live(arn, dict(desired), {"arn": arn}, desired["tags"].get(STACK_TAG))

    def update(self, live: Live, desired: Mapping[str, Any], changed: frozenset[str]) -> Live:
        if "tags" in changed:
            self._client.tag_resource(resourceArn=live.id, tags=desired["tags"])
        if "retention_days" in changed:
            self._set_retention(desired)
        if "resource_policy" in changed:
            self._set_policy(live.id, desired)
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

    def _policy(self, arn: str) -> Any:
        """The group's own policy, or None."""
        answer = self._client.describe_resource_policies(resourceArn=arn, policyScope="RESOURCE")
        return next(iter(answer.get("resourcePolicies") or ()), None)

    def _set_policy(self, arn: str, desired: Mapping[str, Any]) -> None:
        if "resource_policy" not in desired:
            return
        there = self._policy(arn)
        revision = {"expectedRevisionId": there["revisionId"]} if there else {}
        self._client.put_resource_policy(
            resourceArn=arn, policyDocument=json.dumps(desired["resource_policy"]), **revision
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
