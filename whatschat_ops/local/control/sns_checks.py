"""Subscriptions of SNS that AWS refuses, those to which nothing would be delivered, and those that wait for their confirmation."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from whatschat_ops.local.control.request_checks import Checks, Refusal
from whatschat_ops.local.control.wire import Response

_CODE: Final = "InvalidParameter"
_EMAIL: Final = "email"
_ACCEPTED: Final = (_EMAIL, "http", "https", "lambda", "sqs")
_OTHERS: Final = ("application", "email-json", "firehose", "sms")
_ATTRIBUTES: Final = (
    "DeliveryPolicy", "FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy", "ReplayPolicy",
    "SubscriptionRoleArn",
)  # fmt: skip
"""API Reference, Subscribe."""


def _of_subscription(given: Mapping[str, Any]) -> Refusal | None:
    protocol = str(given.get("Protocol") or "")
    if protocol in _OTHERS:
        return _CODE, f"Protocol {protocol} is refused: the embedded AWS does not send messages by it."
    if protocol and protocol not in _ACCEPTED:
        return _CODE, f"Invalid parameter: Amazon SNS does not support this protocol string: {protocol}"
    for key, name in given.items():
        if found := re.fullmatch(r"Attributes\.entry\.(\d+)\.key", key):
            value = given.get(f"Attributes.entry.{found[1]}.value") or ""
            if refusal := _of_attribute({"AttributeName": name, "AttributeValue": value}):
                return refusal
    return None


def _of_attribute(given: Mapping[str, Any]) -> Refusal | None:
    name, value = str(given.get("AttributeName") or ""), str(given.get("AttributeValue") or "")
    if name not in _ATTRIBUTES:
        return _CODE, f"Invalid parameter: Attributes Reason: Unknown attribute: {name}"
    if name == "ReplayPolicy":
        return _CODE, "ReplayPolicy: the embedded AWS does not support this parameter."
    if name != "FilterPolicy" or not value:
        return None
    try:
        policy = json.loads(value)
    except (ValueError, RecursionError):
        policy = None
    return (
        None
        if isinstance(policy, dict)
        else (_CODE, "Invalid parameter: FilterPolicy: failed to parse JSON.")
    )


def install_confirmation(sns: Any) -> None:
    """An address gets nothing before it is confirmed, which it never is here: no mail is sent. Until then it has no ARN."""

    def without_arns(operation: Callable[..., Response], shown: str) -> Callable[..., Response]:
        def handle(params: Any) -> Response:
            status, headers, body = operation(params)
            for topic in sns._topics.values():
                for each in topic["subscriptions"]:
                    if each["protocol"] == _EMAIL or not each.get("confirmed"):
                        arn = f"<SubscriptionArn>{each['arn']}<".encode()
                        body = body.replace(arn, f"<SubscriptionArn>{shown}<".encode())
            return status, headers, body

        return handle

    sns._subscribe = without_arns(sns._subscribe, "pending confirmation")
    for name in ("_list_subscriptions", "_list_subscriptions_by_topic"):
        setattr(sns, name, without_arns(getattr(sns, name), "PendingConfirmation"))


CHECKS: Final[Checks] = {"SetSubscriptionAttributes": _of_attribute, "Subscribe": _of_subscription}
