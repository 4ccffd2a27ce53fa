"""The sender's signature is botocore's, for any connection id, body, token and path."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest, prepare_request_dict
from botocore.credentials import Credentials as BotocoreCredentials
from botocore.serialize import create_serializer
from hypothesis import example, given, settings
from hypothesis import strategies as st

from whatschat_ops.errors import CredentialsError, UsageError
from whatschat_ops.redaction import Secret
from whatschat_ops.sender.model import DELETE, GET, Credentials, Operation
from whatschat_ops.sender.route import route_to
from whatschat_ops.sender.signing import RequestShape, Signer

_SERVICE = botocore.session.Session().get_service_model("apigatewaymanagementapi")
_POST = _SERVICE.operation_model("PostToConnection")

printable = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)
prefixes = st.lists(
    st.text(st.sampled_from("abcXYZ019-_.~$+!*'()%=:@"), max_size=8)
    | st.sampled_from([".", "..", "", "_aws", "execute-api"]),
    max_size=4,
).map(lambda parts: "".join(f"/{part}" for part in parts))
hosts = st.sampled_from(
    [
        "https://abc123.execute-api.eu-west-1.amazonaws.com",
        "https://abc123.execute-api.eu-west-1.amazonaws.com:443",
        "https://ws.example.com:8443",
        "https://WS.Example.com",
        "http://127.0.0.1:4566",
        "http://localhost:80",
        "http://localhost:443",
        "http://[::1]:4566",
    ]
)
seconds = st.integers(min_value=0, max_value=4_000_000_000)


def by_botocore(
    url: str, region: str, body: bytes, connection_id: str, keys: Credentials, second: int
) -> tuple[str, str, str]:
    """(URL path, Authorization, Host)."""
    serialized: Any = create_serializer("rest-json").serialize_to_request(
        {"ConnectionId": connection_id, "Data": body}, _POST
    )
    prepare_request_dict(serialized, url)
    request = AWSRequest("POST", serialized["url"], data=body)
    token = keys.session_token.reveal() if keys.session_token else None
    auth = SigV4Auth(
        BotocoreCredentials(keys.access_key_id, keys.secret_access_key.reveal(), token), "execute-api", region
    )
    request.context["timestamp"] = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
    auth._modify_request_before_signing(request)
    canonical = auth.canonical_request(request)
    signature = auth.signature(auth.string_to_sign(request, canonical), request)
    auth._inject_signature_to_request(request, signature)
    host = next(line for line in canonical.split("\n") if line.startswith("host:"))
    path = "/" + serialized["url"].split("://", 1)[1].partition("/")[2]
    return path, request.headers["Authorization"], host.removeprefix("host:")


def by_us(signer: Signer, connection_id: str) -> tuple[str, str, str, bytes]:
    """(URL path, Authorization, Host, body)."""
    head, _, body = signer.request(connection_id).partition(b"\r\n\r\n")
    line, *rest = head.decode().split("\r\n")
    headers = dict(each.split(": ", 1) for each in rest)
    assert int(headers["Content-Length"]) == len(body)
    method, path, version = line.split(" ")
    assert (method, version) == ("POST", "HTTP/1.1")
    return path, headers["Authorization"], headers["Host"], body


def signer_for(url: str, region: str, body: bytes, keys: Credentials, at_s: float) -> Signer:
    route = route_to(url)
    signer = Signer(RequestShape(route.host_header, route.path, region, body), keys)
    signer.at(at_s)
    return signer


keys_of_any_kind = st.builds(
    Credentials,
    printable,
    st.text(min_size=1).map(Secret),
    st.none() | st.text(st.characters(min_codepoint=32, max_codepoint=126)).map(Secret),
)


@given(
    host=hosts,
    prefix=prefixes,
    region=st.sampled_from(["eu-west-1", "us-gov-east-1", "x"]),
    body=st.binary(max_size=300),
    connection_ids=st.lists(st.text(), min_size=1, max_size=3),
    keys=keys_of_any_kind,
    second=seconds,
)
@example(
    "https://h",
    "/prod",
    "eu-west-1",
    b"{}",
    ["L0SM9cOFvHcCIhw=", "a/b==", "", ".", ".."],
    Credentials("A", Secret("s")),
    0,
)
@example("https://h", "", "eu-west-1", b"", ["0"], Credentials("0", Secret("0"), Secret(" ")), 0)
@settings(max_examples=300, deadline=None)
def test_any_request_is_signed_as_botocore_signs_it(
    host: str,
    prefix: str,
    region: str,
    body: bytes,
    connection_ids: list[str],
    keys: Credentials,
    second: int,
) -> None:
    signer = signer_for(host + prefix, region, body, keys, second)
    for connection_id in connection_ids:
        path, authorization, host_header, sent = by_us(signer, connection_id)
        if connection_id:  # botocore refuses an empty one before it signs
            expected = by_botocore(host + prefix, region, body, connection_id, keys, second)
            assert (path, authorization, host_header) == expected
        assert sent == body


@given(st.lists(seconds, min_size=2, max_size=5))
@settings(max_examples=50, deadline=None)
def test_signer_that_lived_through_many_days_signs_as_a_new_one(moments: list[int]) -> None:
    keys = Credentials("AKID", Secret("secret"), Secret("token"))
    old = signer_for("https://h/prod", "eu-west-1", b"{}", keys, moments[0])
    for moment in moments:
        old.at(moment + 0.7)
        new = signer_for("https://h/prod", "eu-west-1", b"{}", keys, moment)
        assert old.request("id=") == new.request("id=")


def test_midnight_changes_the_key_of_the_day() -> None:
    before = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()
    keys = Credentials("AKID", Secret("secret"))
    signer = signer_for("https://h/prod", "eu-west-1", b"{}", keys, before)
    signer.at(before + 1)
    _, authorization, _, _ = by_us(signer, "id")
    assert "20270101" in authorization
    assert authorization == by_botocore("https://h/prod", "eu-west-1", b"{}", "id", keys, int(before) + 1)[1]


def test_new_keys_sign_the_next_request() -> None:
    new = Credentials("AKIDNEW", Secret("new"), Secret("token"))
    signer = signer_for("https://h/prod", "eu-west-1", b"{}", Credentials("AKID", Secret("secret")), 1000)
    signer.use(new)
    assert by_us(signer, "id")[1] == by_botocore("https://h/prod", "eu-west-1", b"{}", "id", new, 1000)[1]


@pytest.mark.parametrize("token", ["a\r\nX-Evil: 1", "tökén", "a\nb"])
def test_token_that_could_not_be_in_a_header_is_refused(token: str) -> None:
    with pytest.raises(CredentialsError, match="characters that no key has") as caught:
        signer_for("https://h/p", "eu-west-1", b"", Credentials("A", Secret("s"), Secret(token)), 0)
    assert token not in str(caught.value)


@pytest.mark.parametrize(
    "shape", [{"path": "/a b"}, {"path": "/ü"}, {"host": "a\r\nb"}, {"region": "eu west"}]
)
def test_place_that_could_not_be_in_a_request_is_refused(shape: dict[str, str]) -> None:
    parts = {"host": "h", "path": "/p", "region": "r", **shape}
    with pytest.raises(UsageError, match="cannot be part of a request"):
        Signer(RequestShape(body=b"", **parts), Credentials("A", Secret("s")))


@pytest.mark.parametrize("operation", [GET, DELETE])
def test_other_operations_are_signed_as_botocore_signs_them(operation: Operation) -> None:
    keys, route = Credentials("AKID", Secret("secret"), Secret("token")), route_to("https://h/prod")
    signer = Signer(
        RequestShape(route.host_header, route.path, "eu-west-1", b"", method=operation.method), keys
    )
    signer.at(1000)
    for connection_id in ("L0SM9cOFvHcCIhw=", ".."):
        line, *headers = signer.request(connection_id).decode().split("\r\n")
        method, path, _ = line.split(" ")
        request = AWSRequest(method, f"https://h{path}", headers={})
        auth = SigV4Auth(BotocoreCredentials("AKID", "secret", "token"), "execute-api", "eu-west-1")
        request.context["timestamp"] = "19700101T001640Z"
        auth._modify_request_before_signing(request)
        canonical = auth.canonical_request(request)
        auth._inject_signature_to_request(
            request, auth.signature(auth.string_to_sign(request, canonical), request)
        )
        assert f"Authorization: {request.headers['Authorization']}" in headers
        assert method == operation.method
