"""AWS's error codes -> our errors: the table, and what is said."""

from __future__ import annotations

import pytest

from whatschat_ops.aws.errors import translate
from whatschat_ops.errors import (
    AwsError,
    Conflict,
    CredentialsError,
    ExitCode,
    Gone,
    NotFound,
    PermissionDenied,
    Rejected,
    Throttled,
    Unavailable,
)

CASES = [
    ("ExpiredTokenException", 400, CredentialsError),
    ("UnrecognizedClientException", 400, CredentialsError),
    ("InvalidClientTokenId", 403, CredentialsError),
    ("SignatureDoesNotMatch", 403, CredentialsError),
    ("MissingAuthenticationTokenException", 403, CredentialsError),
    ("AccessDenied", 403, PermissionDenied),
    ("AccessDeniedException", 400, PermissionDenied),
    ("ForbiddenException", 403, PermissionDenied),
    ("ResourceNotFoundException", 400, NotFound),
    ("NotFoundException", 404, NotFound),
    ("NoSuchEntity", 404, NotFound),
    ("ParameterNotFound", 400, NotFound),
    ("GoneException", 410, Gone),
    ("410", 410, Gone),
    ("ConflictException", 409, Conflict),
    ("ResourceInUseException", 400, Conflict),
    ("EntityAlreadyExists", 409, Conflict),
    ("ConditionalCheckFailedException", 400, Conflict),
    ("PreconditionFailedException", 412, Conflict),
    ("ThrottlingException", 400, Throttled),
    ("TooManyRequestsException", 429, Throttled),
    ("ProvisionedThroughputExceededException", 400, Throttled),
    # @connections answers 429 with this code; elsewhere it is a full quota that waiting does not cure.
    ("LimitExceededException", 429, Throttled),
    ("LimitExceededException", 400, Rejected),
    ("LimitExceeded", 409, Conflict),
    ("PayloadTooLargeException", 413, Rejected),
    ("ValidationException", 400, Rejected),
    ("InvalidParameterValueException", 400, Rejected),
    ("UnprocessableEntityException", 422, Rejected),
    ("InternalServerError", 500, Unavailable),
    ("ServiceFailureException", 500, Unavailable),
    ("ServiceUnavailableException", 503, Unavailable),
    ("SomethingNew", 400, Rejected),
    ("SomethingNew", 401, CredentialsError),
    ("SomethingNew", 404, NotFound),
    ("SomethingNew", 429, Throttled),
    ("SomethingNew", 599, Unavailable),
]


@pytest.mark.parametrize(("code", "status", "kind"), CASES)
def test_code_and_status_choose_the_error(code: str, status: int, kind: type[AwsError]) -> None:
    error = translate("DescribeThing", status, {"Code": code, "Message": "why"})
    assert type(error) is kind
    assert (error.aws_code, error.operation) == (code, "DescribeThing")
    assert error.message == f"DescribeThing: why ({code})"
    assert error.exit_code is ExitCode.FAILED


@pytest.mark.parametrize("code", ["AccessDenied", "SomethingNew", "403", ""])
def test_403_is_never_read_as_absent(code: str) -> None:
    assert type(translate("GetThing", 403, {"Code": code, "Message": ""})) is PermissionDenied


@pytest.mark.parametrize("error", [{}, {"Code": None, "Message": None}, {"Code": "", "Message": "  "}])
def test_an_answer_without_an_error_document_still_says_something(error: dict[str, str | None]) -> None:
    found = translate("GetThing", 502, error)
    assert type(found) is Unavailable
    assert found.message == "GetThing: HTTP 502 (502)"


def test_what_can_be_done_is_a_hint() -> None:
    denied = translate("PutItem", 403, {"Code": "AccessDenied", "Message": "no"})
    assert denied.operation == "PutItem"  # what the advice of the command line says
    assert "again" in str(translate("PutItem", 503, {}).hint)
    assert translate("PutItem", 400, {"Code": "ValidationException", "Message": "no"}).hint is None


def test_tokens_in_messages_of_aws_are_redacted() -> None:
    token = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VySWQiOiJ1In0.c2lnbmF0dXJl"
    error = translate("Invoke", 400, {"Code": "InvalidRequest", "Message": f"bad header Bearer {token}"})
    assert token not in error.message
