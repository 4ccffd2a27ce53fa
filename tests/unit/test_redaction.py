"""Secrets are hidden, wherever in a text they are."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.redaction import REDACTED, Secret, is_secret_name, redact

TOKEN = jwt.encode({"userId": "u"}, "k" * 32, algorithm="HS256")
KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


@pytest.mark.parametrize(
    "text",
    [
        f"connect to wss://h/production?token={TOKEN} failed",
        f"wss://h/production?token={TOKEN}&x=1",
        "wss://h/s?a=1&access_token=opaque-secret",
        f"Authorization: Bearer {TOKEN}",
        "authorization: bearer opaque-secret",
        f"Sec-WebSocket-Protocol: whatschat, {TOKEN}",
        f"unsigned {TOKEN.rpartition('.')[0]}.",
        f'{{"jwt_secret": "{KEY}"}}',
        f"JWT_SECRET={KEY}",
        f"AWS_SECRET_ACCESS_KEY='{KEY}'",
        f"aws_secret_access_key = {KEY}",
        f"secret_access_key: {KEY}",
        "AWS_SESSION_TOKEN=opaque-secret==",
        '"SessionToken": "opaque-secret"',
        '"SecretAccessKey": "opaque-secret"',
        '{"JoinToken": "opaque-secret"}',
        "join_token=opaque-secret",
        "the canonical request should have been: x-amz-date:1 x-amz-security-token:opaque-secret",
        "http://user:opaque-secret@127.0.0.1:4566/",
        "https://s3/x?X-Amz-Signature=opaque-secret&X-Amz-Security-Token=opaque-secret",
        f"an access key {KEY} by its shape alone",
        "-----BEGIN RSA PRIVATE KEY-----\nopaque-secret\n-----END RSA PRIVATE KEY-----",
        '{"tls": "-----BEGIN PRIVATE KEY-----\\nopaque-secret"}',
        "ghp_opaque0secret0opaque0secret0opaque0s",
        'DB_PASSWORD: "opaque-secret of two words"',
        "{'apiKey': 'opaque-secret'}",
        r'{"body": "{\"client_secret\": \"opaque-secret\"}"}',
        "--password=opaque-secret",
        "PGPASSWORD=opaque-secret psql",
        "    STRIPE_KEY: opaque-secret",
        "environment.SERVICE_CREDENTIALS=opaque-secret",
        "Error: DB_PASSWORD=opaque-secret is refused",
        "env:API_TOKEN=opaque-secret",
        "https://h/x?api_key=opaque-secret&room=5",
        "url=https://h/x?password=opaque-secret",
        '{"body": "password=opaque-secret"}',
        "redis://:opaque-secret@127.0.0.1:6379/0",
        "postgres://user:opaque-secret@opaque-secret@h/db",
        "Authorization: Basic opaque-secret==",
        "JWT_SECRET_OLD=opaque-secret",
    ],
)
def test_no_secret_survives(text: str) -> None:
    shown = redact(text)
    assert REDACTED in shown
    for secret in (TOKEN, TOKEN.rpartition(".")[0], KEY, "opaque-secret"):
        assert secret not in shown


@pytest.mark.parametrize(
    "key",
    [
        "eyAiYWxnIjogIkhTMjU2IiB9.eyAic3ViIjogIjEiIH0.c2lnbmF0dXJl",  # { "alg": "HS256" }
        "ewogICJhbGciOiAiSFMyNTYiCn0.ewogICJzdWIiOiAiMSIKfQ.c2lnbmF0dXJl",  # {, a line feed
        "ew0KICAiYWxnIjogIkhTMjU2Ig0KfQ.ew0KICAic3ViIjogIjEiDQp9.c2ln",  # {, a carriage return
        "sk-ant-api03-opaque0secret0opaque0",
        "whsec_opaque0secret0opaque0",
        "SG.opaque0secret0opaque0.opaque0secret0opaque0",
        "IQoJb3JpZ2luX2VjEXAMPLE/opaque+secret/opaque+secret/opaque==",
    ],
)
def test_key_is_hidden_by_its_shape_alone(key: str) -> None:
    assert redact(f"the value {key} of it") == f"the value {REDACTED} of it"


@pytest.mark.parametrize(
    "text",
    [
        "PutItem: the table websocket-connections does not exist (ResourceNotFoundException)",
        "wss://abc.execute-api.us-east-1.amazonaws.com/production?room=5",
        "whatschat-ops token mint --user alice",
        "the secret of the stack is in SSM",
        "AKIAIOSFODNN7EXAMPLE",
        "routeKey=$default nextToken=abc ClientRequestToken=abc tokenTtlMinutes=60",
        '{"Key": "functions/connect.zip", "publicKey": "abc", "key_id": "abc", "KeySchema": "abc"}',
        "Invalid token: it has expired. The secret: see SSM.",
        '{"S3Key": "functions/connect.zip"}',
        '{\n  "JWT_SECRET": {\n    "Ref": "JwtSecret"\n  }\n}',
        "JWT_SECRET=",
        "JWT_SECRET: !Ref JwtSecret",
        "JWT_SECRET=arn:aws:ssm:us-east-1:000000000000:parameter/whatschat/jwt",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "arn:aws:lambda:us-east-1:000000000000:function:get-token:live",
        "run: arn:aws:ssm:us-east-1:000000000000:parameter/whatschat/jwt-secret:3",
        "see https://h:443/docs?page=token and ws://127.0.0.1:4566/x@y",
    ],
)
def test_other_text_is_unchanged(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "name",
    [
        "JWT_SECRET",
        "apiKey",
        "db-password",
        "DATABASE_CREDENTIALS",
        "STRIPE_KEY",
        "KEY",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "accessToken",
        "JWTSecret",
        "signing_key",
        "environment.JWT_SECRET",
        "PGPASSWORD",
        "apikey",
        "x-api-key",
        "githubTokens",
        "JWT_SECRET_OLD",
        "JWT_SECRET_2",
        "apiKeyV2",
        "SECRET_KEY_BASE",
        "SecretString",
        "STRIPE_KEY_LIVE",
    ],
)
def test_a_name_that_ends_in_a_secret_is_one(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "routeKey",
        "route_key",
        "nextToken",
        "NextToken",
        "ClientRequestToken",
        "tokenTtlMinutes",
        "token_ttl_minutes",
        "KeySchema",
        "publicKey",
        "key_id",
        "keyId",
        "key",
        "Key",
        "keys",
        "KMSKeyArn",
        "AWS_ACCESS_KEY_ID",
        "JWT_SECRET_PARAMETER",
        "SECRET_NAME",
        "HashKey",
        "sortKey",
        "LastEvaluatedKey",
        "secretary",
        "routeKeyOld",
        "nextTokenValue",
        "keyValue",
        "monkey",
    ],
)
def test_a_name_that_only_contains_the_word_is_none(name: str) -> None:
    assert not is_secret_name(name)


def test_text_around_a_secret_is_unchanged() -> None:
    assert redact(f"wss://h/s?token={TOKEN}&room=5") == f"wss://h/s?token={REDACTED}&room=5"


@given(st.text())
def test_redacting_twice_is_redacting_once(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@dataclasses.dataclass
class Holder:
    """Something with a secret in it."""

    secret: Secret


def test_a_secret_does_not_show_itself() -> None:
    secret = Secret(KEY)
    for shown in (
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret!r:>60}",
        repr(Holder(secret)),
    ):
        assert KEY not in shown
        assert REDACTED in shown
    with pytest.raises(TypeError):
        json.dumps({"secret": secret})


def test_a_secret_is_revealed_and_compared_by_value() -> None:
    assert Secret(KEY).reveal() == KEY
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
    assert not Secret("")
    assert Secret("a")


def test_a_copied_secret_is_a_secret() -> None:
    assert copy.deepcopy(Holder(Secret(KEY))).secret.reveal() == KEY
    assert dataclasses.asdict(Holder(Secret(KEY)))["secret"] == Secret(KEY)
    assert pickle.loads(pickle.dumps(Secret(KEY))) == Secret(KEY)
