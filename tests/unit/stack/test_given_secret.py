"""The variable JWT_SECRET: what can be the secret of HS256, and what is said about it."""

from __future__ import annotations

import json

import pytest

from whatschat_ops.errors import ConfigError
from whatschat_ops.redaction import Secret
from whatschat_ops.stack.given_secret import given_secret

STRONG = "a-secret-of-at-least-32-characters-000"
PEM = "-----BEGIN RSA PUBLIC KEY-----\nMIIB\n-----END RSA PUBLIC KEY-----"


def given(text: str) -> tuple[Secret | None, list[str]]:
    warnings: list[str] = []
    return given_secret(text, warnings.append), warnings


def test_secret_is_taken_as_it_is() -> None:
    for text in (STRONG, f" {STRONG} ", "ü" * 16, "{not JSON} but 32 bytes or more of text"):
        assert given(text) == (Secret(text), [])


@pytest.mark.parametrize("text", ["", "\n", "\r\n"])
def test_variable_that_is_not_set_is_no_secret(text: str) -> None:
    assert given(text) == (None, [])


@pytest.mark.parametrize("ending", ["\n", "\r", "\r\n", "\n\n"])
def test_line_break_at_the_end_is_left_out_and_said(ending: str) -> None:
    secret, warnings = given(STRONG + ending)
    assert secret == Secret(STRONG)
    assert [text.partition(",")[0] for text in warnings] == ["JWT_SECRET ends with a line break"]


def test_short_secret_is_said() -> None:
    secret, (warning,) = given("short")
    assert secret == Secret("short")
    assert "shorter than 32 bytes" in warning


@pytest.mark.parametrize(
    "text",
    [
        PEM,
        f"\n{PEM}\n",
        PEM.replace("\n", "\\n"),
        PEM.replace("RSA PUBLIC KEY", "CERTIFICATE"),
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ alice@example.com",
        "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY alice@example.com",
        json.dumps({"kty": "oct", "k": "c2VjcmV0"}),
        json.dumps({"keys": []}),
    ],
)
def test_key_of_another_kind_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="another kind") as refused:
        given(text)
    assert text not in str(refused.value)


def test_secret_that_no_parameter_can_hold_is_refused() -> None:
    assert given("x" * 4096) == (Secret("x" * 4096), [])
    with pytest.raises(ConfigError, match="longer than 4,096 bytes"):
        given("x" * 4097)
