"""Who may call the service when it stands alone: the holder of one access key. Signatures are checked as AWS checks them.

Source: IAM User Guide, "AWS Signature Version 4 for API requests" and "Troubleshooting SigV4 signing". There are no
policies: the key's owner may do everything.
"""

from __future__ import annotations

import hmac
import re
from calendar import timegm
from collections.abc import Callable
from hashlib import sha256
from time import strptime
from typing import Final

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from whatschat_ops.local.interfaces import Denial, HttpRequest

LATEST_S: Final = 300
"""A signature is valid for five minutes."""

_HEADER: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/,\s]+)/(\d{8})/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request,\s*"
    r"SignedHeaders=([a-z0-9;-]+),\s*Signature=([0-9a-f]{64})"
)
_WRONG: Final = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and "
    "signing method. Consult the service documentation for details."
)


class OneKey:
    """Implements `interfaces.RequestAuthorizer`. `clock` gives seconds since the epoch."""

    def __init__(self, key: Credentials, clock: Callable[[], float]) -> None:
        self._key = key
        self._clock = clock

    def authorize(self, request: HttpRequest, service: str, action: str, resource_arn: str) -> Denial | None:  # noqa: ARG002 - there are no policies
        """Why the signature is not accepted, or None."""
        header = request.header("authorization")
        if header is None:
            return Denial("MissingAuthenticationTokenException", "Missing Authentication Token")
        match = _HEADER.fullmatch(header)
        moment = request.header("x-amz-date") or ""
        if match is None or not re.fullmatch(r"\d{8}T\d{6}Z", moment):
            return Denial(
                "IncompleteSignatureException", "The Authorization header or its date is not complete."
            )
        key_id, _, region, signed_for, names, signature = match.groups()
        if key_id != self._key.access_key:
            return Denial(
                "UnrecognizedClientException", "The security token included in the request is invalid."
            )
        signed_at = self._signed_at(moment)
        if signed_for != service or signed_at is None:
            return Denial("InvalidSignatureException", _WRONG)
        if abs(self._clock() - signed_at) > LATEST_S:
            return Denial(
                "InvalidSignatureException", f"Signature expired: {moment} is not within 5 minutes of now."
            )
        wanted = self._signature(request, region, service, names.split(";"))
        digest = request.header(
            "x-amz-content-sha256"
        )  # of the body, in what is signed: botocore believes it
        is_right = hmac.compare_digest(signature, wanted) and digest in (
            None,
            sha256(request.body).hexdigest(),
        )
        return None if is_right else Denial("InvalidSignatureException", _WRONG)

    def _signature(self, request: HttpRequest, region: str, service: str, names: list[str]) -> str:
        url = f"http://{request.header('host')}{request.raw_path}?{request.query_string}"
        sent = {name: request.header(name) or "" for name in names}
        signed = AWSRequest(request.method, url, headers=sent, data=request.body)
        signed.context["timestamp"] = request.header("x-amz-date")
        signer = SigV4Auth(self._key, service, region)
        return str(signer.signature(signer.string_to_sign(signed, signer.canonical_request(signed)), signed))

    @staticmethod
    def _signed_at(moment: str) -> float | None:
        try:
            return float(timegm(strptime(moment, "%Y%m%dT%H%M%SZ")))
        except ValueError:
            return None
