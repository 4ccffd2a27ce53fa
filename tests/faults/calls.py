"""Which AWS operation an HTTP request is, and the error answers of its protocol.

Takes a request as it is on the wire; gives service, operation, and whether it writes. Paths of REST services are matched
against botocore's service models.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qs, unquote

import botocore.session

READS = ("Get", "Describe", "List", "Simulate", "Query", "Scan")
REST_SERVICES = ("lambda", "apigatewayv2", "apigateway", "chime-sdk-meetings")
SIGNED_AS = {"chime": "chime-sdk-meetings"}
"""Name in the signature -> botocore's name."""
QUERY_SERVICES = ("iam", "sns", "sts")


@dataclass(frozen=True, slots=True, order=True)
class Call:
    """One AWS call: botocore's service name and the operation."""

    service: str
    operation: str

    @property
    def writes(self) -> bool:
        """Whether it may have an effect."""
        return not self.operation.startswith(READS)


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request: header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


def identify(request: Request) -> Call:
    """The call that a signed request makes. Raises ValueError for what no AWS client of ours sends."""
    scope = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", request.headers.get("authorization", ""))
    if scope is None:
        raise ValueError(f"not signed: {request.method} {request.target}")
    service = SIGNED_AS.get(scope[1], scope[1])
    if operation := request.headers.get("x-amz-target"):
        return Call(service, operation.rpartition(".")[2])
    if service in QUERY_SERVICES:
        return Call(service, parse_qs(request.body.decode())["Action"][0])
    if service not in REST_SERVICES:  # S3: buckets and keys are paths too
        return Call(service, request.method)
    path = unquote(request.target.partition("?")[0])
    if service == "apigateway" and path.startswith("/v2/"):
        service = "apigatewayv2"
    for method, pattern, name in _rest_operations(service):
        if method == request.method and pattern.fullmatch(path):
            return Call(service, name)
    raise ValueError(f"no operation of {service}: {request.method} {path}")


@lru_cache
def _rest_operations(service: str) -> list[tuple[str, re.Pattern[str], str]]:
    """Method, path, operation; the most literal path first."""
    model = botocore.session.get_session().get_service_model(service)
    found = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        path = http["requestUri"].partition("?")[0]
        parts = re.split(r"(\{[^}]+\})", path)
        pattern = "".join(
            (".+" if part.endswith("+}") else "[^/]+") if part.startswith("{") else re.escape(part)
            for part in parts
        )
        found.append((path.count("{"), -len(path), http["method"], re.compile(pattern + "/?"), name))
    return [(method, pattern, name) for _, _, method, pattern, name in sorted(found, key=lambda row: row[:2])]


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """An error as the services give it."""

    status: int
    code: str
    message: str


def throttled(service: str) -> ErrorAnswer:
    """The throttling answer of a service (botocore, retries/standard.py, lists the codes that are repeated)."""
    if service == "s3":
        return ErrorAnswer(503, "SlowDown", "Please reduce your request rate.")
    if service in REST_SERVICES:
        return ErrorAnswer(429, "TooManyRequestsException", "Too Many Requests")
    return ErrorAnswer(
        400, "Throttling" if service in QUERY_SERVICES else "ThrottlingException", "Rate exceeded"
    )


def http_error(service: str, answer: ErrorAnswer) -> bytes:
    """The whole HTTP response, in the protocol of the service."""
    error = f"<Code>{answer.code}</Code><Message>{answer.message}</Message>"
    if service in QUERY_SERVICES:
        kind = "text/xml"
        body = (
            f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error>"
            f"<RequestId>fault</RequestId></ErrorResponse>"
        ).encode()
    elif service == "s3":
        kind, body = "application/xml", f"<Error>{error}</Error>".encode()
    else:
        kind = "application/x-amz-json-1.1"
        body = json.dumps({"__type": answer.code, "message": answer.message}).encode()
    head = (
        f"HTTP/1.1 {answer.status} Fault\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        f"x-amzn-ErrorType: {answer.code}\r\nx-amzn-RequestId: fault\r\n\r\n"
    )
    return head.encode() + body
