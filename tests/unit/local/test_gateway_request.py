"""The opening request of a WebSocket connection: which stage it is for, and whether it is one (RFC 6455, section 4.2.1)."""

from __future__ import annotations

import pytest

from whatschat_ops.local.gateway.handshake import Address, BadHandshake, Handshake, parse_handshake

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
"""The example of RFC 6455, section 1.3."""


def request(target: str = "/", host: str = "127.0.0.1:4566", **headers: str) -> Handshake:
    given = {"Host": host, "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": KEY}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return parse_handshake(f"GET {target} HTTP/1.1\r\n{lines}\r\n".encode(), "10.0.0.1", 4566)


@pytest.mark.parametrize(
    ("target", "host", "address"),
    [
        ("/_aws/execute-api/a1/beta", "127.0.0.1:4566", Address("a1", "beta")),
        ("/_aws/execute-api/a1/beta?token=x/y", "127.0.0.1:4566", Address("a1", "beta")),
        ("/_aws/execute-api/a1/be%74a", "127.0.0.1:4566", Address("a1", "beta")),
        ("/beta", "a1.execute-api.localhost:4566", Address("a1", "beta")),
        ("/_aws/execute-api/a1/beta/more", "127.0.0.1:4566", None),
        ("/_aws/execute-api/a1/", "127.0.0.1:4566", None),
        ("/_aws/execute-api/a1", "127.0.0.1:4566", None),
        ("/beta/more", "a1.execute-api.localhost:4566", None),
        ("/", "a1.execute-api.localhost:4566", None),
        ("/a1/beta", "127.0.0.1:4566", None),
        ("/beta", "a1.other.localhost:4566", None),
    ],
)
def test_stage_is_the_one_of_the_url(target: str, host: str, address: Address | None) -> None:
    assert request(target, host).address() == address


def test_accept_key_is_that_of_the_rfc() -> None:
    assert request().accept_key() == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"Sec_WebSocket_Version": "8"}, "Version must be 13"),
        ({"Sec_WebSocket_Version": ""}, "Version must be 13"),
        ({"Sec_WebSocket_Key": "not base64!"}, "not base64"),
        ({"Sec_WebSocket_Key": "c2hvcnQ="}, "16 bytes"),
        ({"Sec_WebSocket_Key": ""}, "16 bytes"),
    ],
)
def test_what_is_no_handshake_is_refused(headers: dict[str, str], why: str) -> None:
    with pytest.raises(BadHandshake, match=why):
        request(**headers).accept_key()
