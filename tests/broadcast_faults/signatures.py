"""Checks Signature Version 4 as API Gateway does, with botocore's own signer as the authority."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

LARGEST_SKEW = timedelta(minutes=5)
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<day>\d{8})/(?P<region>[^/]+)/execute-api/aws4_request, ?"
    r"SignedHeaders=(?P<signed>[a-z0-9;-]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


class SignatureCheck:
    """Knows one identity."""

    def __init__(self, access_key_id: str, secret_access_key: str, region: str) -> None:
        self._access_key_id = access_key_id
        self._signer = SigV4Auth(Credentials(access_key_id, secret_access_key), "execute-api", region)
        self._region = region

    def problem(self, target: str, headers: Mapping[str, str], body: bytes, now: datetime) -> str:
        """Why a POST is not signed rightly; "" when it is. Header names in lower case."""
        found = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
        if found is None:
            return f"no signature: {headers.get('authorization', '')!r}"
        if (found["key"], found["region"]) != (self._access_key_id, self._region):
            return f"signed for {found['key']} in {found['region']}"
        signed = found["signed"].split(";")
        if "host" not in signed or "x-amz-date" not in signed:
            return f"host and x-amz-date must be signed: {found['signed']}"
        moment = headers["x-amz-date"]
        age = now - datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if abs(age) > LARGEST_SKEW or not moment.startswith(found["day"]):
            return f"signed at {moment}, {age} ago"
        request = AWSRequest(
            "POST",
            f"http://{headers['host']}{target}",
            headers={name: headers[name] for name in signed},
            data=body,
        )
        request.context["timestamp"] = moment
        text = self._signer.string_to_sign(request, self._signer.canonical_request(request))
        right = self._signer.signature(text, request)
        return "" if right == found["signature"] else f"wrong signature of {target}"
