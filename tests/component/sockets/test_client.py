"""One socket: handshakes and refusals against a real server, messages in frames, receipts."""

from __future__ import annotations

import asyncio
import http
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from whatschat_ops.choices import TokenVia
from whatschat_ops.errors import (
    AwsError,
    NotFound,
    PermissionDenied,
    Rejected,
    Throttled,
    TimedOut,
    Unavailable,
    UsageError,
)
from whatschat_ops.redaction import Secret
from whatschat_ops.sockets.client import Opener, frames, open_socket
from whatschat_ops.sockets.close_codes import describe
from whatschat_ops.sockets.handshake import Handshake, build_handshake
from whatschat_ops.sockets.sending import MessageRejected, is_answer, send_message
from whatschat_ops.sockets.tokens import mint

TOKEN = Secret("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln")


@asynccontextmanager
async def server(
    talk: Callable[[ServerConnection], Awaitable[None]], *, status: int = 101, body: str = ""
) -> AsyncIterator[tuple[str, list[Request]]]:
    """A WebSocket server on a free port; with `status`, one that refuses every handshake. Gives its URL and requests."""
    requests: list[Request] = []

    def on_request(connection: ServerConnection, request: Request) -> Response | None:
        requests.append(request)
        return None if status == 101 else connection.respond(http.HTTPStatus(status), body)

    def first_name(_: ServerConnection, offered: Any) -> Any:
        return offered[0] if offered else None

    async with serve(
        talk, "127.0.0.1", 0, process_request=on_request, select_subprotocol=first_name, compression=None
    ) as running:
        yield f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}/stage", requests


async def _silent(connection: ServerConnection) -> None:
    await connection.wait_closed()


def _open(via: TokenVia) -> Request:
    async def run() -> Request:
        async with server(_silent) as (url, requests), Opener(url, lambda: TOKEN, via).opened():
            return requests[0]

    return asyncio.run(run())


def test_a_token_is_sent_in_a_header_by_default() -> None:
    request = _open(TokenVia.HEADER)

    assert request.headers["Authorization"] == f"Bearer {TOKEN.reveal()}"
    assert request.path == "/stage"
    assert request.headers["User-Agent"].startswith("whatschat-ops/")


def test_a_token_is_sent_in_the_query() -> None:
    request = _open(TokenVia.QUERY)

    assert request.path == f"/stage?token={TOKEN.reveal()}"
    assert "Authorization" not in request.headers


def test_a_token_is_sent_as_a_subprotocol() -> None:
    request = _open(TokenVia.SUBPROTOCOL)

    assert request.headers["Sec-WebSocket-Protocol"] == f"whatschat, {TOKEN.reveal()}"


@pytest.mark.parametrize("via", list(TokenVia))
@pytest.mark.parametrize("token", ["", "line\r\nX-Evil: 1", "ünïcode", "two words"])
def test_a_token_that_cannot_be_sent_is_rejected(via: TokenVia, token: str) -> None:
    with pytest.raises(UsageError, match="characters"):
        build_handshake("ws://host/stage", Secret(token), via)


@pytest.mark.parametrize(
    ("status", "kind", "hint"),
    [
        (401, PermissionDenied, "token inspect"),
        (403, PermissionDenied, "ws endpoint"),
        (404, NotFound, "ws endpoint"),
        (429, Throttled, "again"),
        (400, Rejected, "ws endpoint"),
        (500, Unavailable, "doctor"),
        (503, Unavailable, "doctor"),
    ],
)
def test_a_rejected_handshake_names_a_cause_and_a_command(
    status: int, kind: type[AwsError], hint: str
) -> None:
    async def run() -> None:
        async with server(_silent, status=status, body='{"message":"said by AWS"}') as (url, _):
            await open_socket(Handshake(f"{url}?token=very-secret", {}, ()))

    with pytest.raises(kind) as caught:
        asyncio.run(run())
    assert type(caught.value) is kind
    assert f"HTTP {status}" in caught.value.message
    assert "said by AWS" in caught.value.message
    assert hint in str(caught.value.hint)
    assert "very-secret" not in caught.value.message


def test_a_rejected_token_is_inspected() -> None:
    minted = mint(
        "alice",
        Secret("k" * 32),
        ttl=timedelta(minutes=1),
        now=datetime.now(UTC) - timedelta(hours=2),
        token_id="x",
    )

    async def run() -> None:
        async with server(_silent, status=401) as (url, _):
            await Opener(url, lambda: minted.token)()

    with pytest.raises(PermissionDenied, match="the token expired 1 hour ago") as caught:
        asyncio.run(run())
    assert minted.token.reveal() not in caught.value.message


SECRETS = (Secret("c" * 32), Secret("p" * 32))
"""Those of a stack: the current one and that of a rotation."""


def _signed_with(secret: Secret, **claims: Any) -> Secret:
    now = datetime.now(UTC)
    return mint("alice", secret, ttl=timedelta(minutes=5), now=now, token_id="x", claims=claims).token


@asynccontextmanager
async def reader_of(channel: TokenVia | None) -> AsyncIterator[tuple[str, list[Request]]]:
    """A server that reads tokens in one channel only, or in none."""
    requests: list[Request] = []

    def on_request(connection: ServerConnection, request: Request) -> Response | None:
        requests.append(request)
        seen = {
            TokenVia.QUERY: "token=" in request.path,
            TokenVia.HEADER: "Authorization" in request.headers,
            TokenVia.SUBPROTOCOL: "Sec-WebSocket-Protocol" in request.headers,
        }
        return None if channel and seen[channel] else connection.respond(http.HTTPStatus(401), "")

    def first_name(_: ServerConnection, offered: Any) -> Any:
        return offered[0] if offered else None

    async with serve(
        _silent, "127.0.0.1", 0, process_request=on_request, select_subprotocol=first_name
    ) as running:
        yield f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}/stage", requests


def _refused(
    channel: TokenVia | None, token: Secret, via: TokenVia, secrets: tuple[Secret, ...] = SECRETS
) -> tuple[PermissionDenied, int]:
    """The error of a client, and how many handshakes it made."""

    async def run() -> tuple[PermissionDenied, int]:
        async with reader_of(channel) as (url, requests):
            with pytest.raises(PermissionDenied) as caught:
                await Opener(url, lambda: token, via, secrets=lambda _: secrets)()
            return caught.value, len(requests)

    return asyncio.run(run())


def test_a_token_of_another_stack_is_told_from_its_signature_without_further_handshakes() -> None:
    error, handshakes = _refused(None, _signed_with(Secret("x" * 32)), TokenVia.HEADER)

    assert "HTTP 401): the token is signed with another secret than this stack's" in error.message
    assert str(error.hint) == "whatschat-ops token mint --user USER"
    assert handshakes == 1


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(("reads", "via"), list(permutations(TokenVia, 2)))
def test_a_channel_that_the_handler_does_not_read_is_named_with_the_one_it_reads(
    secret: Secret, reads: TokenVia, via: TokenVia
) -> None:
    error, _ = _refused(reads, _signed_with(secret), via)

    assert "this handler does not read the token from the " in error.message
    assert f"--token-via {reads.value}" in str(error.hint)


def test_a_valid_token_that_no_channel_takes_is_called_valid() -> None:
    error, handshakes = _refused(None, _signed_with(SECRETS[0]), TokenVia.QUERY)

    assert "valid for this stack, and this handler accepts it in no channel" in error.message
    assert "lambda invoke connect --tail" in str(error.hint)
    assert handshakes == 3


def test_a_token_whose_signature_cannot_be_checked_keeps_the_general_words() -> None:
    error, _ = _refused(None, _signed_with(SECRETS[0]), TokenVia.QUERY, secrets=())

    assert "expired, or signed with the secret of another stack" in error.message
    assert "token inspect --verify" in str(error.hint)


def test_a_token_with_another_problem_names_it() -> None:
    error, _ = _refused(None, _signed_with(SECRETS[0], aud="shop"), TokenVia.HEADER)

    assert "the token is not valid. It is for another application" in error.message


def test_a_refused_connection_is_unavailable() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{reserved.getsockname()[1]}/stage"
        with pytest.raises(Unavailable, match="nothing listens"):
            asyncio.run(open_socket(Handshake(url, {}, ())))


def test_a_host_that_does_not_exist_is_not_found() -> None:
    with pytest.raises(NotFound, match=r"host abc\.invalid was not found"):
        asyncio.run(open_socket(Handshake("ws://abc.invalid/stage", {}, ())))


def test_a_server_that_does_not_respond_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ws://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(Unavailable, match="timed out"):
            asyncio.run(open_socket(Handshake(url, {}, ()), timeout_s=0.2))


def test_plain_text_to_a_tls_client_is_unavailable_with_the_scheme_as_hint() -> None:
    async def run() -> None:
        async with server(_silent) as (url, _):
            await open_socket(Handshake(url.replace("ws://", "wss://"), {}, ()), timeout_s=5)

    with pytest.raises(Unavailable, match="TLS"):
        asyncio.run(run())


def test_loopback_bypasses_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)

    assert _open(TokenVia.HEADER).path == "/stage"


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=300), st.integers(1, 400))
def test_frames_are_small_enough_and_whole_characters(text: str, repeat: int) -> None:
    message = text * repeat

    parts = list(frames(message))

    assert "".join(parts) == message
    assert all(0 < len(part.encode()) <= 32 * 1024 for part in parts)


def _send_to(talk: Callable[[ServerConnection], Awaitable[None]], timeout_s: float = 5) -> Any:
    async def run() -> Any:
        async with server(talk) as (url, _), Opener(url, lambda: TOKEN).opened() as connection:
            return await send_message(
                connection, ["bob", "bob", "carol"], "Hello", message_id="m1", timeout_s=timeout_s
            )

    return asyncio.run(run())


def _answer(*answers: dict[str, Any]) -> Callable[[ServerConnection], Awaitable[None]]:
    async def talk(connection: ServerConnection) -> None:
        message = json.loads(await connection.recv())
        assert message == {
            "type": "message:send",
            "id": "m1",
            "recipients": ["bob", "carol"],
            "content": "Hello",
        }
        for answer in answers:
            await connection.send(json.dumps(answer))
        await connection.wait_closed()

    return talk


def test_sending_returns_the_receipt_of_the_message() -> None:
    counts = {"recipients": 2, "delivered": 1, "offline": 1, "failed": 0, "connections": 3}
    receipt = _send_to(
        _answer(
            {"type": "message:received", "id": "m1"},
            {"type": "message:sent", "id": "another"},
            {"type": "message:sent", "id": "m1", "timestamp": 1, **counts},
        )
    )

    assert (receipt.message_id, receipt.recipients, receipt.delivered, receipt.offline) == ("m1", 2, 1, 1)
    assert (receipt.failed, receipt.connections) == (0, 3)


def test_a_receipt_without_counts_is_a_receipt() -> None:
    assert _send_to(_answer({"type": "message:sent"})).delivered is None


def test_a_rejected_message_gives_the_reason() -> None:
    with pytest.raises(MessageRejected, match="too many recipients"):
        _send_to(_answer({"type": "error", "id": "m1", "code": "x", "message": "too many recipients"}))


def test_a_missing_receipt_times_out() -> None:
    with pytest.raises(TimedOut, match="no acknowledgement arrived within"):
        _send_to(_answer(), timeout_s=0.2)


def test_a_socket_closed_before_the_receipt_gives_the_close_code() -> None:
    async def talk(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.close(1001, "Going away")

    with pytest.raises(Unavailable, match='1001, "Going away"'):
        _send_to(talk)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"type":"message:sent","id":"m1"}', True),
        ('{"type":"message:sent"}', True),
        ('{"type":"message:sent","id":"m2"}', False),
        ('{"type":"error","id":"m1"}', True),
        ('{"type":"pong"}', False),
        ("[]", False),
        ("not json", False),
    ],
)
def test_an_answer_is_distinguished_from_other_messages(body: str, expected: bool) -> None:
    assert is_answer(body, "m1") is expected


@pytest.mark.parametrize(
    ("code", "words"),
    [(1000, "normal closure"), (1001, "2 hours"), (1003, "text only"), (1006, "network"), (1009, "128 KB"),
     (4001, "application-defined"), (1999, "unknown")],
)  # fmt: skip
def test_a_close_code_is_explained(code: int, words: str) -> None:
    assert words in describe(code)


def test_token_that_is_no_jwt_is_escaped_in_the_query() -> None:
    sent = build_handshake("wss://host/stage", Secret("a&b=c%/d+e#"), TokenVia.QUERY)
    assert sent.url == "wss://host/stage?token=a%26b%3Dc%25%2Fd%2Be%23"
