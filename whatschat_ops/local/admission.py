"""What is rejected before any service sees it: requests that a web page could make, and unsigned ones that AWS does not
serve without a signature.

Only what ministack itself would accept is named here; it rejects most unsigned requests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qs, unquote

from whatschat_ops.local.control.wire import credential_scope
from whatschat_ops.local.interfaces import HttpResponse

_HOSTS: Final = re.compile(
    r"(127\.0\.0\.1|([\w-]+\.)*localhost|([\w-]+\.)+(amazonaws\.com(\.cn)?|api\.aws|on\.aws))(:\d+)?",
    re.IGNORECASE,
)
_METADATA: Final = ("/latest/", "/computeMetadata/")
"""Instance metadata is at 169.254.169.254 (EC2 User Guide), not at an endpoint of AWS."""

_UNSIGNED_SERVICES: Final = re.compile(
    r"/(clusters|taskdefinitions|tasks|services|stoptask"  # ECS
    r"|v\d{8}|\d{4}-\d{2}-\d{2}"  # versions of an API: S3 Control, OpenSearch
    r"|(batch)?execute|(begin|commit|rollback)transaction)(/|$)",  # RDS Data
    re.IGNORECASE,
)
"""Paths of services that ministack serves without a signature."""
MAX_UNSIGNED_BODY_BYTES: Final = 256 * 1024
"""Of a request to a service: AWS answers those that need no signature (Cognito, AssumeRoleWithSAML) with less."""
MAX_PAYLOAD_BYTES: Final = 10 * 2**20
"""Of a request to a user's own API (API Gateway developer guide, quotas of HTTP APIs) or function URL."""
_BUCKET: Final = re.compile(r"/[^/]+/?")
_BUCKET_HOST: Final = re.compile(r"([\w.-]+\.s3[.-]|[\w-]+\.localhost\b)", re.IGNORECASE)


def is_known_host(host: str) -> bool:
    """Whether a `Host` header names this machine or AWS. Another name may be a web page's, which DNS rebinding leads here."""
    return bool(_HOSTS.fullmatch(host))


def rejection(method: str, path: str, query_string: str, headers: Mapping[str, str]) -> HttpResponse | None:
    """The response to a request that no service may see, or None. `headers` have lower-case names."""
    if not is_known_host(headers.get("host", "")):
        return _error(403, "ForbiddenException", "The Host header names neither this machine nor AWS.")
    path = re.sub("/+", "/", unquote(path))  # as ministack's router reads it
    if path.startswith(_METADATA):
        return _error(404, "NotFoundException", "Not Found")
    is_json_operation = method == "POST" and path == "/" and "x-amz-target" in headers
    if _is_signed(query_string, headers) or is_json_operation:
        return None
    if _UNSIGNED_SERVICES.match(path):
        return _error(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    # ListBuckets and CreateBucket have no resource policy that could allow them to anonymous callers.
    if (method == "GET" and path == "/" and "Action" not in parse_qs(query_string)) or (
        method == "PUT" and _BUCKET.fullmatch(path) and not query_string
    ):
        body = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        return HttpResponse(403, body.encode(), {"content-type": "application/xml"})
    return None


def body_rejection(
    method: str,
    path: str,
    headers: Mapping[str, str],
    query_string: str,
    *,
    is_known_key: Callable[[str], bool],
    to_own_api: bool,
) -> HttpResponse | None:
    """The response to a request whose body must not be read, or None. `headers` have lower-case names.

    `to_own_api`: it is for an API or a function of the user, which may take unsigned requests.
    """
    if (
        not to_own_api
        and headers.get("content-type", "").startswith("multipart/form-data")
        and _is_post_to_bucket(method, path, headers)
    ):
        return None  # the form has its signature in the body
    length = headers.get("content-length", "")
    size_bytes = int(length) if length.isdigit() else 0
    scope = credential_scope(headers.get("authorization", ""), query_string)
    if not scope and "transfer-encoding" in headers:
        return _error(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
    if to_own_api:
        too_large = size_bytes > MAX_PAYLOAD_BYTES
        return _error(413, "RequestEntityTooLarge", "Request Entity Too Large") if too_large else None
    if size_bytes <= MAX_UNSIGNED_BODY_BYTES:
        return None
    if not scope:
        return _error(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    if not is_known_key(scope[0]):
        message = "The security token included in the request is invalid."
        return _error(403, "UnrecognizedClientException", message)
    return None


def _is_post_to_bucket(method: str, path: str, headers: Mapping[str, str]) -> bool:
    """Amazon S3 API reference, RESTObjectPOST: `/bucket` here, or `/` where the bucket is in the name of the host."""
    return method == "POST" and bool(
        _BUCKET.fullmatch(path) or (path == "/" and _BUCKET_HOST.match(headers.get("host", "")))
    )


def _is_signed(query_string: str, headers: Mapping[str, str]) -> bool:
    return "authorization" in headers or "Signature=" in query_string  # SigV2 and X-Amz-Signature of SigV4


def _error(status: int, code: str, message: str) -> HttpResponse:
    body = json.dumps({"__type": code, "message": message})
    return HttpResponse(status, body.encode(), {"content-type": "application/json", "x-amzn-errortype": code})
