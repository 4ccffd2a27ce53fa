"""A rule of EventBridge's default bus, for a pattern or on a schedule, with one target of ours. Targets that others add stay until the rule is deleted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from whatschat_ops.config.names import STACK_TAG
from whatschat_ops.errors import AwsError, NotFound
from whatschat_ops.provision import Live, contains
from whatschat_ops.stack.iam_documents import actions
from whatschat_ops.stack.kinds.context import AwsKind, tag_list, tag_list_property, tag_map
from whatschat_ops.stack.kinds.declaration import ArnPattern, AwsField, CloudFormationType

TARGET_ID: Final = "whatschat-ops"


class EventRule(AwsKind):
    """`event_pattern` is the pattern as data; `schedule` an expression (`rate(5 minutes)`): one of the two is None. EventBridge refuses to delete a rule that has targets."""

    name = "event_rule"
    service = "events"
    identity = ("rule_name",)
    fields: ClassVar[Mapping[str, AwsField]] = {
        "rule_name": AwsField(cfn="Name"),
        "event_pattern": AwsField(cfn="EventPattern"),
        "schedule": AwsField(cfn="ScheduleExpression"),
        "state": AwsField(cfn="State"),
        "target_arn": AwsField(cfn=lambda arn: {"Targets": [{"Id": TARGET_ID, "Arn": arn}]}),
        "tags": AwsField(matches=contains, cfn=tag_list_property),
    }
    arn: ClassVar[ArnPattern] = ArnPattern("arn:{partition}:events:{region}:{account}:rule/{name}")
    operator_sid = "EventRules"
    operator_actions = actions(
        "events",
        "PutRule DescribeRule DeleteRule PutTargets RemoveTargets ListTargetsByRule TagResource ListTagsForResource",
    )
    template = (CloudFormationType("AWS::Events::Rule"),)

    def read(self, identity: Mapping[str, Any]) -> Live | None:
        name = identity["rule_name"]
        try:
            rule = self._client.describe_rule(Name=name)
            targets = self._targets(name)
            tags = self._context.tags_of(rule["Arn"], lambda: self._tags(rule["Arn"]))
        except NotFound:
            return None
        fields = {
            "rule_name": name,
            "event_pattern": json.loads(rule.get("EventPattern") or "null"),
            "schedule": rule.get("ScheduleExpression") or None,
            "state": rule.get("State"),
            "target_arn": next((each["Arn"] for each in targets if each["Id"] == TARGET_ID), None),
            "tags": tags,
        }
        return Live(rule["Arn"], fields, {"arn": rule["Arn"]}, tags.get(STACK_TAG))

    def create(self, desired: Mapping[str, Any]) -> Live:
        answer = self._put_rule(desired, Tags=tag_list(desired["tags"]))
        self._put_target(desired)
        arn = answer["RuleArn"]
        return Live(arn, dict(desired), {"arn": arn}, desired["tags"].get(STACK_TAG))

    def update(self, live: Live, desired: Mapping[str, Any], changed: frozenset[str]) -> Live:
        if "tags" in changed:
            self._client.tag_resource(ResourceARN=live.id, Tags=tag_list(desired["tags"]))
        if changed & {"event_pattern", "schedule", "state"}:
            self._put_rule(desired)
        if "target_arn" in changed:
            self._put_target(desired)
        return Live(live.id, {**live.fields, **desired}, live.outputs, live.owner)

    def delete(self, live: Live) -> None:
        name = live.fields["rule_name"]
        try:
            if ids := [target["Id"] for target in self._targets(name)]:
                _require_all(self._client.remove_targets(Rule=name, Ids=ids), "RemoveTargets")
            self._client.delete_rule(Name=name)
        except NotFound:
            return

    def _put_rule(self, desired: Mapping[str, Any], **more: Any) -> Any:
        pattern, schedule = desired["event_pattern"], desired["schedule"]
        when = {"EventPattern": json.dumps(pattern)} if pattern else {}
        when |= {"ScheduleExpression": schedule} if schedule else {}
        return self._client.put_rule(Name=desired["rule_name"], State=desired["state"], **when, **more)

    def _put_target(self, desired: Mapping[str, Any]) -> None:
        target = {"Id": TARGET_ID, "Arn": desired["target_arn"]}
        _require_all(self._client.put_targets(Rule=desired["rule_name"], Targets=[target]), "PutTargets")

    def _targets(self, name: str) -> list[Any]:
        pages = self._context.pages("events", "list_targets_by_rule", Rule=name)
        return [target for page in pages for target in page["Targets"]]

    def _tags(self, arn: str) -> Mapping[str, str]:
        return tag_map(self._client.list_tags_for_resource(ResourceARN=arn).get("Tags", []))


def _require_all(answer: Mapping[str, Any], operation: str) -> None:
    """EventBridge answers 200 when single targets failed."""
    for entry in answer.get("FailedEntries") or ():
        raise AwsError(
            f"{operation} failed for the target {entry.get('TargetId')}: {entry.get('ErrorMessage')}",
            aws_code=str(entry.get("ErrorCode", "")),
            operation=operation,
        )
