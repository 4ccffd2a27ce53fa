"""Tokens: where they are found, which are good, and that nothing else comes in."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.handlers.tokens import BadToken, parse_token_sources, verify

SECRET = "the-secret-of-the-tests-is-32-bytes-long"
NOW_S = 1_800_000_000.0
CLAIMS = {"userId": "alice", "exp": NOW_S + 60}


def mint(claims: dict[str, Any], secret: str = SECRET, algorithm: str | None = "HS256") -> str:
    return jwt.encode(claims, secret, algorithm)


def unsigned(header: str, payload: str) -> str:
    parts = (base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode() for part in (header, payload))
    return ".".join(parts) + ".c2ln"


def refusal(token: str) -> str:
    with pytest.raises(BadToken) as caught:
        verify(token, SECRET, NOW_S)
    assert len(token) < 20 or token not in str(caught.value)
    return caught.value.reason


def test_good_token_gives_its_user() -> None:
    assert verify(mint(CLAIMS), SECRET, NOW_S) == "alice"


def test_sub_is_the_user_when_there_is_no_user_id() -> None:
    assert verify(mint({"sub": "bob", "exp": NOW_S + 60}), SECRET, NOW_S) == "bob"
    assert verify(mint({"sub": "bob", "userId": None, "exp": NOW_S + 60}), SECRET, NOW_S) == "bob"


@pytest.mark.parametrize(
    "user", ["علی\u200cرضا", "👨\u200d👩\u200d👧", "Jean\u00a0Luc", "a b", "\U0001fae8", "a" * 256]
)
def test_names_that_people_have_are_users(user: str) -> None:
    assert verify(mint({"userId": user, "exp": NOW_S + 60}), SECRET, NOW_S) == user


def test_user_id_wins_over_sub_even_if_sub_is_no_string() -> None:
    assert verify(mint({**CLAIMS, "sub": 7}), SECRET, NOW_S) == "alice"


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"userId": "alice", "exp": NOW_S}, "expired"),
        ({"userId": "alice", "exp": NOW_S - 1}, "expired"),
        ({"userId": "alice"}, "no expiry"),
        ({"userId": "alice", "exp": None}, "no expiry"),
        ({"userId": "alice", "exp": "tomorrow"}, "exp is not a time"),
        ({"userId": "alice", "exp": [1]}, "exp is not a time"),
        ({"userId": "alice", "exp": True}, "exp is not a time"),
        ({"userId": "alice", "exp": float("inf")}, "exp is not a time"),
        ({"userId": "alice", "exp": 10**400}, "exp is not a time"),
        ({"userId": "alice", "exp": -(10**400)}, "exp is not a time"),
        ({**CLAIMS, "nbf": 10**400}, "nbf is not a time"),
        ({**CLAIMS, "iat": 10**400}, "iat is not a time"),
        ({**CLAIMS, "nbf": NOW_S + 60}, "not yet valid"),
        ({**CLAIMS, "iat": NOW_S + 60}, "not yet valid"),
        ({**CLAIMS, "nbf": "soon"}, "nbf is not a time"),
        ({"exp": NOW_S + 60}, "no user"),
        ({"userId": "", "sub": "bob", "exp": NOW_S + 60}, "no user"),
        ({"userId": 42, "exp": NOW_S + 60}, "no user"),
        ({"userId": {"id": "alice"}, "exp": NOW_S + 60}, "no user"),
        ({"userId": "a" * 257, "exp": NOW_S + 60}, "no user"),
        ({"userId": "a\nb", "exp": NOW_S + 60}, "no user"),
        ({"userId": "a\x7fb", "exp": NOW_S + 60}, "no user"),
        ({"userId": "a\u2028b", "exp": NOW_S + 60}, "no user"),
        ({"userId": "\ud800", "exp": NOW_S + 60}, "no user"),
        ({**CLAIMS, "aud": "another-service"}, "audience"),
        ({**CLAIMS, "aud": ""}, "audience"),
        ({**CLAIMS, "aud": 0}, "audience"),
        ({**CLAIMS, "aud": []}, "audience"),
    ],
)
def test_well_signed_token_with_bad_claims_is_refused(claims: dict[str, Any], reason: str) -> None:
    assert refusal(mint(claims)) == reason


def test_clocks_may_differ_by_a_few_seconds_at_the_beginning_only() -> None:
    assert verify(mint({**CLAIMS, "iat": NOW_S + 5, "nbf": NOW_S + 5}), SECRET, NOW_S) == "alice"


def test_wrong_key_is_refused_for_its_signature() -> None:
    assert refusal(mint(CLAIMS, secret="another-secret-that-is-32-bytes-long-too")) == "signature"


def test_algorithm_none_is_refused() -> None:
    assert refusal(jwt.encode(CLAIMS, "", algorithm="none")) == "algorithm"


def test_other_algorithm_with_the_right_secret_is_refused() -> None:
    long_secret = SECRET * 2
    with pytest.raises(BadToken, match="algorithm"):
        verify(mint(CLAIMS, long_secret, "HS512"), long_secret, NOW_S)


def test_changed_payload_is_refused() -> None:
    header, _, signature = mint(CLAIMS).split(".")
    payload = mint({**CLAIMS, "userId": "root"}).split(".")[1]
    assert refusal(f"{header}.{payload}.{signature}") == "signature"


@pytest.mark.parametrize(
    "token",
    [
        unsigned("[" * 5000, "{}"),
        unsigned('{"alg":"HS256","crit":["exp"]}', "{}"),
        unsigned('{"alg":["HS256"]}', "{}"),
        unsigned("[]", "{}"),
        unsigned("\udcff".encode("utf-8", "surrogatepass").hex(), "{}"),
        "a.b.c",
        "..",
        "",
    ],
)
def test_hostile_header_is_refused(token: str) -> None:
    assert refusal(token) in {"malformed", "algorithm"}


@given(st.text() | st.from_regex(r"[\w-]{0,20}\.[\w-]{0,20}\.[\w-]{0,20}", fullmatch=True))
def test_any_text_is_refused_and_never_crashes(token: str) -> None:
    refusal(token)


huge = st.integers(-4000, 4000).map(lambda digits: (10 ** abs(digits)) * (1 if digits > 0 else -1))
json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | huge | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["alg", "typ", "crit", "b64", "kid"]), json_values))
def test_any_header_is_refused_and_never_crashes(header: dict[str, Any]) -> None:
    refusal(unsigned(json.dumps(header), json.dumps(CLAIMS)))


@given(
    st.dictionaries(st.sampled_from(["userId", "sub", "exp", "nbf", "iat", "aud", "iss", "jti"]), json_values)
)
def test_any_signed_claims_give_a_user_or_a_refusal(claims: dict[str, Any]) -> None:
    token = jwt.api_jws.encode(json.dumps(claims).encode(), SECRET, "HS256")
    try:
        user_id = verify(token, SECRET, NOW_S)
    except BadToken:
        return
    assert user_id in (claims.get("userId"), claims.get("sub"))
    assert claims["exp"] > NOW_S


TOKEN = mint(CLAIMS)
OTHER = mint({**CLAIMS, "userId": "mallory"})


@pytest.mark.parametrize(
    "event",
    [
        {"queryStringParameters": {"token": TOKEN}},
        {"multiValueQueryStringParameters": {"token": [TOKEN]}},
        {"headers": {"Authorization": f"Bearer {TOKEN}"}},
        {"headers": {"authorization": f"bearer  {TOKEN} "}},
        {"multiValueHeaders": {"AUTHORIZATION": [f"BEARER {TOKEN}"]}},
        {"headers": {"Sec-WebSocket-Protocol": f"whatschat, {TOKEN}"}},
        {"headers": {"sec-websocket-protocol": TOKEN}},
        {"multiValueHeaders": {"Sec-WebSocket-Protocol": ["bearer", TOKEN]}},
        {
            "queryStringParameters": {"token": TOKEN},
            "multiValueQueryStringParameters": {"token": [TOKEN, TOKEN]},
            "headers": {"Authorization": f"Bearer {TOKEN}"},
        },
    ],
)
def test_token_is_found(event: dict[str, Any]) -> None:
    assert parse_token_sources(event).only_token() == TOKEN


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({}, "missing"),
        ({"queryStringParameters": None, "headers": None}, "missing"),
        ({"queryStringParameters": {"token": ""}}, "missing"),
        ({"queryStringParameters": {"Token": TOKEN}}, "missing"),
        ({"headers": {"Authorization": f"Basic {TOKEN}"}}, "missing"),
        ({"headers": {"Authorization": TOKEN}}, "missing"),
        ({"headers": {"Authorization": "Bearer "}}, "missing"),
        ({"headers": {"Sec-WebSocket-Protocol": "whatschat, v1.k8s.io"}}, "missing"),
        ({"multiValueQueryStringParameters": {"token": [TOKEN, OTHER]}}, "several tokens"),
        (
            {"queryStringParameters": {"token": TOKEN}, "headers": {"Authorization": f"Bearer {OTHER}"}},
            "several tokens",
        ),
        ({"headers": {"Sec-WebSocket-Protocol": f"{TOKEN}, {OTHER}"}}, "several tokens"),
        ({"queryStringParameters": {"token": "eyJ" + "a" * 10_240}}, "too long"),
        ({"queryStringParameters": {"token": "garbage"}}, "malformed"),
        ({"queryStringParameters": {"token": f"{TOKEN}\n"}}, "malformed"),
        ({"queryStringParameters": {"token": TOKEN.replace(".", ".é", 1)}}, "malformed"),
    ],
)
def test_no_single_token_is_refused(event: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadToken) as caught:
        parse_token_sources(event).only_token()
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("offered", "accepted"),
    [
        (f"whatschat, {TOKEN}", "whatschat"),
        (f"{TOKEN},bearer", "bearer"),
        (TOKEN, TOKEN),
        ("a, b", "a"),
        (f"bad protocol, {TOKEN}", TOKEN),
        ("", None),
    ],
)
def test_accepted_subprotocol_is_one_that_was_offered(offered: str, accepted: str | None) -> None:
    assert parse_token_sources({"headers": {"Sec-WebSocket-Protocol": offered}}).subprotocol == accepted


header_values = st.text(max_size=30) | st.lists(st.text(max_size=30), max_size=3) | st.none() | st.integers()
sources = st.none() | st.dictionaries(
    st.sampled_from(["token", "Authorization", "authorization", "Sec-WebSocket-Protocol", "x"]), header_values
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "headers": sources,
            "multiValueHeaders": sources,
            "queryStringParameters": sources,
            "multiValueQueryStringParameters": sources,
        },
    )
)
def test_any_headers_and_query_give_a_token_or_a_refusal(event: dict[str, Any]) -> None:
    found = parse_token_sources(event)
    if found.subprotocol is not None:
        assert "\n" not in found.subprotocol
        assert "," not in found.subprotocol
    try:
        token = found.only_token()
    except BadToken:
        return
    assert refusal(token)
