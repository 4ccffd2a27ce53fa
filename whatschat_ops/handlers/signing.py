"""AWS Signature Version 4 for the requests that the handlers send.

Takes the request and the time; returns the headers to send. Pure: no clock, no environment. Tests compare it with
botocore's signer. Source: docs.aws.amazon.com/IAM, "Create a signed AWS API request".
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from time import gmtime, strftime
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key, and the session token of the role that it belongs to."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


def signed_headers(
    credentials: Credentials,
    region: str,
    service: str,
    *,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    epoch_s: float,
    method: str = "POST",
    query: str = "",
) -> dict[str, str]:
    """`headers` (lower-case names, with `host`) completed with the date, the session token and the signature.

    `path` is percent-encoded as it is sent, and so is `query`, with its names in order; every given header is signed.
    """
    moment = strftime("%Y%m%dT%H%M%SZ", gmtime(epoch_s))
    signed = {**headers, "x-amz-date": moment}
    if credentials.session_token:
        signed["x-amz-security-token"] = credentials.session_token
    names = ";".join(sorted(signed))
    request = _canonical_request(method, path, query, signed, names, body)
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    to_sign = "\n".join(("AWS4-HMAC-SHA256", moment, scope, sha256(request.encode()).hexdigest()))
    signature = hmac.digest(_signing_key(credentials, scope), to_sign.encode(), "sha256").hex()
    signed["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key_id}/{scope}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return signed


def _canonical_request(
    method: str, path: str, query: str, headers: Mapping[str, str], names: str, body: bytes
) -> str:
    lines = (f"{name}:{' '.join(headers[name].split())}" for name in sorted(headers))
    # Every service except S3 requires the path encoded a second time.
    return "\n".join((method, quote(path, safe="/-_.~"), query, *lines, "", names, sha256(body).hexdigest()))


def _signing_key(credentials: Credentials, scope: str) -> bytes:
    key = b"AWS4" + credentials.secret_access_key.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
