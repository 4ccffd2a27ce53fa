"""What an AWS request or response shows regardless of its service: pure functions."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import parse_qs, unquote, unquote_plus
from xml.sax.saxutils import escape

from whatschat_ops.local.interfaces import HttpRequest
from whatschat_ops.local.layout import HOST

Response = tuple[int, dict[str, Any], Any]
"""HTTP status, headers, body."""

Handler = Callable[..., Awaitable[Response]]
"""Handles the requests of a service, as in ministack: (method, path, headers, body, query parameters) -> response."""

EXECUTE_API = "/_aws/execute-api/"
"""Path of API Gateway's data plane on this port; API id / stage / path follow."""

MAX_FORM_BYTES: Final = 2**20
"""Of the form of a query protocol: more than the longest policies take in their encoding (IAM user guide, quotas)."""
_ACTION: Final = re.compile(
    rb"&%s=([^&]+)" % b"".join(b"(?:%c|%%(?i:%x))" % (letter, letter) for letter in b"Action")
)

QUERY_SERVICES: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("autoscaling", "documentdb", "ec2", "elasticache", "elasticloadbalancing", "rds", "ses", "sns"), ""
    ),
    "cloudformation": "CloudFormation_20100515.",
    "iam": "IAMService.",
    "monitoring": "GraniteServiceVersion20100801.",
    "sqs": "AmazonSQS.",
    "sts": "AWSSecurityTokenServiceV20110615.",
}
"""Services with the query protocol (botocore's models) -> their `x-amz-target`, if they have a JSON protocol as well."""

_READ_VERBS = (
    "Get",
    "List",
    "Describe",
    "Query",
    "Scan",
    "BatchGet",
    "Filter",
    "Simulate",
    "Lookup",
    "Search",
    "Test",
)
_INVOCATIONS = ("/invocations", "/response-streaming-invocations", "/invoke-async")


def signed_service(authorization: str, query_string: str) -> str | None:
    """The service in the SigV4 credential scope (header or presigned URL), for example `chime`."""
    scope = credential_scope(authorization, query_string)
    return scope[-2] if scope else None


def signed_region(request: HttpRequest) -> str:
    """The Region in the SigV4 credential scope; "" if the request is not signed."""
    scope = credential_scope(request.header("authorization") or "", request.query_string)
    return scope[-3] if scope else ""


def credential_scope(authorization: str, query_string: str) -> list[str]:
    """Access key, date, Region, service and `aws4_request`; empty if there is none."""
    credential = re.search(r"Credential=([^,\s]+)", authorization)
    scope = credential.group(1) if credential else parse_qs(query_string).get("X-Amz-Credential", [""])[0]
    parts = unquote(scope).split("/")
    return parts if len(parts) >= 5 else []


def operations(
    path: str, headers: Mapping[str, str], body: bytes, query: Mapping[str, Sequence[str]]
) -> list[str]:
    """The operations that a request of a JSON, query or RPC v2 protocol names, in the order in which services look for
    them: header, path, form, URL. None of REST; more than one only where a client is up to something.
    """
    content_type = headers.get("content-type", "")
    is_form = "json" not in content_type and "cbor" not in content_type
    form = _ACTION.search(b"&" + body[:MAX_FORM_BYTES]) if is_form else None
    rpc = re.search(r"/operation/([^/]+)", path)
    found = (
        headers.get("x-amz-target", "").rpartition(".")[2],
        rpc[1] if rpc else "",
        unquote_plus(form[1].decode("latin-1")) if form else "",
        *query.get("Action", ())[:1],
    )
    names = (re.match(r"\w+", name) for name in found)
    return list(dict.fromkeys(name[0] for name in names if name))


def operation(
    path: str,
    headers: Mapping[str, str],
    body: bytes = b"",
    query: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> str | None:
    """The operation's name, where the protocol has it (JSON, query and RPC v2 protocols), else None (REST)."""
    return next(iter(operations(path, headers, body, query)), None)


def is_read_only(
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes = b"",
    query: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> bool:
    """Whether the request certainly changes nothing in its service."""
    names = operations(path, headers, body, query)
    if not all(name.startswith(_READ_VERBS) for name in names):
        return False
    if names and method == "POST" and (path == "/" or path.startswith("/service/")):
        return True  # below other paths a REST service is asked, whatever the rest of the request says
    return method in ("GET", "HEAD", "OPTIONS") or path.endswith(_INVOCATIONS)


def one_operation(service: str, handler: Handler) -> Handler:
    """The handler of a service with the query protocol, for requests of which all parts say the same.

    What is in the URL is authorized and what is in the form carried out: together they would get round IAM.
    """

    async def handle(method: str, path: str, headers: Any, body: bytes, query_params: Any) -> Response:
        form = parse_qs(body[:MAX_FORM_BYTES].decode("utf-8", "replace")) if query_params else {}
        twice = any(form.get(name, values) != values for name, values in query_params.items())
        target = headers.get("x-amz-target")
        foreign = target is not None and not target.startswith(QUERY_SERVICES[service] or "-")
        if twice or foreign or len(operations(path, headers, body, query_params)) > 1:
            return query_error(
                "InvalidParameterCombination", "The request names more than one operation or value."
            )
        return await handler(method, path, headers, body, query_params)

    return handle


def query_error(code: str, message: str, status: int = 400) -> Response:
    """The response of a service with a query protocol."""
    error = f"<Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message>"
    body = f"<ErrorResponse><Error>{error}</Error></ErrorResponse>".encode()
    return status, {"Content-Type": "text/xml"}, body


def camel(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The members with the first letters of their names in lower case: the names of API Gateway and CloudTrail."""
    return {key[:1].lower() + key[1:]: value for key, value in properties.items()}


def is_own_api(raw_path: str, host: str) -> bool:
    """Whether a request is for an API or a function URL of the user, and not for a service of AWS."""
    by_path = raw_path.startswith((EXECUTE_API, "/_aws/lambda-url/"))
    return by_path or bool(re.match(r"\w+\.(execute-api|lambda-url)\.", host))


def connection_path(raw_path: str, host: str) -> tuple[str, str, str] | None:
    """API id, stage and connection id of a request to the @connections API, by path or by AWS's own host name."""
    by_host = re.match(r"([a-z0-9]+)\.execute-api\.", host)
    if raw_path.startswith(EXECUTE_API):
        segments = raw_path[len(EXECUTE_API) :].split("/", 3)
    elif by_host:
        segments = [by_host.group(1), *raw_path.lstrip("/").split("/", 2)]
    else:
        return None
    if len(segments) != 4 or unquote(segments[2]) != "@connections":
        return None
    return segments[0], unquote(segments[1]), unquote(segments[3])


def with_reachable_endpoints(response: Response, path: str, port: int) -> Response:
    """GetApi, GetApis, CreateApi and UpdateApi with an `apiEndpoint` on this port.

    AWS's own form is `wss://{api}.execute-api.{region}.amazonaws.com`. Here it is `ws://127.0.0.1:{port}/_aws/…`, so
    that a client builds its URLs from it as on AWS: the WebSocket is `{endpoint}/{stage}`, the @connections API the
    same with http for ws.
    """
    status, headers, body = response
    if (
        status >= 300
        or not path.startswith("/v2/apis")
        or not isinstance(body, bytes)
        or b"apiEndpoint" not in body
    ):
        return response
    document = json.loads(body)
    for api in document.get("items", [document]):
        if "apiEndpoint" in api:
            scheme = "ws" if api.get("protocolType") == "WEBSOCKET" else "http"
            api["apiEndpoint"] = f"{scheme}://{HOST}:{port}{EXECUTE_API}{api['apiId']}"
    return status, headers, json.dumps(document).encode()
