"""Resource policies: ministack stores any text as one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from whatschat_ops.local.control.correction import Correction, Parts, wrap_handler
from whatschat_ops.local.control.modules import Modules
from whatschat_ops.local.control.request_checks import Check, Refusal, checked
from whatschat_ops.local.control.wire import Response


def is_policy(text: Any) -> bool:
    """Whether the text is a JSON object."""
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError, TypeError):
        return False


def _check(name: str, code: str, message: str) -> Check:
    def check(given: Mapping[str, Any]) -> Refusal | None:
        return None if name not in given or is_policy(given[name]) else (code, message)

    return check


_OF_KEYS: Final = _check("Policy", "MalformedPolicyDocumentException", "The policy is not valid JSON.")
_OF_LOGS: Final = _check(
    "policyDocument", "InvalidParameterException", "The policy document is not valid JSON."
)
_CHECKS: Final = {
    "kms": {"CreateKey": _OF_KEYS, "PutKeyPolicy": _OF_KEYS, "ReplicateKey": _OF_KEYS},
    "logs": {"PutResourcePolicy": _OF_LOGS},
}


def _install(modules: Modules, _: Parts) -> None:
    for service, checks in _CHECKS.items():
        wrap_handler(modules, service, partial(checked, checks=checks))
    _check_buckets(modules.s3)
    _check_queues(modules.sqs)


def _check_buckets(s3: Any) -> None:
    put = s3._put_bucket_policy

    def put_policy(name: str, body: bytes) -> Response:
        if name in s3._buckets and not is_policy(body):
            message = "Policies must be valid JSON and the first byte must be '{'"
            refused: Response = s3._error("MalformedPolicy", message, 400)
            return refused
        stored: Response = put(name, body)
        return stored

    s3._put_bucket_policy = put_policy


def _check_queues(sqs: Any) -> None:
    validate = sqs._validate_numeric_attrs

    def validate_attributes(attributes: Mapping[str, Any]) -> None:
        # An empty text removes the policy.
        if (policy := attributes.get("Policy")) and not is_policy(policy):
            raise sqs._Err("InvalidAttributeValue", "Invalid value for the parameter Policy.")
        validate(attributes)

    sqs._validate_numeric_attrs = validate_attributes


POLICY_DOCUMENTS: Final = (
    Correction(
        what="stores texts that are not JSON as policies of buckets, queues, keys and log groups",
        why="MalformedPolicy, InvalidAttributeValue, MalformedPolicyDocumentException, InvalidParameterException",
        source="S3, SQS, KMS and CloudWatch Logs API References: errors of PutBucketPolicy, SetQueueAttributes, CreateKey, PutResourcePolicy",
        replaces=(
            "app.SERVICE_HANDLERS[kms]",
            "app.SERVICE_HANDLERS[logs]",
            "s3._put_bucket_policy",
            "sqs._validate_numeric_attrs",
        ),
        apply=_install,
    ),
)
