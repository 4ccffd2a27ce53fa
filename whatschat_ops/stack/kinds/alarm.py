"""A CloudWatch alarm on one metric. PutMetricAlarm replaces all of it but its tags and its state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from whatschat_ops.config.names import STACK_TAG
from whatschat_ops.errors import NotFound
from whatschat_ops.provision import Live, Resource, contains
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.iam_documents import Document, actions, allow
from whatschat_ops.stack.kinds.context import AwsKind, tag_list, tag_list_property, tag_map
from whatschat_ops.stack.kinds.declaration import (
    ArnPattern,
    AwsField,
    CloudFormationType,
    Granted,
    Properties,
)

_PARAMETERS: Final[Mapping[str, str]] = {
    "alarm_name": "AlarmName",
    "description": "AlarmDescription",
    "namespace": "Namespace",
    "metric_name": "MetricName",
    "period_s": "Period",
    "evaluation_periods": "EvaluationPeriods",
    "datapoints_to_alarm": "DatapointsToAlarm",
    "threshold": "Threshold",
    "comparison": "ComparisonOperator",
    "missing_data": "TreatMissingData",
    "alarm_actions": "AlarmActions",
    "ok_actions": "OKActions",
    "enabled": "ActionsEnabled",
}
"""Field -> parameter of PutMetricAlarm, member of DescribeAlarms and CloudFormation property: AWS calls all three alike."""


class Alarm(AwsKind):
    """`dimensions` is name -> value; `statistic` one of CloudWatch's (`Sum`) or a percentile (`p99`). The metric's unit is not
    looked at. `alarm_actions` and `ok_actions` are ARNs of topics. Names begin with `<stack>/`, by which they are listed.
    """

    name = "alarm"
    service = "cloudwatch"
    identity = ("alarm_name",)
    fields: ClassVar[Mapping[str, AwsField]] = {
        **{field: AwsField(cfn=parameter) for field, parameter in _PARAMETERS.items()},
        "dimensions": AwsField(cfn=lambda dimensions: _dimensions(dimensions)),
        "statistic": AwsField(cfn=lambda statistic: _statistic(statistic)),
        "tags": AwsField(matches=contains, cfn=tag_list_property),
    }
    arn: ClassVar[ArnPattern] = ArnPattern("arn:{partition}:cloudwatch:{region}:{account}:alarm:{name}")
    operator_sid = "Alarms"
    operator_actions = actions("cloudwatch", "PutMetricAlarm DeleteAlarms TagResource ListTagsForResource")
    template = (CloudFormationType("AWS::CloudWatch::Alarm"),)

    @classmethod
    def arns(cls, resource: Resource, place: Place) -> list[str]:
        """All of the stack's: those of settings that were turned off are deleted, too."""
        stack, slash, _ = resource.fields["alarm_name"].partition("/")
        return [cls.arn.of(place, f"{stack}{slash}*")]

    @classmethod
    def operator_statements(cls, granted: Granted) -> Iterator[Document]:
        """Also the listing by prefix, which is no single alarm's."""
        yield from super().operator_statements(granted)
        yield allow("Anywhere", ["cloudwatch:DescribeAlarms"], "*")

    def read(self, identity: Mapping[str, Any]) -> Live | None:
        found = self._find(identity["alarm_name"])
        if found is None:
            return None
        arn = found["AlarmArn"]
        try:
            tags = self._context.tags_of(arn, lambda: self._tags(arn))
        except NotFound:  # deleted in the meantime
            return None
        firing = f"ALARM: {found.get('StateReason', '')}" if found.get("StateValue") == "ALARM" else None
        fields = {**_fields(found), "tags": tags}
        return Live(arn, fields, {"arn": arn}, tags.get(STACK_TAG), state=firing)

    def create(self, desired: Mapping[str, Any]) -> Live:
        self._client.put_metric_alarm(**_request(desired), Tags=tag_list(desired["tags"]))
        arn = self.arn.of(self._context.place, desired["alarm_name"])
        return Live(arn, dict(desired), {"arn": arn}, desired["tags"].get(STACK_TAG))

    def update(self, live: Live, desired: Mapping[str, Any], changed: frozenset[str]) -> Live:
        if "tags" in changed:
            self._client.tag_resource(ResourceARN=live.id, Tags=tag_list(desired["tags"]))
        if changed - {"tags"}:
            self._client.put_metric_alarm(**_request(desired))
        return Live(live.id, {**live.fields, **desired}, live.outputs, live.owner)

    def delete(self, live: Live) -> None:
        try:
            self._client.delete_alarms(AlarmNames=[live.fields["alarm_name"]])
        except NotFound:
            return

    def _find(self, name: str) -> Any:
        stack, slash, _ = name.partition("/")
        pages = self._context.pages(
            "cloudwatch", "describe_alarms", AlarmNamePrefix=f"{stack}{slash}", AlarmTypes=["MetricAlarm"]
        )
        alarms = (alarm for page in pages for alarm in page["MetricAlarms"])
        return next((alarm for alarm in alarms if alarm["AlarmName"] == name), None)

    def _tags(self, arn: str) -> Mapping[str, str]:
        return tag_map(self._client.list_tags_for_resource(ResourceARN=arn).get("Tags", []))


def _request(desired: Mapping[str, Any]) -> dict[str, Any]:
    given = {parameter: desired[field] for field, parameter in _PARAMETERS.items()}
    return {**given, **_dimensions(desired["dimensions"]), **_statistic(desired["statistic"])}


def _fields(found: Mapping[str, Any]) -> dict[str, Any]:
    """An alarm as DescribeAlarms shows it. One that was made by hand may lack what we always give."""
    return {
        **{field: found.get(parameter) for field, parameter in _PARAMETERS.items()},
        "dimensions": {each["Name"]: each["Value"] for each in found.get("Dimensions") or ()},
        "statistic": found.get("ExtendedStatistic") or found.get("Statistic"),
    }


def _dimensions(dimensions: Mapping[str, Any]) -> Properties:
    return {"Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()]}


def _statistic(statistic: str) -> Properties:
    return {"ExtendedStatistic" if statistic.startswith("p") else "Statistic": statistic}
