"""Where asynchronous invocations send their records and dead letters: SQS, SNS, Lambda and EventBridge of ministack.

With the permissions of the function's role, as Lambda does (Lambda guide, "invocation-async-retain-records"). What
cannot be sent is a line in the log of the service and a datum of AWS/Lambda.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from whatschat_ops.local.control.async_invocations import EventSettings, Record
from whatschat_ops.local.control.lambda_invoke import current_call
from whatschat_ops.local.control.modules import Modules

_ACTIONS: Final = {
    "sqs": "sqs:SendMessage",
    "sns": "sns:Publish",
    "lambda": "lambda:InvokeFunction",
    "events": "events:PutEvents",
}

_log = logging.getLogger(__name__)

Allows = Callable[..., bool]
"""(role ARN, action, resource ARN, Region) -> whether the role's policies allow it."""


Submit = Callable[[Any, Any], None]
"""(function record of ministack, event): queues an asynchronous invocation."""


def submit_to(lambda_svc: Any, submit: Submit, function_arn: str, event: Any) -> bool:
    """Invoke a function, version or alias asynchronously; whether it exists."""
    function, config, _ = lambda_svc._get_func_record_for_ref(function_arn)
    if not function or not config:
        return False
    submit(lambda_svc._execution_record_for_config(function, {**config, "FunctionArn": function_arn}), event)
    return True


class SubmittingLambda:
    """ministack's Lambda for a service whose invocations are asynchronous on AWS."""

    def __init__(self, lambda_svc: Any, submit: Submit) -> None:
        self._lambda_svc = lambda_svc
        self._execute_function_with_config_scope = submit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lambda_svc, name)


class _NotSent(Exception):
    """Why a record or a dead letter was not sent."""


class Destinations:
    """Implements `async_invocations.Delivery`."""

    def __init__(self, modules: Modules, allows: Allows, submit: Submit, changed: Callable[[], None]) -> None:
        """`changed` is called after something was sent, which is to be saved."""
        self._modules = modules
        self._allows = allows
        self._submit = submit
        self._changed = changed

    def send_record(self, settings: EventSettings, target_arn: str, record: Record) -> None:
        """Send an invocation record."""

        def send(service: str) -> None:
            if service == "lambda":
                self._invoke(target_arn, record)
            elif service == "events":
                self._put_event(target_arn, record)
            else:
                self._send_message(service, target_arn, record, {})

        self._send(settings, target_arn, "DestinationDeliveryFailures", send)

    def send_dead_letter(
        self, settings: EventSettings, target_arn: str, event: Any, attributes: Mapping[str, str]
    ) -> None:
        """Send an event that failed."""
        typed = {
            name: {"DataType": "Number" if name == "ErrorCode" else "String", "StringValue": value}
            for name, value in attributes.items()
        }
        self._send(
            settings,
            target_arn,
            "DeadLetterErrors",
            lambda service: self._send_message(service, target_arn, event, typed),
        )

    def record_dropped(self, settings: EventSettings) -> None:
        """Count an event that was given up."""
        self._record(settings, "AsyncEventsDropped")

    def _record(self, settings: EventSettings, metric: str) -> None:
        region, account = settings.function_arn.split(":")[3:5]
        with self._modules.responses.request_scope(account, region):
            dimensions = {"FunctionName": settings.function_name}
            self._modules.cloudwatch.record_metric("AWS/Lambda", metric, 1, "Count", dimensions)

    def _send(
        self, settings: EventSettings, target_arn: str, metric: str, send: Callable[[str], None]
    ) -> None:
        _, _, service, region, account, *_ = target_arn.split(":")
        try:
            if not self._allows(settings.role_arn, _ACTIONS[service], target_arn, region):
                raise _NotSent(f"its role may not {_ACTIONS[service]}")
            with self._modules.responses.request_scope(account, region):
                send(service)
            self._changed()
        except Exception as problem:  # noqa: BLE001  ministack's services raise exceptions of their own
            _log.warning("%s sent nothing to %s: %s", settings.function_arn, target_arn, problem)
            self._record(settings, metric)

    def _send_message(self, service: str, arn: str, body: Any, attributes: Mapping[str, Any]) -> None:
        text = json.dumps(body)
        if service == "sns":
            if self._modules.sns.publish_internal(arn, text, message_attributes=dict(attributes)) is None:
                raise _NotSent("there is no such topic")
            return
        queue = arn.rpartition(":")[2]
        message = {"QueueUrl": queue, "MessageBody": text, "MessageAttributes": dict(attributes)}
        self._modules.sqs._act_send_message(message, "")

    def _invoke(self, arn: str, record: Record) -> None:
        current_call.set(None)  # another invocation, with its own id
        if not submit_to(self._modules.lambda_svc, self._submit, arn, record):
            raise _NotSent("there is no such function")

    def _put_event(self, bus_arn: str, record: Record) -> None:
        succeeded = record["requestContext"]["condition"] == "Success"
        entry = {
            "Source": "lambda",
            "DetailType": f"Lambda Function Invocation Result - {'Success' if succeeded else 'Failure'}",
            "Detail": json.dumps(record),
            "EventBusName": bus_arn,
            "Resources": [bus_arn, record["requestContext"]["functionArn"]],
        }
        _, _, body = self._modules.eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
        if json.loads(body)["FailedEntryCount"]:
            raise _NotSent(body.decode())
