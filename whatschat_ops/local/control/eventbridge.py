"""Rules of EventBridge in ministack: who may be reached, log groups as targets, and the targets that are refused."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from whatschat_ops.local.control.correction import Parts
from whatschat_ops.local.control.modules import Modules
from whatschat_ops.local.control.wire import Response
from whatschat_ops.local.interfaces import ServiceEvent
from whatschat_ops.local.layout import ACCOUNT_ID

OK: Final = 200
SERVICE: Final = "events.amazonaws.com"
DELIVERED: Final = ("lambda", "sqs", "sns", "states", "events", "logs")
"""The services of targets that get events."""
_RATE: Final = re.compile(r"rate\((1 (minute|hour|day)|([2-9]|[1-9]\d+) (minutes|hours|days))\)")
"""The unit of 1 is singular (EventBridge User Guide, eb-scheduled-rule-pattern)."""
_PARAMETERS: Final = {"HttpParameters": "events", "SqsParameters": "sqs"}
"""Parameters of one kind of target -> its service; those of the others belong to targets that are not delivered to."""
_OTHER_PARAMETERS: Final = (
    "AppSyncParameters", "BatchParameters", "EcsParameters", "KinesisParameters", "RedshiftDataParameters",
    "RunCommandParameters", "SageMakerPipelineParameters",
)  # fmt: skip

Target = Mapping[str, Any]


class Rules:
    """What replaces ministack's functions of rules."""

    def __init__(self, modules: Modules, parts: Parts) -> None:
        self._eventbridge = modules.eventbridge
        self._cloudwatch_logs = modules.cloudwatch_logs
        self._iam_evaluator = modules.iam_evaluator
        self._sqs, self._sns = modules.sqs, modules.sns
        self._responses = modules.responses
        self._parts = parts

    def install(self) -> None:
        """Check permissions, deliver to log groups, refuse what is not delivered."""
        invoke, put = self._eventbridge._invoke_target, self._eventbridge._put_targets

        def invoke_target(target: Target, event: Any, rule: Mapping[str, Any], view: Any = None) -> None:
            allowed = self._may_deliver(target, str(rule["Arn"]))
            dimensions = {"RuleName": str(rule["Name"])}
            name = "Invocations" if allowed else "FailedInvocations"
            self._parts.telemetry.add_point("AWS/Events", name, 1, "Count", dimensions)
            if allowed and _service(target) == "logs":
                self._write(target, event, rule, view)
            elif allowed:
                invoke(target, event, rule, view)

        def put_targets(data: Mapping[str, Any]) -> Response:
            region = self._responses.get_region()
            reasons = (_refusal(target, region) for target in data.get("Targets") or [])
            reason = next(filter(None, reasons), None)
            response: Response = (
                self._eventbridge.error_response_json("ValidationException", reason, 400)
                if reason
                else put(data)
            )
            return response

        self._eventbridge._invoke_target = invoke_target
        self._eventbridge._put_targets = put_targets
        self._check_entries()
        self._eventbridge._now_ts = self._parts.clock  # of schedules, which `local clock advance` moves
        is_valid = self._eventbridge._validate_schedule_expression
        self._eventbridge._validate_schedule_expression = lambda text: (
            bool(_RATE.fullmatch(text)) if text.startswith("rate(") else is_valid(text)
        )

    def _check_entries(self) -> None:
        put = self._eventbridge._put_events

        def put_events(data: Mapping[str, Any], *rest: Any, **named: Any) -> Response:
            entries = data.get("Entries") or []
            errors = [entry_error(entry) for entry in entries]
            valid = [entry for entry, error in zip(entries, errors, strict=True) if error is None]
            response: Response = put({**data, "Entries": valid}, *rest, **named)
            if response[0] != OK or not any(errors):
                return response
            document = json.loads(response[2])
            results = iter(document["Entries"])
            document["Entries"] = [error or next(results) for error in errors]
            document["FailedEntryCount"] += len(entries) - len(valid)
            completed: Response = self._eventbridge.json_response(document)
            return completed

        self._eventbridge._put_events = put_events

    def _may_deliver(self, target: Target, rule_arn: str) -> bool:
        arn, service = str(target["Arn"]), _service(target)
        checks: Mapping[str, Callable[[], bool]] = {
            "lambda": lambda: self._parts.may_invoke(SERVICE, arn, rule_arn),
            "sqs": lambda: self._sqs.queue_policy_allows(arn, SERVICE, rule_arn, ACCOUNT_ID),
            "sns": lambda: self._sns.topic_policy_allows(arn, SERVICE, rule_arn, ACCOUNT_ID),
            "logs": lambda: self._may_write(arn, rule_arn),
        }
        if service in checks:
            return checks[service]()
        role, region = target.get("RoleArn"), arn.split(":")[3]
        return not role or self._parts.authorization.role_may(str(role), _role_action(arn), arn, region)

    # --- log groups -----------------------------------------------------------------------------------------------

    def _may_write(self, group_arn: str, rule_arn: str) -> bool:
        """Whether the Region's resource policies let EventBridge write to the log group."""
        arn = group_arn.removesuffix(":*")
        name = arn.split(":", 6)[6]
        if name not in self._cloudwatch_logs._log_groups:
            return False
        own = self._cloudwatch_logs._log_group_policies.get(name)
        policies = [*self._cloudwatch_logs._resource_policies.values(), *([own] if own else [])]
        return all(
            self._allows(policies, action, f"{arn}:log-stream:{_stream(group_arn, rule_arn)}", rule_arn)
            for action in ("logs:CreateLogStream", "logs:PutLogEvents")
        )

    def _allows(self, policies: list[Any], action: str, resource: str, rule_arn: str) -> bool:
        context = self._iam_evaluator.EvalContext(
            principal_arn="*",
            principal_type="Service",
            principal_account="",
            action=action,
            resource_arn=resource,
            region=resource.split(":")[3],
            service_context={"aws:sourcearn": rule_arn, "aws:sourceaccount": ACCOUNT_ID},
        )
        decisions = {
            self._iam_evaluator.evaluate_resource_policy(
                policy["policyDocument"], context, service=SERVICE
            ).decision
            for policy in policies
        }
        return "Allow" in decisions and "Deny" not in decisions

    def _write(self, target: Target, event: Any, rule: Mapping[str, Any], view: Any) -> None:
        view = view or self._eventbridge._pattern_event_view(event)
        now_ms = int(self._parts.clock() * 1000)
        entry: Any = {"timestamp": now_ms, "message": json.dumps(view.event_with_detail())}
        if target.get("InputTransformer"):
            text = self._eventbridge._apply_input_transformer(target["InputTransformer"], rule, view)
            entry = _log_entry(text, now_ms)
        if entry is not None:
            arn = str(target["Arn"])
            messages = [(entry["timestamp"], entry["message"])]
            self._parts.telemetry.write(arn, _stream(arn, str(rule["Arn"])), messages, create_group=False)


def send_event(modules: Modules, event: ServiceEvent) -> bool:
    """Give an event of an AWS service to the rules of its Region's default bus. False: the Region has no rules.

    PutEvents refuses such sources, and has the machine's time where an event has its own.
    """
    eventbridge = modules.eventbridge
    with modules.responses.request_scope(ACCOUNT_ID, event.region):
        if not len(eventbridge._rules):
            return False
        record = {
            "EventId": str(uuid.uuid4()),
            "Source": event.source,
            "DetailType": event.detail_type,
            "Detail": json.dumps(event.detail),
            "EventBusName": "default",
            "Time": int(event.at),
            "Resources": [],
            "Account": ACCOUNT_ID,
            "Region": event.region,
        }
        eventbridge._dispatch_event(record)
        eventbridge._archive_event(record)
    return True


def entry_error(entry: Mapping[str, Any]) -> dict[str, str] | None:
    """The error that an entry of PutEvents gets instead of an id (API Reference, PutEventsResultEntry)."""
    for name in ("Source", "DetailType", "Detail"):
        if not entry.get(name):
            text = f"Parameter {name} is not valid. Reason: {name} is a required argument."
            return {"ErrorCode": "InvalidArgument", "ErrorMessage": text}
    if isinstance(_json(entry["Detail"]), dict):
        return None
    return {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}


def _json(text: str) -> Any:
    """The value of a JSON text; None if it is none."""
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return None


def _log_entry(text: str, now_ms: int) -> dict[str, Any] | None:
    """The event of a template such as {"timestamp": <time>, "message": <text>}; None if it is not in that form."""
    try:
        entry = json.loads(text)
        message = entry["message"]
        timestamp = entry["timestamp"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    is_ms = isinstance(timestamp, int) and not isinstance(timestamp, bool)
    return {
        "timestamp": timestamp if is_ms else now_ms,
        "message": message if isinstance(message, str) else json.dumps(message),
    }


def _stream(group_arn: str, rule_arn: str) -> str:
    """One stream for each rule and group: AWS's are named by a UUID too."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{rule_arn} {group_arn}"))


def _role_action(arn: str) -> str:
    """What the role of a target must allow."""
    if ":states:" in arn:
        return "states:StartExecution"
    return "events:InvokeApiDestination" if ":api-destination/" in arn else "events:PutEvents"


def _service(target: Target) -> str:
    return [*str(target.get("Arn")).split(":"), "", "", ""][2]


def _refusal(target: Target, region: str) -> str | None:
    arn, service = str(target.get("Arn")), _service(target)
    if not arn.startswith("arn:"):
        return None
    if service not in DELIVERED:
        return f"The target {arn} is refused: the embedded AWS does not deliver events to {service}."
    if target.get("DeadLetterConfig"):
        return f"The DeadLetterConfig of {arn} is refused: the embedded AWS does not send failed events to a queue."
    if service == "states" and not target.get("RoleArn"):
        return f"RoleArn is required for target {arn}."
    if service == "logs" and ":log-group:" not in arn:
        return f"Parameter {arn} is not valid. Reason: Provided Arn is not in correct format."
    if service == "logs" and (target.get("Input") or target.get("InputPath")):
        return f"Input and InputPath are not valid for the log group {arn}."
    return _place_refusal(arn, service, region) or _parameter_refusal(target, arn, service)


def _place_refusal(arn: str, service: str, region: str) -> str | None:
    """Only event buses may be in another Region (EventBridge User Guide, eb-cross-region)."""
    if service == "events":
        return None
    of_region, of_account = [*arn.split(":"), "", ""][3:5]
    if of_region != region:
        return f"Parameter {arn} is not valid. Reason: The target is not in the Region of the rule, {region}."
    if of_account != ACCOUNT_ID:
        return f"The target {arn} is refused: the embedded AWS does not deliver events to other accounts."
    return None


def _parameter_refusal(target: Target, arn: str, service: str) -> str | None:
    given = [name for name in ("Input", "InputPath", "InputTransformer") if target.get(name)]
    if len(given) > 1:
        return f"Only one of Input, InputPath, or InputTransformer must be provided for target {target.get('Id')}."
    if target.get("Input") and not _is_json(target["Input"]):
        return (
            f"Parameter Input is not valid. Reason: The Input of target {target.get('Id')} is not valid JSON."
        )
    for name in (*_OTHER_PARAMETERS, *_PARAMETERS):
        if target.get(name) and _PARAMETERS.get(name) != service:
            return f"Parameter {name} is not valid for target {arn}."
    if (
        service == "sqs"
        and arn.endswith(".fifo")
        and not (target.get("SqsParameters") or {}).get("MessageGroupId")
    ):
        return f"Parameter(s) SqsParameters must be specified for target: {target.get('Id')}."
    return None


def _is_json(text: str) -> bool:
    return _json(text) is not None or text.strip() == "null"
