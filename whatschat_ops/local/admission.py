"""What is rejected before any service sees it: requests that a web page could make, and unsigned ones that AWS does not
serve without a signature.

Only what ministack itself would accept is named here; it rejects most unsigned requests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs

from whatschat_ops.local.interfaces import HttpResponse

_HOSTS: Final = re.compile(
    r"(127\.0\.0\.1|([\w-]+\.)*localhost|([\w-]+\.)+(amazonaws\.com(\.cn)?|api\.aws|on\.aws))(:\d+)?",
    re.IGNORECASE,
)
_METADATA: Final = ("/latest/", "/computeMetadata/")
"""Instance metadata is at 169.254.169.254 (EC2 User Guide), not at an endpoint of AWS."""

_UNSIGNED_SERVICES: Final = re.compile(
    r"/(clusters|taskdefinitions|tasks|services|stoptask)(/|$)", re.IGNORECASE
)
"""Paths of ECS that ministack serves to anybody."""
_BUCKET: Final = re.compile(r"/[^/]+/?")


def is_known_host(host: str) -> bool:
    """Whether a `Host` header names this machine or AWS. Another name may be a web page's, which DNS rebinding leads here."""
    return bool(_HOSTS.fullmatch(host))


def rejection(method: str, path: str, query_string: str, headers: Mapping[str, str]) -> HttpResponse | None:
    """The response to a request that no service may see, or None. `headers` have lower-case names."""
    if not is_known_host(headers.get("host", "")):
        return _error(403, "ForbiddenException", "The Host header names neither this machine nor AWS.")
    if path.startswith(_METADATA):
        return _error(404, "NotFoundException", "Not Found")
    if _is_signed(query_string, headers) or "x-amz-target" in headers:
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


def _is_signed(query_string: str, headers: Mapping[str, str]) -> bool:
    return "authorization" in headers or "Signature=" in query_string  # SigV2 and X-Amz-Signature of SigV4


def _error(status: int, code: str, message: str) -> HttpResponse:
    body = json.dumps({"__type": code, "message": message})
    return HttpResponse(status, body.encode(), {"content-type": "application/json", "x-amzn-errortype": code})
