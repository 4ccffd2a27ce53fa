"""The wording of denied requests."""

from __future__ import annotations

import pytest

from whatschat_ops.local.control import denials

SIGNED = (
    "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=0"
)


@pytest.mark.aws("IAM user guide, reference_aws-signing.html")
@pytest.mark.parametrize(
    ("authorization", "refused"),
    [(SIGNED.format("chime"), False), (SIGNED.format("execute-api"), True), ("Bearer x", False), ("", False)],
)
def test_signature_for_another_service_is_refused(authorization: str, refused: bool) -> None:
    denial = denials.wrong_scope(authorization, "chime")
    assert (denial is not None) is refused
    if denial:
        assert (denial.code, denial.status) == ("InvalidSignatureException", 403)
        assert "correct service: 'chime'" in denial.message


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("SignatureDoesNotMatch", "InvalidSignatureException"),
        ("MissingAuthenticationToken", "MissingAuthenticationTokenException"),
        ("ExpiredTokenException", "ExpiredTokenException"),
        ("InvalidToken", "UnrecognizedClientException"),
        ("AnythingNew", "UnrecognizedClientException"),
    ],
)
def test_failed_authentication_has_the_code_of_json_services(code: str, expected: str) -> None:
    assert denials.failed_authentication(code, "why").code == expected


@pytest.mark.aws("IAM user guide, reference_policies_evaluation-logic.html")
def test_policy_denial_names_caller_action_and_reason() -> None:
    arn = "arn:aws:iam::123456789012:user/nobody"
    implicit = denials.denied_by_policy("chime:CreateMeeting", arn, "*", explicitly=False)
    assert implicit.message == (
        f"User: {arn} is not authorized to perform: chime:CreateMeeting on resource: * "
        "because no identity-based policy allows the chime:CreateMeeting action"
    )
    explicit = denials.denied_by_policy("chime:CreateMeeting", arn, "*", explicitly=True)
    assert explicit.message.endswith("with an explicit deny in an identity-based policy")


def test_api_gateway_hides_the_account_of_the_resource_but_not_of_the_caller() -> None:
    resource = "arn:aws:execute-api:us-east-1:123456789012:a1/production/POST/@connections/x"
    denial = denials.denied_by_policy(
        "execute-api:ManageConnections", "arn:aws:iam::123456789012:user/n", resource, explicitly=False
    )
    assert "execute-api:us-east-1:********9012:a1/" in denial.message
    assert "iam::123456789012:user/n" in denial.message
