"""Requests that ministack would carry out in part, rejected before it sees them.

A check takes the parameters of one operation and gives AWS's error code and message, or None. Checks are pure; they
do not repeat what ministack checks itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

from whatschat_ops.local.control.wire import Handler, Response, operation, query_error

Refusal = tuple[str, str]
"""AWS's error code, and the message."""

Check = Callable[[Mapping[str, Any]], Refusal | None]
Checks = Mapping[str, Check]
"""Operation -> check."""


def checked(handler: Handler, checks: Checks) -> Handler:
    """The handler of a service with a JSON or query protocol, after the check of the operation."""

    async def handle(method: str, path: str, headers: Any, body: bytes, query_params: Any) -> Response:
        check = checks.get(operation(path, headers, body, query_params) or "")
        refusal = check(_parameters(headers, body, query_params)) if check else None
        if refusal is not None:
            return json_error(*refusal) if "x-amz-target" in headers else _query_error(*refusal)
        return await handler(method, path, headers, body, query_params)

    return handle


def refused(*names: str, code: str) -> Check:
    """A check that refuses parameters which are accepted and have no effect."""

    def check(given: Mapping[str, Any]) -> Refusal | None:
        for name in names:
            if any(each == name or each.startswith(f"{name}.") for each in given):
                return code, f"{name}: the embedded AWS does not support this parameter."
        return None

    return check


def first_of(*checks: Check) -> Check:
    """The checks, one after the other."""

    def check(given: Mapping[str, Any]) -> Refusal | None:
        return next((found for each in checks if (found := each(given)) is not None), None)

    return check


def _parameters(
    headers: Mapping[str, str], body: bytes, query: Mapping[str, Sequence[str]]
) -> Mapping[str, Any]:
    """The parameters, or none of a body that is malformed: ministack rejects that."""
    if "x-amz-target" not in headers:
        fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
        return {name: values[0] for name, values in (*query.items(), *fields.items())}
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def json_error(code: str, message: str) -> Response:
    """The response of a service with a JSON protocol."""
    body = json.dumps({"__type": code, "message": message}).encode()
    return 400, {"Content-Type": "application/x-amz-json-1.1", "x-amzn-errortype": code}, body


def _query_error(code: str, message: str) -> Response:
    return query_error(code, message, 404 if code == "NoSuchEntity" else 400)
