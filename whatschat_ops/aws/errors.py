"""AWS's error codes -> our errors. One table, most specific first.

Codes: botocore service models 1.43 (apigatewayv2, apigatewaymanagementapi, dynamodb, iam, lambda, logs, ssm, sts,
chime-sdk-meetings) and the common query and JSON protocol codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from whatschat_ops.aws.clock import clock_error
from whatschat_ops.errors import (
    AwsError,
    Conflict,
    CredentialsError,
    Gone,
    NotFound,
    PermissionDenied,
    Rejected,
    Throttled,
    Unavailable,
)
from whatschat_ops.redaction import redact

_BY_CODE: Mapping[str, type[AwsError]] = {
    **dict.fromkeys(
        (
            "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException",
            "InvalidSignatureException", "SignatureDoesNotMatch", "InvalidAccessKeyId", "MissingAuthenticationToken",
            "MissingAuthenticationTokenException", "IncompleteSignature", "RequestExpired", "UnauthorizedException",
            "InvalidToken",
        ),
        CredentialsError,
    ),
    **dict.fromkeys(
        ("AccessDenied", "AccessDeniedException", "ForbiddenException", "UnauthorizedOperation", "AuthorizationError"),
        PermissionDenied,
    ),
    **dict.fromkeys(
        (
            "ResourceNotFoundException", "NotFoundException", "NoSuchEntity", "ParameterNotFound", "NoSuchBucket",
            "NoSuchKey", "TableNotFoundException",
        ),
        NotFound,
    ),
    "GoneException": Gone,
    **dict.fromkeys(
        (
            "ConflictException", "ResourceConflictException", "ResourceInUseException", "EntityAlreadyExists",
            "ResourceAlreadyExistsException", "ParameterAlreadyExists", "ConditionalCheckFailedException",
            "PreconditionFailedException", "DeleteConflict", "OperationAbortedException", "TableInUseException",
            "TransactionConflictException", "ConcurrentModification", "ConcurrentModificationException",
        ),
        Conflict,
    ),
    **dict.fromkeys(
        (
            "Throttling", "ThrottlingException", "ThrottledException", "ThrottledClientException",
            "TooManyRequestsException", "ProvisionedThroughputExceededException", "RequestLimitExceeded",
            "SlowDown", "TooManyUpdates",
        ),
        Throttled,
    ),
}  # fmt: skip


CHECK_ENDPOINT: Final = (
    "Check the endpoint (AWS_ENDPOINT_URL, aws.endpoint_url) and the proxy (HTTPS_PROXY, HTTP_PROXY)."
)
"""What to do about an answer that is not AWS's."""


def translate(
    operation: str,
    status: int,
    error: Mapping[str, Any],
    headers: Mapping[str, str] = MappingProxyType({}),
    now: datetime | None = None,
) -> AwsError:
    """The error for an AWS error answer: `error` is botocore's parsed {"Code", "Message"}, `now` this machine's time.

    The code decides; an unknown code falls back to the HTTP status. HTTP 403 is never read as "absent".
    """
    code = str(error.get("Code") or status)
    text = str(error.get("Message") or "").strip() or f"HTTP {status}"
    if clock := clock_error(code, text, headers, now):
        return CredentialsError(
            f"{operation}: AWS refuses the signature, because {clock.why}: {redact(text)} ({code})",
            hint=clock.hint,
            aws_code=code,
            operation=operation,
        )
    kind = _BY_CODE.get(code) or _by_status(code, status)
    return kind(
        f"{operation}: {redact(text)} ({code})",
        hint=_hint(kind),
        aws_code=code,
        operation=operation,
    )


def is_throttling(answer: Mapping[str, Any]) -> bool:
    """Whether botocore's parsed answer is a refusal for the rate of requests."""
    return _BY_CODE.get(answer.get("Error", {}).get("Code", "")) is Throttled


def not_aws(operation: str, endpoint_url: str, status: int, what: str) -> Unavailable:
    """The error for an answer that is not AWS's; `what` says what was sent."""
    if status == 407:
        return Unavailable(
            f"{operation}: the proxy asks for a login (HTTP 407).",
            hint="Put them into the proxy's URL: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT",
            operation=operation,
        )
    return Unavailable(
        f"{operation}: {redact(endpoint_url)} does not answer as AWS does: it sent {redact(what)} (HTTP {status}).",
        hint=CHECK_ENDPOINT,
        operation=operation,
    )


def _by_status(code: str, status: int) -> type[AwsError]:
    if code == "LimitExceededException":  # 429 from @connections, 400 (a full quota) elsewhere
        return Throttled if status == 429 else Rejected
    by_status: Mapping[int, type[AwsError]] = {
        401: CredentialsError, 403: PermissionDenied, 404: NotFound, 409: Conflict, 410: Gone, 429: Throttled,
    }  # fmt: skip
    return by_status.get(status) or (Unavailable if status >= 500 else Rejected)


def _hint(kind: type[AwsError]) -> str | None:
    hints: Mapping[type[AwsError], str] = {
        Throttled: "Wait a little and run the same command again.",
        Unavailable: "Run the same command again; if it stays, see https://health.aws.amazon.com.",
    }
    return hints.get(kind)
