"""What ministack accepts and never reads: refused by name, by service and operation.

Found by comparing the input shapes of botocore's service models with what is read of them. Members without any effect
on what can be seen here (encryption keys, cross-account views of a single account) are accepted: docs/embedded-aws.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from whatschat_ops.local.control.request_checks import Check, Checks, Refusal

WHOLE: Final = "*"
"""In place of a member: the operation is not carried out."""

REFUSED: Final[Mapping[str, tuple[str, Mapping[str, tuple[str, ...]]]]] = {
    "cloudwatch": (
        "ValidationError",
        {
            "DescribeAlarms": ("ActionPrefix", "ChildrenOfAlarmName", "ParentsOfAlarmName"),
            "GetMetricData": ("LabelOptions",),
            "ListMetrics": ("OwningAccount",),
            "PutCompositeAlarm": ("ActionsSuppressor",),
            "PutMetricAlarm": ("EvaluationCriteria", "EvaluationInterval", "EvaluationWindow", "WarmUpConfiguration"),
            "PutMetricData": ("EntityMetricData",),
        },
    ),
    "dynamodb": (
        "ValidationException",
        {
            "ExportTableToPointInTime": ("FilterSpecification", "IncrementalExportSpecification"),
            "ListBackups": ("TimeRangeLowerBound", "TimeRangeUpperBound"),
            "PutResourcePolicy": (WHOLE,),
            "RestoreTableFromBackup": ("OnDemandThroughputOverride", "ProvisionedThroughputOverride", "SSESpecificationOverride"),
            "RestoreTableToPointInTime": ("OnDemandThroughputOverride", "ProvisionedThroughputOverride", "SSESpecificationOverride"),
        },
    ),
    "events": (
        "ValidationException",
        {
            "ActivateEventSource": (WHOLE,),
            "CreateConnection": ("AuthParameters.ConnectivityParameters", "InvocationConnectivityParameters"),
            "CreateEndpoint": (WHOLE,),
            "CreateEventBus": ("LogConfig",),
            "CreatePartnerEventSource": (WHOLE,),
            "PutPartnerEvents": (WHOLE,),
            "StartReplay": ("Destination.FilterArns",),
            "UpdateConnection": ("AuthParameters.ConnectivityParameters", "InvocationConnectivityParameters"),
            "UpdateEventBus": ("LogConfig",),
        },
    ),
    "iam": (
        "InvalidInput",
        {
            "ListPolicies": ("OnlyAttached",),
            "SimulateCustomPolicy": ("OrderedOrganizationPolicyInputList",),
            "SimulatePrincipalPolicy": ("PolicyExclusionList",),
        },
    ),
    "logs": (
        "ValidationException",
        {
            "CreateDelivery": (WHOLE,),
            "CreateLogGroup": ("deletionProtectionEnabled",),
            "PutSubscriptionFilter": ("applyOnTransformedLogs", "emitSystemFields", "fieldSelectionCriteria"),
        },
    ),
    "sns": ("InvalidParameter", {"CreateTopic": ("DataProtectionPolicy",)}),
    "sts": (
        "ValidationError",
        {
            "AssumeRole": ("ProvidedContexts", "SerialNumber", "SourceIdentity", "TokenCode", "TransitiveTagKeys"),
            "GetSessionToken": ("SerialNumber", "TokenCode"),
        },
    ),
}  # fmt: skip
"""Service -> AWS's error code for a value that is not accepted, and the members of the operations."""


def checks(service: str) -> Checks:
    """The checks of a service with a JSON or query protocol."""
    code, operations = REFUSED[service]
    return {name: _check(name, code, members) for name, members in operations.items()}


def _check(operation: str, code: str, members: tuple[str, ...]) -> Check:
    def check(given: Mapping[str, Any]) -> Refusal | None:
        if WHOLE in members:
            return code, f"{operation}: the embedded AWS does not carry out this operation."
        for name in members:
            if _is_set(given, name):
                return code, f"{name}: the embedded AWS does not support this parameter."
        return None

    return check


def _is_set(given: Any, path: str) -> bool:
    """Whether the document, or the form, has a value there that asks for something."""
    name, _, rest = path.partition(".")
    if not isinstance(given, Mapping):
        return False
    value = given.get(name)
    if value in (None, False, "false", [], {}):
        return any(key.startswith(f"{path}.") for key in given)
    return _is_set(value, rest) if rest else True
