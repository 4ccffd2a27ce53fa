"""Tokens: minted for the `$connect` function, and inspected by its rules."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.errors import ConfigError, UsageError
from whatschat_ops.handlers.tokens import BadToken, verify
from whatschat_ops.redaction import Secret
from whatschat_ops.sockets.tokens import inspect, mint

KEY = "a-secret-of-at-least-32-characters-000"
SECRET = Secret(KEY)
NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
NOW_S = int(NOW.timestamp())


def _mint(user: str = "alice", **values: Any) -> str:
    values = {"ttl": timedelta(minutes=60), "now": NOW, "token_id": "id-1", **values}
    return mint(user, SECRET, **values).token.reveal()


def _signed(claims: dict[str, Any], *, key: str = KEY, algorithm: str = "HS256") -> str:
    return jwt.encode(claims, key, algorithm=algorithm)


def _part(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def test_a_minted_token_carries_the_claims_of_its_user() -> None:
    claims = jwt.decode(_mint(claims={"role": "admin"}), options={"verify_signature": False})

    assert claims == {
        "userId": "alice",
        "sub": "alice",
        "iat": NOW_S,
        "exp": NOW_S + 3600,
        "jti": "id-1",
        "role": "admin",
    }


def test_a_minted_token_is_accepted_by_the_connect_function() -> None:
    assert verify(_mint(), KEY, NOW_S) == "alice"


def test_a_minted_token_hides_itself() -> None:
    minted = mint("alice", SECRET, ttl=timedelta(minutes=1), now=NOW, token_id="x")

    assert minted.token.reveal() not in repr(minted)


def test_a_short_secret_signs_without_python_warnings() -> None:
    token = mint("alice", Secret("short"), ttl=timedelta(minutes=1), now=NOW, token_id="x").token

    assert inspect(token.reveal(), now=NOW, secret=Secret("short")).signature_valid


@pytest.mark.parametrize("user", ["", "a" * 257, "line\nbreak", "tab\tulator", "\ud800"])
def test_an_invalid_user_id_is_rejected(user: str) -> None:
    with pytest.raises(UsageError, match="user id"):
        _mint(user)


@pytest.mark.parametrize("claim", ["userId", "sub", "exp", "iat", "jti"])
def test_a_reserved_claim_is_rejected(claim: str) -> None:
    with pytest.raises(UsageError, match=claim):
        _mint(claims={claim: 1})


def test_a_lifetime_of_zero_is_rejected() -> None:
    with pytest.raises(UsageError, match="0 minutes"):
        _mint(ttl=timedelta(0))


def test_a_negative_lifetime_makes_an_expired_token() -> None:
    minted = mint("alice", SECRET, ttl=timedelta(minutes=-5), now=NOW, token_id="x")

    assert (minted.issued_at, minted.expires_at) == (NOW - timedelta(minutes=10), NOW - timedelta(minutes=5))
    inspection = inspect(minted.token.reveal(), now=NOW, secret=SECRET)
    assert inspection.problems == ("It expired 5 minutes ago.",)
    with pytest.raises(BadToken, match="expired"):
        verify(minted.token.reveal(), KEY, NOW_S)


@pytest.mark.parametrize(
    "key",
    [
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ alice@example.com",
    ],
)
def test_a_secret_that_is_another_kind_of_key_is_rejected(key: str) -> None:
    with pytest.raises(ConfigError, match="another kind") as refused:
        mint("alice", Secret(key), ttl=timedelta(minutes=1), now=NOW, token_id="x")
    assert key not in str(refused.value)
    assert inspect(_mint(), now=NOW, secret=Secret(key)).signature_valid is False


def test_an_empty_secret_is_rejected() -> None:
    with pytest.raises(ConfigError, match="empty"):
        mint("alice", Secret(""), ttl=timedelta(minutes=1), now=NOW, token_id="x")


def test_inspecting_without_a_secret_does_not_check_the_signature() -> None:
    inspection = inspect(_mint() + "\n", now=NOW)

    assert inspection.signature_valid is None
    assert inspection.problems == ()
    assert (inspection.user_id, inspection.expires_in_s) == ("alice", 3600)
    assert inspection.expires_at == NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("token", "problem"),
    [
        (_signed({"userId": "a", "exp": NOW_S - 90}), "It expired 1 minute ago."),
        (_signed({"userId": "a"}), "never expires"),
        (_signed({"userId": "a", "exp": "soon"}), "exp is not a time"),
        (_signed({"exp": NOW_S + 9}), "no user"),
        (_signed({"userId": 42, "exp": NOW_S + 9}), "no user"),
        (
            _signed({"userId": "a", "exp": NOW_S + 9, "nbf": NOW_S + 7200}),
            "not valid yet: it will be in 2 hours",
        ),
        (_signed({"userId": "a", "exp": NOW_S + 9, "aud": "x"}), "audience"),
        (_signed({"userId": "a", "exp": NOW_S + 9}, key="b" * 40), "signature does not match"),
        (_signed({"userId": "a", "exp": NOW_S + 9}, key="b" * 64, algorithm="HS512"), "signed with HS512"),
        (f"{_part({'alg': 'none'})}.{_part({'userId': 'a', 'exp': NOW_S + 9})}.", "alg is none"),
        (_signed({"userId": "a", "exp": NOW_S + 9, "x": "y" * 9000}), "too long"),
    ],
)
def test_a_bad_token_lists_its_problem(token: str, problem: str) -> None:
    inspection = inspect(token, now=NOW, secret=SECRET)

    assert any(problem in text for text in inspection.problems), inspection.problems
    with pytest.raises(BadToken):
        if len(token) > 8192:
            raise BadToken("too long")  # refused before `verify` sees it
        verify(token, KEY, NOW_S)


@pytest.mark.parametrize(
    "garbage", ["", "abc", "a.b", "a.b.c.d", "ä.b.c", "e30.bm90.x", f"{_part([])}.{_part({})}.x"]
)
def test_garbage_is_rejected_without_being_shown(garbage: str) -> None:
    with pytest.raises(UsageError, match="not a JWT") as caught:
        inspect(garbage, now=NOW)
    assert not garbage or garbage not in caught.value.message


_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(NOW_S - 100, NOW_S + 100),
    st.floats(),
    st.sampled_from([10**400, -(10**400), 0, "", [], {}, [1]]),
    st.text(max_size=4),
    st.just("alice"),
)
_claims = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("userId", "sub", "exp", "nbf", "iat", "aud", "jti"), _values)
)


@given(_claims, st.sampled_from([KEY, "another-secret-of-32-characters-00000"]))
def test_inspect_finds_a_problem_if_and_only_if_the_connect_function_rejects(
    claims: dict[str, Any], key: str
) -> None:
    token = _raw_token(claims, key)
    try:
        accepted: str | None = verify(token, KEY, NOW_S)
    except BadToken:
        accepted = None

    inspection = inspect(token, now=NOW, secret=SECRET)

    assert (accepted is None) == bool(inspection.problems), inspection.problems
    assert accepted in (None, inspection.user_id)


def _raw_token(claims: dict[str, Any], key: str) -> str:
    """Signed by hand, for PyJWT does not encode every claim that others do."""
    import hashlib
    import hmac

    signed = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(claims)}"
    signature = hmac.new(key.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


@given(st.text(alphabet="abcdeyJ.-_ 0123", max_size=60))
def test_any_text_is_inspected_or_rejected(text: str) -> None:
    try:
        inspect(text, now=NOW)
    except UsageError as error:
        assert error.hint


@pytest.mark.parametrize(("expires_s", "expired"), [(NOW_S, True), (NOW_S + 1, False), (NOW_S - 1, True)])
def test_token_has_expired_from_the_second_of_its_expiry_on(expires_s: int, expired: bool) -> None:
    token = _signed({"userId": "a", "exp": expires_s})
    assert any("expired" in text for text in inspect(token, now=NOW, secret=SECRET).problems) is expired
    if expired:
        with pytest.raises(BadToken, match="expired"):
            verify(token, KEY, NOW_S)
    else:
        assert verify(token, KEY, NOW_S) == "a"
