"""Our signatures against those of botocore's signer."""

from __future__ import annotations

import datetime
from urllib.parse import quote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given, settings
from hypothesis import strategies as st

from whatschat_ops.handlers.signing import Credentials, signed_headers

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


def signed_by_botocore(
    url: str, headers: dict[str, str], body: bytes, service: str, token: str | None, method: str = "POST"
) -> tuple[str, str]:
    """The signature, and the moment of it."""
    request = AWSRequest(method, url, headers=headers, data=body)
    SigV4Auth(BotocoreCredentials(KEY, SECRET, token), service, "eu-central-1").add_auth(request)
    return request.headers["Authorization"], request.headers["X-Amz-Date"]


printable = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30)


@settings(max_examples=200, deadline=None)
@given(
    connection_id=st.text(min_size=1, max_size=20).filter(
        lambda text: text.isprintable() and set(text) - {"."}
    ),
    body=st.binary(max_size=100),
    token=st.none() | printable,
    target=printable,
    port=st.none() | st.integers(1024, 65535),
)
def test_any_request_is_signed_as_botocore_signs_it(
    connection_id: str, body: bytes, token: str | None, target: str, port: int | None
) -> None:
    host = "abc.execute-api.eu-central-1.amazonaws.com" + (f":{port}" if port else "")
    path = f"/production/@connections/{quote(connection_id, safe='')}"
    headers = {"content-type": "application/json", "x-amz-target": target}
    expected, moment = signed_by_botocore(f"https://{host}{path}", headers, body, "execute-api", token)
    epoch_s = datetime.datetime.strptime(f"{moment}+0000", "%Y%m%dT%H%M%SZ%z").timestamp()
    signed = signed_headers(
        Credentials(KEY, SECRET, token),
        "eu-central-1",
        "execute-api",
        path=path,
        headers={**headers, "host": host},
        body=body,
        epoch_s=epoch_s,
    )
    assert signed["authorization"] == expected
    assert signed["x-amz-date"] == moment
    assert signed.get("x-amz-security-token") == token


@settings(max_examples=100, deadline=None)
@given(next_token=printable, method=st.sampled_from(["GET", "DELETE"]))
def test_request_with_a_query_is_signed_as_botocore_signs_it(next_token: str, method: str) -> None:
    host, path = "meetings-chime.us-east-1.amazonaws.com", "/meetings/m/attendees"
    query = f"max-results=100&next-token={quote(next_token, safe='-_.~')}"
    headers = {"content-type": "application/json"}
    expected, moment = signed_by_botocore(
        f"https://{host}{path}?{query}", headers, b"", "chime", None, method
    )
    epoch_s = datetime.datetime.strptime(f"{moment}+0000", "%Y%m%dT%H%M%SZ%z").timestamp()
    signed = signed_headers(
        Credentials(KEY, SECRET),
        "eu-central-1",
        "chime",
        path=path,
        headers={**headers, "host": host},
        body=b"",
        epoch_s=epoch_s,
        method=method,
        query=query,
    )
    assert signed["authorization"] == expected


def test_credentials_do_not_show_their_secrets() -> None:
    shown = repr(Credentials(KEY, SECRET, "session"))
    assert SECRET not in shown
    assert "session'" not in shown
