"""What Cognito's identity pools require before they give credentials."""

from __future__ import annotations

import json
from typing import Any

import pytest

from whatschat_ops.local.control.identity_pools import refusal

pytestmark = pytest.mark.aws(
    "https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetCredentialsForIdentity.html"
)
POOL, GUEST, MEMBER = "us-east-1:pool", "us-east-1:guest", "us-east-1:member"
ROLES = {"unauthenticated": "arn:aws:iam::0:role/guest", "authenticated": "arn:aws:iam::0:role/member"}


def trust(pool: str = POOL, **changes: Any) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": "cognito-identity.amazonaws.com"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {"cognito-identity.amazonaws.com:aud": pool}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, **changes}]})


def refused(
    name: str, *, guests: bool = True, roles: Any = ROLES, policy: str | None = trust(), **request: Any
) -> str | None:
    """The type of the error."""
    identities = {GUEST: {}, MEMBER: {"Logins": {"provider": "token"}}}
    pool = {
        "IdentityPoolId": POOL,
        "AllowUnauthenticatedIdentities": guests,
        "_identities": identities,
        "_roles": roles,
    }
    found = refusal(name, request, {POOL: pool}, lambda _: policy)
    return found[0] if found else None


@pytest.mark.parametrize("name", ["GetCredentialsForIdentity", "GetOpenIdToken"])
def test_unknown_identity_is_not_found(name: str) -> None:
    assert refused(name, IdentityId="us-east-1:absent") == "ResourceNotFoundException"


@pytest.mark.parametrize("name", ["GetCredentialsForIdentity", "GetOpenIdToken"])
def test_guest_needs_a_pool_that_allows_guests(name: str) -> None:
    assert refused(name, IdentityId=GUEST) is None
    assert refused(name, IdentityId=GUEST, guests=False) == "NotAuthorizedException"
    assert refused(name, IdentityId=MEMBER, guests=False) is None
    assert refused(name, IdentityId=GUEST, guests=False, Logins={"provider": "token"}) is None


def test_new_guest_needs_a_pool_that_allows_guests() -> None:
    assert refused("GetId", IdentityPoolId=POOL) is None
    assert refused("GetId", IdentityPoolId=POOL, guests=False) == "NotAuthorizedException"
    assert refused("GetId", IdentityPoolId=POOL, guests=False, Logins={"provider": "token"}) is None
    assert refused("GetId", IdentityPoolId="us-east-1:absent") is None  # ministack says that it is not found


@pytest.mark.parametrize(
    "changes",
    [
        {"roles": {}},
        {"roles": {"authenticated": ROLES["authenticated"]}},
        {"policy": None},
        {"policy": trust("us-east-1:other")},
        {"policy": trust(Effect="Deny")},
        {"policy": trust(Action="sts:AssumeRole")},
        {"policy": trust(Principal={"Service": "lambda.amazonaws.com"})},
        {
            "policy": trust(
                Condition={"ForAnyValue:StringLike": {"cognito-identity.amazonaws.com:amr": "authenticated"}}
            )
        },
    ],
)
def test_credentials_need_a_role_that_trusts_the_pool(changes: dict[str, Any]) -> None:
    found = refused("GetCredentialsForIdentity", IdentityId=GUEST, **changes)
    assert found == "InvalidIdentityPoolConfigurationException"
    assert refused("GetOpenIdToken", IdentityId=GUEST, **changes) is None


def test_operations_that_need_a_signature_are_left_to_iam() -> None:
    assert refused("DescribeIdentity", IdentityId="us-east-1:absent") is None
