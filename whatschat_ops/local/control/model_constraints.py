"""The constraints of the service models: length, range, pattern and enumeration of the members of a request.

Sources: botocore's service models; the texts are those that Lambda, EventBridge and CloudWatch Logs have in common.
Only what changes something, or has a limit of its own, is checked: not the calls of the data plane.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final
from urllib.parse import unquote

from whatschat_ops.local.cloudtrail.operations import rest_operation
from whatschat_ops.local.control.request_checks import json_error
from whatschat_ops.local.control.request_types import DATED_NAME, input_shape
from whatschat_ops.local.control.wire import Handler, Response, operation
from whatschat_ops.local.interfaces import HttpRequest

CODES: Final[Mapping[str, str]] = {
    "events": "ValidationException",
    "lambda": "ValidationException",
    "logs": "InvalidParameterException",
}
"""Service -> the error code of a constraint."""

_CHECKED: Final = frozenset(
    {
        *("CreateFunction", "UpdateFunctionConfiguration", "CreateAlias", "UpdateAlias", "AddPermission"),
        *("CreateEventSourceMapping", "UpdateEventSourceMapping", "PutEvents", "PutRule", "PutTargets"),
        *("CreateLogGroup", "CreateLogStream", "FilterLogEvents", "GetLogEvents"),
    }
)
_OTHER_ERROR: Final = frozenset({"Arn", "Runtime"})
"""Shapes with a check of their own (lambda_validation.py), and source ARNs, which policies have with wildcards."""


def checked(service: str, handler: Handler) -> Handler:
    """The handler of a service, after the constraints of its model."""

    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Response:
        if service == "lambda":
            request = HttpRequest(method, unquote(path), "", (), b"", "")
            dated, labels = rest_operation(service, request) or ("", {})
            name = DATED_NAME.sub("", dated)
        else:
            name, labels = operation(path, headers, body, query) or "", {}
        problem = _problem(service, name, body, labels) if name in _CHECKED else None
        return (
            json_error(CODES[service], problem)
            if problem
            else await handler(method, path, headers, body, query)
        )

    return handle


def _problem(service: str, name: str, body: bytes, labels: Mapping[str, str]) -> str | None:
    try:
        document = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return None  # refused where it is read
    if not isinstance(document, dict):
        return None
    return next(problems(input_shape(service, name), {**document, **labels}), None)


def problems(shape: Any, value: Any, path: str = "") -> Iterator[str]:
    """What AWS says to each value that breaks a constraint of `shape` (botocore's). Wrong types are passed over."""
    if shape.type_name == "structure" and isinstance(value, dict):
        for name, member in shape.members.items():
            if value.get(name) is not None:
                yield from problems(member, value[name], f"{path}.{name[:1].lower()}{name[1:]}".lstrip("."))
        return
    constraint = _broken(shape, value)
    if constraint:
        shown = "" if shape.metadata.get("sensitive") else f" '{_shown(value)}'"
        yield f"1 validation error detected: Value{shown} at '{path}' failed to satisfy constraint: {constraint}"
    elif shape.type_name == "list" and isinstance(value, list):
        for number, each in enumerate(value, start=1):
            yield from problems(shape.member, each, f"{path}.{number}.member")
    elif shape.type_name == "map" and isinstance(value, dict):
        for each in value.values():
            yield from problems(shape.value, each, path)


def _shown(value: Any) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)


def _broken(shape: Any, value: Any) -> str | None:
    kind, limits = shape.type_name, shape.metadata
    if kind == "map" and isinstance(value, dict):
        keys = (found for key in value if (found := _broken(shape.key, key)))
        broken = next(keys, None)
        return f"Map keys must satisfy constraint: [{broken}]" if broken else None
    if kind in ("integer", "long") and isinstance(value, int):
        return _outside(limits, value, "value")
    if kind not in ("string", "list") or not isinstance(value, str | list) or shape.name in _OTHER_ERROR:
        return None
    if isinstance(value, str):
        if limits.get("enum") and value not in limits["enum"]:
            return f"Member must satisfy enum value set: [{', '.join(limits['enum'])}]"
        pattern = _compiled(limits.get("pattern") or "")
        if pattern and not pattern.fullmatch(value) and (value or limits.get("min")):
            return f"Member must satisfy regular expression pattern: {pattern.pattern}"
    return _outside(limits, len(value), "length")


def _outside(limits: Mapping[str, Any], size: int, what: str) -> str | None:
    if size > limits.get("max", size):
        return f"Member must have {what} less than or equal to {limits['max']}"
    if size < limits.get("min", size):
        return f"Member must have {what} greater than or equal to {limits['min']}"
    return None


@cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """None for a pattern of Java's that Python does not have."""
    try:
        return re.compile(pattern) if pattern else None
    except re.error:
        return None
