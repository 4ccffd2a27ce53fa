"""What API Gateway makes of a function's result (API Gateway developer guide, "Lambda proxy integrations")."""

from __future__ import annotations

import json
from typing import Any

import pytest

from whatschat_ops.local.gateway.integration_result import (
    FUNCTION_FAILED,
    MALFORMED,
    ProxyResult,
    read_result,
)
from whatschat_ops.local.interfaces import InvocationResult


def returned(document: Any, error: str | None = None) -> InvocationResult:
    payload = document if isinstance(document, bytes) else json.dumps(document).encode()
    return InvocationResult(payload, error, "request", 1.0, None, "")


@pytest.mark.parametrize("error", ["Handled", "Unhandled"])
def test_function_that_failed_has_no_result_whatever_it_returned(error: str) -> None:
    assert read_result(returned({"statusCode": 200}, error)) is FUNCTION_FAILED


@pytest.mark.parametrize(
    ("document", "result"),
    [
        ({"statusCode": 200}, ProxyResult(200)),
        ({"statusCode": "204", "body": "x"}, ProxyResult(204, "x")),
        ({"statusCode": 200, "headers": {"a": 1}}, ProxyResult(200, None, {"a": "1"})),
        ({"statusCode": 200, "body": "eA==", "isBase64Encoded": True}, ProxyResult(200, "x")),
        ({"statusCode": 200, "body": "eA==", "isBase64Encoded": False}, ProxyResult(200, "eA==")),
    ],
)
def test_result_is_status_body_and_headers(document: Any, result: ProxyResult) -> None:
    assert read_result(returned(document)) == result


@pytest.mark.parametrize(
    "document",
    [
        b"not JSON", None, [], "text", {}, {"statusCode": None}, {"statusCode": True}, {"statusCode": 199},
        {"statusCode": 600}, {"statusCode": "2e2"}, {"statusCode": 200, "body": {}}, {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "body": "!", "isBase64Encoded": True},
    ],
)  # fmt: skip
def test_anything_else_is_malformed(document: Any) -> None:
    assert read_result(returned(document)) is MALFORMED
