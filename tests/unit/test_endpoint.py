"""Every form of an endpoint means the same two URLs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.endpoint import EndpointKind, explain, normalise
from whatschat_ops.errors import UsageError

AWS = "abc123.execute-api.us-east-1.amazonaws.com"


@pytest.mark.parametrize("scheme", ["wss", "ws", "https", "http", "WSS"])
@pytest.mark.parametrize(
    "tail", ["", "/", "/@connections", "/@connections/", "/@connections/R0oXAdfD0kwCH6w%3D"]
)
@pytest.mark.parametrize("stage", ["", "/production"])
def test_any_form_of_an_execute_api_url_gives_the_same_endpoint(scheme: str, tail: str, stage: str) -> None:
    endpoint = normalise(f"{scheme}://{AWS}{stage}{tail}")

    assert endpoint.websocket_url == f"wss://{AWS}/production"
    assert endpoint.callback_url == f"https://{AWS}/production"
    assert (endpoint.kind, endpoint.api_id, endpoint.stage) == (
        EndpointKind.EXECUTE_API,
        "abc123",
        "production",
    )


def test_a_missing_stage_is_that_of_the_settings() -> None:
    assert normalise(f"wss://{AWS}", stage="beta").websocket_url == f"wss://{AWS}/beta"
    assert normalise(f"wss://{AWS}/alpha", stage="beta").websocket_url == f"wss://{AWS}/alpha"


@pytest.mark.parametrize(
    ("text", "websocket_url", "callback_url"),
    [
        ("wss://chat.example.com", "wss://chat.example.com", "https://chat.example.com"),
        (
            "https://Chat.Example.com:443/live/",
            "wss://chat.example.com/live",
            "https://chat.example.com/live",
        ),
        (
            "wss://chat.example.com/live/@connections/x",
            "wss://chat.example.com/live",
            "https://chat.example.com/live",
        ),
        ("ws://[::1]:9000/a/b", "ws://[::1]:9000/a/b", "http://[::1]:9000/a/b"),
    ],
)
def test_a_custom_domain_gets_no_stage(text: str, websocket_url: str, callback_url: str) -> None:
    endpoint = normalise(text)

    assert (endpoint.websocket_url, endpoint.callback_url) == (websocket_url, callback_url)
    assert (endpoint.kind, endpoint.api_id, endpoint.stage) == (EndpointKind.CUSTOM_DOMAIN, None, None)


@pytest.mark.parametrize("tail", ["/production", "/production/", "", "/production/@connections/abc="])
def test_the_embedded_form_names_api_and_stage_in_its_path(tail: str) -> None:
    endpoint = normalise(f"http://127.0.0.1:4566/_aws/execute-api/a1b2c3{tail}")

    assert endpoint.websocket_url == "ws://127.0.0.1:4566/_aws/execute-api/a1b2c3/production"
    assert endpoint.callback_url == "http://127.0.0.1:4566/_aws/execute-api/a1b2c3/production"
    assert (endpoint.kind, endpoint.api_id) == (EndpointKind.EMBEDDED, "a1b2c3")


def test_an_execute_api_host_that_is_not_of_aws_keeps_its_scheme_and_port() -> None:
    endpoint = normalise("ws://abc.execute-api.localhost:4566/dev")

    assert endpoint.callback_url == "http://abc.execute-api.localhost:4566/dev"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "does not begin with"),
        ("chat.example.com/live", "does not begin with"),
        ("ftp://chat.example.com", "does not begin with"),
        ("wss:chat.example.com", "does not begin with"),
        ("wss://", "host"),
        ("wss:///production", "host"),
        ("wss://host name/x", "host"),
        ("wss://[::1", "not a WebSocket endpoint"),
        ("wss://chat.example.com:99999", "port"),
        ("wss://chat.example.com:0", "port"),
        ("wss://chat.example.com:abc", "port"),
        ("wss://me:secret@chat.example.com", "user name"),
        (f"wss://{AWS}/production/extra", "one path segment"),
        (f"wss://{AWS}/bad stage", "path"),
        (f"wss://{AWS}/st%20age", "stage name"),
        ("wss://chat.example.com/#x", "fragment"),
    ],
)
def test_an_invalid_url_is_rejected_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        normalise(text)
    assert caught.value.hint


def test_a_token_in_the_query_is_not_in_the_message() -> None:
    with pytest.raises(UsageError) as caught:
        normalise(f"wss://{AWS}/production?token=very-secret")
    assert "very-secret" not in caught.value.message


_labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
_stages = st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True)
_hosts = st.one_of(
    st.builds("{}.execute-api.{}.amazonaws.com".format, _labels, st.sampled_from(["us-east-1", "eu-west-2"])),
    st.lists(_labels, min_size=1, max_size=3).map(".".join),
    st.just("[::1]"),
)
_endpoints = st.builds(
    "{}://{}{}{}{}".format,
    st.sampled_from(["wss", "ws", "https", "http"]),
    _hosts,
    st.one_of(st.just(""), st.integers(1, 65535).map(":{}".format)),
    st.one_of(
        st.just(""), _stages.map("/{}".format), st.builds("/_aws/execute-api/{}/{}".format, _labels, _stages)
    ),
    st.sampled_from(["", "/", "/@connections", "/@connections/abc="]),
)


@given(_endpoints, _stages)
def test_normalising_again_changes_nothing(text: str, other_stage: str) -> None:
    try:
        once = normalise(text)
    except UsageError:  # the embedded path on an execute-api host has too many segments
        assert "execute-api" in text
        return

    assert normalise(once.websocket_url, stage=other_stage) == once
    assert normalise(once.callback_url, stage=other_stage) == once
    assert normalise(f"{once.callback_url}/@connections/abc=", stage=other_stage) == once
    assert not once.websocket_url.endswith("/")


@given(st.text(max_size=60))
def test_any_text_gives_an_endpoint_or_a_usage_error(text: str) -> None:
    try:
        normalise(text)
    except UsageError as error:
        assert error.message


def test_the_explanation_names_both_urls() -> None:
    text = " ".join(explain(normalise(f"wss://{AWS}")))

    assert f"wss://{AWS}/production" in text
    assert f"https://{AWS}/production/@connections/" in text
