"""What an AWS request or response shows regardless of its service: pure functions."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qs, unquote, unquote_plus

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


def operation(path: str, headers: Mapping[str, str], body: bytes) -> str | None:
    """The operation's name, where the protocol has it (JSON, query and RPC v2 protocols), else None (REST)."""
    if target := headers.get("x-amz-target"):
        return target.rpartition(".")[2]
    if rpc := re.fullmatch(r"/service/[^/]+/operation/([^/]+)", path):
        return rpc.group(1)
    if found := _ACTION.search(b"&" + body[:MAX_FORM_BYTES]):
        action = re.match(r"\w+", unquote_plus(found[1].decode("latin-1")))
        return action[0] if action else None
    return None


def is_read_only(method: str, path: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the request certainly changes nothing in its service."""
    if method in ("GET", "HEAD", "OPTIONS") or path.endswith(_INVOCATIONS):
        return True
    name = operation(path, headers, body)
    return name is not None and name.startswith(_READ_VERBS)


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
