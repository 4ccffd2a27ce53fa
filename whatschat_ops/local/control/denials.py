"""AWS's wording of a denied request. Pure functions; ministack decides."""

from __future__ import annotations

import re

from whatschat_ops.local.interfaces import Denial

UNKNOWN_KEY = Denial("UnrecognizedClientException", "The security token included in the request is invalid.")

# ministack's code of a failed authentication -> the code of services that use JSON.
_CODES = {
    "SignatureDoesNotMatch": "InvalidSignatureException",
    "CredentialDateMismatch": "InvalidSignatureException",
    "RequestTimeTooSkewed": "InvalidSignatureException",
    "RequestExpired": "InvalidSignatureException",
    "UnsupportedSignature": "InvalidSignatureException",
    "MissingAuthenticationToken": "MissingAuthenticationTokenException",
    "IncompleteSignature": "IncompleteSignatureException",
    "MissingAuthorizationParameter": "IncompleteSignatureException",
    "ExpiredTokenException": "ExpiredTokenException",
}


def wrong_scope(authorization: str, service: str) -> Denial | None:
    """The denial of a request that is signed for another service."""
    scope = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request", authorization)
    if scope is None or scope.group(1) == service:
        return None
    message = f"Credential should be scoped to correct service: '{service}'. "
    return Denial("InvalidSignatureException", message)


def failed_authentication(code: str, message: str) -> Denial:
    """The denial of a caller who cannot be identified, by ministack's code for the reason."""
    known = _CODES.get(code)
    if known is None:
        return UNKNOWN_KEY
    return Denial(known, "Missing Authentication Token" if code == "MissingAuthenticationToken" else message)


def denied_by_policy(action: str, principal_arn: str, resource_arn: str, *, explicitly: bool) -> Denial:
    """The denial of a caller whose policies do not allow the action, or deny it explicitly."""
    if action.startswith("execute-api:"):  # API Gateway masks all but the last digits of the account
        resource_arn = re.sub(r":\d{8}(\d{4}):", r":********\1:", resource_arn, count=1)
    reason = (
        "with an explicit deny in an identity-based policy"
        if explicitly
        else f"because no identity-based policy allows the {action} action"
    )
    message = (
        f"User: {principal_arn} is not authorized to perform: {action} on resource: {resource_arn} {reason}"
    )
    return Denial("AccessDeniedException", message)
