"""The error of a request that is refused, or on which ministack fails, because a value has another type than in the
service model.

Sources: botocore's service models; awsJson's `SerializationException` and the query protocol's `MalformedInput` as
recorded on AWS. A model is read only when a request has failed: requests without errors
cost nothing, and a value of the wrong type that ministack can use is accepted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qsl

from whatschat_ops.local.cloudtrail.operations import rest_operation
from whatschat_ops.local.control.request_checks import Refusal, json_error
from whatschat_ops.local.control.wire import Handler, Response, operation, query_error
from whatschat_ops.local.interfaces import HttpRequest

SERVICES: Final[Mapping[str, str]] = {
    **{
        name: name
        for name in (
            "dynamodb",
            "events",
            "iam",
            "lambda",
            "logs",
            "secretsmanager",
            "sns",
            "sqs",
            "ssm",
            "sts",
        )
    },
    "monitoring": "cloudwatch",
    "states": "stepfunctions",
}
"""ministack's names -> botocore's."""

_BAD_REQUEST: Final = 400
_NUMBERS: Final = frozenset({"double", "float", "integer", "long"})
_SPECIAL_NUMBER: Final = re.compile(
    r"value: (NaN|-?Infinity), type: <class 'str'>, valid types: <class 'float'>"
)
"""These numbers are texts in JSON (Smithy, AWS JSON protocols)."""
DATED_NAME: Final = re.compile(r"\d{8}(v2)?$")
"""The version that CloudTrail's names of Lambda's operations have at their end."""


def naming_wrong_types(service: str, handler: Handler) -> Handler:
    """The handler of a service, with AWS's error where a failed request has a value of the wrong type."""

    async def handle(method: str, path: str, headers: Any, body: bytes, query_params: Any) -> Response:
        request = (service, method, path, headers, body, query_params)
        try:
            response = await handler(method, path, headers, body, query_params)
        except Exception:
            refusal = _refused(*request, failed=True)
            if refusal is None:
                raise
            return refusal
        return response if response[0] < _BAD_REQUEST else _refused(*request) or response

    return handle


def _refused(
    service: str, method: str, path: str, headers: Any, body: bytes, query: Any, *, failed: bool = False
) -> Response | None:
    name = operation(path, headers, body, query)
    if name is None:
        found = (
            rest_operation(service, HttpRequest(method, path, "", (), b"", ""))
            if service == "lambda"
            else None
        )
        name = DATED_NAME.sub("", found[0]) if found else None
    shape = input_shape(SERVICES[service], name) if name else None
    if shape is None or shape.serialization.get("payload"):
        return None
    is_json = "json" in headers.get("content-type", "")
    if is_json != ("x-amz-target" in headers or service == "lambda"):
        return None  # it says two things, and is refused for that
    if is_json:
        refusal = document_problem(shape, body, requires=failed and service != "lambda")
        return json_error(*refusal) if refusal else None
    fields = [
        *parse_qsl(body.decode("utf-8", "replace")),
        *((key, values[0]) for key, values in query.items()),
    ]
    refusal = form_problem(shape, dict(fields))
    return query_error(*refusal) if refusal else None


def document_problem(shape: Any, body: bytes, *, requires: bool = False) -> Refusal | None:
    """What AWS says to a JSON body with a value of another type than in `shape` (botocore's); with `requires`, also to
    one that lacks a required member.
    """
    from botocore.validate import ParamValidator

    try:
        document = json.loads(body or b"{}", object_hook=_without_nulls)
    except (ValueError, RecursionError):
        return "SerializationException", "The request body is not valid JSON."
    problems = ParamValidator().validate(document, shape).generate_report().split("\n")
    types = [
        text for text in problems if text.startswith("Invalid type") and not _SPECIAL_NUMBER.search(text)
    ]
    if types:
        return "SerializationException", types[0]
    missing = [text for text in problems if text.startswith("Missing required")]
    return ("ValidationException", missing[0]) if requires and missing else None


def _without_nulls(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def form_problem(shape: Any, fields: Mapping[str, str]) -> Refusal | None:
    """What AWS says to a form of the query protocol in which a number is none."""
    for path, value in fields.items():
        member = shape
        for part in (part for part in path.split(".") if not part.isdigit() and part != "member"):
            while member.type_name == "list":
                member = member.member
            member = getattr(member, "members", {}).get(part, member)
        while member.type_name == "list":
            member = member.member
        if member.type_name in _NUMBERS and not _is_number(value):
            return "MalformedInput", f"{path} is not a number."
    return None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@cache
def input_shape(model_name: str, operation_name: str) -> Any:
    """botocore's shape of an operation's input; None if the model has no such operation."""
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

    model = ServiceModel(Loader().load_service_model(model_name, "service-2"), model_name)
    if operation_name not in model.operation_names:
        return None
    return model.operation_model(operation_name).input_shape
