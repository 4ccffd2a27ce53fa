"""A recorded call as CloudTrail shows it: the entry of LookupEvents, with the whole event as JSON.

Fields: CloudTrail user guide, "CloudTrail record contents".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qs

from whatschat_ops.local.cloudtrail.operations import rest_operation
from whatschat_ops.local.cloudtrail.recorder import Caller, RecordedCall
from whatschat_ops.local.control.wire import camel, is_read_only
from whatschat_ops.local.layout import ACCOUNT_ID

HIDDEN: Final = "HIDDEN_DUE_TO_SECURITY_REASONS"
# A form has paths as names: `Parameters.member.1.ParameterValue`, `Attributes.entry.1.value`.
_SECRET: Final = re.compile(
    r"(.*\.)?(value|parametervalue|secretstring|secretbinary|password|jointoken|zipfile|environment(variables)?|variables"
    r"|plaintext|input|webidentitytoken|samlassertion)|(.*\.)?(environment|variables)\..*",
    re.IGNORECASE | re.DOTALL,
)
_RESOURCE_TYPES: Final = {
    "apiId": "AWS::ApiGatewayV2::Api",
    "Bucket": "AWS::S3::Bucket",
    "functionName": "AWS::Lambda::Function",
    "logGroupName": "AWS::Logs::LogGroup",
    "meetingId": "AWS::Chime::Meeting",
    "policyArn": "AWS::IAM::Policy",
    "roleName": "AWS::IAM::Role",
    "secretId": "AWS::SecretsManager::Secret",
    "stackName": "AWS::CloudFormation::Stack",
    "stateMachineArn": "AWS::StepFunctions::StateMachine",
    "tableName": "AWS::DynamoDB::Table",
    "userName": "AWS::IAM::User",
}


def entry(call: RecordedCall) -> dict[str, Any] | None:
    """The entry of LookupEvents, with `EventTime` in epoch seconds; None if the operation is unknown."""
    rest = None if call.operation else rest_operation(call.service, call.request)
    name = call.operation or (rest[0] if rest else None)
    if name is None:
        return None
    parameters = _parameters(call, rest[1] if rest else {})
    returned = _json_object(call.response_body) if call.service == "chime" and call.status < 400 else {}
    headers = {"x-amz-target": f".{name}"}
    read_only = is_read_only(call.request.method, call.request.raw_path, headers)
    event = {
        "eventVersion": "1.08",
        "userIdentity": _identity(call.caller),
        "eventTime": datetime.fromtimestamp(call.time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": f"{call.service}.amazonaws.com",
        "eventName": name,
        "awsRegion": call.region,
        "sourceIPAddress": call.request.client_host,
        "userAgent": call.request.header("user-agent") or "",
        **_error(call),
        "requestParameters": parameters or None,
        "responseElements": _shown(returned) or None,
        "requestID": call.request_id,
        "eventID": call.event_id,
        "readOnly": read_only,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT_ID,
        "eventCategory": "Management",
    }
    return {
        "EventId": call.event_id,
        "EventName": name,
        "ReadOnly": "true" if read_only else "false",
        "AccessKeyId": call.caller.access_key_id,
        "EventTime": int(call.time_s),
        "EventSource": event["eventSource"],
        "Username": call.caller.arn.rpartition("/")[2],
        "Resources": _resources({**parameters, **camel(returned.get("Meeting", {}))}),
        "CloudTrailEvent": json.dumps(event),
    }


def _identity(caller: Caller) -> dict[str, Any]:
    name = caller.arn.rpartition("/")[2]
    shared = {"arn": caller.arn, "accountId": ACCOUNT_ID, "accessKeyId": caller.access_key_id}
    if ":assumed-role/" in caller.arn:
        role, partition = caller.arn.split("/")[1], caller.arn.split(":")[1]
        issuer = {"type": "Role", "arn": f"arn:{partition}:iam::{ACCOUNT_ID}:role/{role}", "userName": role}
        return {"type": "AssumedRole", **shared, "sessionContext": {"sessionIssuer": issuer}}
    return {"type": "IAMUser", **shared, "userName": name}


def _parameters(call: RecordedCall, labels: Mapping[str, str]) -> dict[str, Any]:
    """What the call was given, with the first letters of names in lower case, as CloudTrail has them."""
    body = call.request.body
    document = _json_object(body)
    if (
        not document
        and body
        and (call.request.header("content-type") or "").startswith("application/x-www-form")
    ):
        fields = parse_qs(body.decode("utf-8", "replace"))
        document = {name: values[0] for name, values in fields.items() if name not in ("Action", "Version")}
    given = {**(labels if call.service == "s3" else camel(labels)), **camel(document)}
    shown: dict[str, Any] = _shown(given)
    return shown


def _error(call: RecordedCall) -> dict[str, str]:
    if call.status < 400:
        return {}
    document = _json_object(call.response_body)
    text = call.response_body.decode("utf-8", "replace")
    code = call.error_type or str(document.get("__type") or _xml(text, "Code") or call.status)
    message = document.get("message") or document.get("Message") or _xml(text, "Message") or ""
    return {"errorCode": re.split("[#:]", code)[-1 if "#" in code else 0], "errorMessage": str(message)}


def _xml(text: str, tag: str) -> str | None:
    found = re.search(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    return found[1] if found else None


def _resources(parameters: Mapping[str, Any]) -> list[dict[str, str]]:
    return [
        {"ResourceType": kind, "ResourceName": str(parameters[name])}
        for name, kind in _RESOURCE_TYPES.items()
        if isinstance(parameters.get(name), str)
    ]


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _shown(value: Any) -> Any:
    """The value without secrets."""
    if isinstance(value, Mapping):
        return {name: HIDDEN if _SECRET.fullmatch(name) else _shown(item) for name, item in value.items()}
    return [_shown(item) for item in value] if isinstance(value, list) else value
