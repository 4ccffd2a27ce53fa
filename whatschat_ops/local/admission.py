"""What is rejected before any service sees it: requests that a web page could make, and every one without a signature
but for the short list of those that AWS serves so (`_may_be_unsigned`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs, unquote

from whatschat_ops.local.control.wire import connection_path, is_own_api, signed_service
from whatschat_ops.local.interfaces import HttpRequest, HttpResponse

_HOSTS: Final = re.compile(
    r"(127\.0\.0\.1|([\w-]+\.)*localhost|([\w-]+\.)+(amazonaws\.com(\.cn)?|api\.aws|on\.aws))(:\d+)?",
    re.IGNORECASE,
)
_ELSEWHERE: Final = re.compile(
    r"/(latest|computemetadata|v4|v2/credentials)(/|$)|/v2/.*(/blobs/|/manifests/|/tags/list)|/health$"
    r"|/_(?!whatschat/health$|aws/(execute-api|lambda-url)/|ministack/(lambda-(code|layers)|cfn-(response|signal))/)",
    re.IGNORECASE,
)
"""Metadata and credentials of instances and containers are at 169.254.169.254 and 169.254.170.2 (EC2 and ECS guides);
image registries have hosts and tokens of their own (ECR). ministack's own paths reset or reconfigure it."""
_OURS: Final = frozenset({"/_whatschat/clock", "/_whatschat/chime/attendance"})
"""Signed requests of our own."""

MAX_UNSIGNED_BODY_BYTES: Final = 256 * 1024
"""Of a request to a service: AWS answers those that need no signature (Cognito, AssumeRoleWithSAML) with less."""
MAX_PAYLOAD_BYTES: Final = 10 * 2**20
"""Of a request to a user's own API (API Gateway developer guide, quotas of HTTP APIs) or function URL."""
MAX_SIGNED_BODY_BYTES: Final = 70_167_211
"""Of a request to a service other than S3: Lambda's limit, the largest ("Request must be smaller than 70167211 bytes for
the CreateFunction operation", recorded in github.com/localstack/docs/pull/933)."""
MAX_OBJECT_BYTES: Final = 5 * 2**30
"""Of one PutObject (S3 API reference)."""
MAX_FORM_HEAD_BYTES: Final = 20 * 1024
"""What may stand before the file in a form for S3 (S3 API reference, error MaxPostPreDataLengthExceeded)."""

_S3_HOST: Final = re.compile(r"(127\.0\.0\.1|localhost|s3[.-][\w.-]+)(:\d+)?", re.IGNORECASE)
_BUCKET_HOST: Final = re.compile(
    r"([\w.-]+\.s3[.-][\w.-]+|(?![\w.-]*\.aoss\.)[\w.-]+\.localhost)(:\d+)?", re.IGNORECASE
)
_BUCKET: Final = re.compile(r"/(?!v\d{8}/|iceberg/)[a-z\d][a-z\d.-]{1,61}[a-z\d](/.*)?", re.DOTALL)
"""Not the paths of S3 Control and of catalogs of tables, which ministack has at the same address."""
_FORM_KEY: Final = re.compile(
    rb'name="(?:x-amz-credential|AWSAccessKeyId)"\r\n(?:[^\r\n]+\r\n)*\r\n([^/\r\n]+)', re.IGNORECASE
)

_WITH_UNSIGNED_OPERATIONS: Final = frozenset({"cognito-identity", "cognito-idp", "sns", "sqs", "sts"})
"""Services that have operations without a signature (`authtype` in botocore's models) or links (SNS); SQS says in its own
words that it has none here. ministack rejects their other operations, in the protocol of the service."""
_OPEN_PATHS: Final = re.compile(
    r"/oauth2/\w+|/log(in|out)|/saml2/idpresponse|/[\w-]+/\.well-known/[\w.-]+"  # Cognito: sign-in pages, public keys
    r"|/_ministack/(lambda-code|lambda-layers|cfn-response|cfn-signal)/.*"  # links, each with a token
    r"|/v1/apis/[^/]+/graphql"  # AppSync checks API keys and tokens itself
)


def is_known_host(host: str) -> bool:
    """Whether a `Host` header names this machine or AWS. Another name may be a web page's, which DNS rebinding leads here."""
    return bool(_HOSTS.fullmatch(host))


def head_rejection(request: HttpRequest, is_known_key: Callable[[str], bool]) -> HttpResponse | None:
    """The response to a request whose body must not be read, or None. The request has no body yet."""
    host, path = request.header("host") or "", _path(request)
    if not is_known_host(host):
        return _error(403, "ForbiddenException", "The Host header names neither this machine nor AWS.")
    key = access_key(request)
    if _ELSEWHERE.match(path) and not (key and path in _OURS):
        return _error(404, "NotFoundException", "Not Found")
    length = request.header("content-length") or ""
    size_bytes = int(length) if length.isdigit() else 0
    if not key and request.header("transfer-encoding"):
        return _error(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
    limit_bytes, is_form = MAX_SIGNED_BODY_BYTES, not key and is_form_for_bucket(request)
    if is_own_api(request.raw_path, host) and connection_path(request.raw_path, host) is None:
        limit_bytes = MAX_PAYLOAD_BYTES
    elif size_bytes > MAX_UNSIGNED_BODY_BYTES and not is_form and not (key and is_known_key(key)):
        return _unauthenticated(key)
    elif is_form or signed_service(request.header("authorization") or "", request.query_string) == "s3":
        limit_bytes = MAX_OBJECT_BYTES
    if size_bytes <= limit_bytes:
        return None
    return _error(413, "RequestEntityTooLargeException", f"Request must be smaller than {limit_bytes} bytes")


def form_rejection(head: bytes, is_known_key: Callable[[str], bool]) -> HttpResponse | None:
    """The response to a large form whose first bytes are `head`: its key is in it, before the file."""
    found = _FORM_KEY.search(head[:MAX_FORM_HEAD_BYTES])
    key = found[1].decode("latin-1") if found else ""
    return None if key and is_known_key(key) else _unauthenticated(key)


def rejection(request: HttpRequest, service: str) -> HttpResponse | None:
    """The response to a request that no service may see, or None. `service`: ministack's name of the one it is for."""
    if access_key(request) or _may_be_unsigned(request, service):
        return None
    if service == "s3":
        body = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        return HttpResponse(403, body.encode(), {"content-type": "application/xml"})
    return _unauthenticated("")


def _may_be_unsigned(request: HttpRequest, service: str) -> bool:
    """Whether it is for something of the user's own, or for what AWS serves by a policy or a token instead."""
    host, path = request.header("host") or "", _path(request)
    if is_own_api(request.raw_path, host) or _OPEN_PATHS.fullmatch(path):
        return True
    if service == "s3":
        names_bucket, at_root = _BUCKET_HOST.fullmatch(host), path == "/"
        if _S3_HOST.fullmatch(host):
            names_bucket, at_root = _BUCKET.fullmatch(path), path.strip("/").count("/") == 0
        if names_bucket is None:  # ListBuckets; S3 answers POST with 405
            return request.method == "POST" and path == "/"
        creates = request.method == "PUT" and at_root and not request.query_string
        return not creates  # the policies of the bucket decide
    return service in _WITH_UNSIGNED_OPERATIONS


def is_form_for_bucket(request: HttpRequest) -> bool:
    """Amazon S3 API reference, RESTObjectPOST: `/bucket` here, or `/` where the bucket is in the name of the host."""
    if request.method != "POST" or not (request.header("content-type") or "").startswith(
        "multipart/form-data"
    ):
        return False
    host, path = request.header("host") or "", _path(request)
    at_host = path == "/" and _BUCKET_HOST.fullmatch(host) is not None
    return at_host or (_BUCKET.fullmatch(path) is not None and path.rstrip("/").count("/") == 1)


def access_key(request: HttpRequest) -> str:
    """Of a signature of version 4 or 2, which is still to be checked; "" of a request without one."""
    query = parse_qs(request.query_string)
    found = re.match(r"AWS4-.*?Credential=([^/,\s]+)/|AWS ([^:\s]+):", request.header("authorization") or "")
    if found:
        return str(found[1] or found[2])
    if "X-Amz-Signature" in query:
        return query.get("X-Amz-Credential", [""])[0].partition("/")[0]
    return query.get("AWSAccessKeyId", [""])[0] if "Signature" in query else ""


def _path(request: HttpRequest) -> str:
    return re.sub("/+", "/", unquote(request.raw_path))  # as ministack's router reads it


def _unauthenticated(key: str) -> HttpResponse:
    if key:
        message = "The security token included in the request is invalid."
        return _error(403, "UnrecognizedClientException", message)
    return _error(403, "MissingAuthenticationTokenException", "Missing Authentication Token")


def _error(status: int, code: str, message: str) -> HttpResponse:
    body = json.dumps({"__type": code, "message": message})
    headers = {"content-type": "application/json", "x-amzn-errortype": code, "connection": "close"}
    return HttpResponse(status, body.encode(), headers)
