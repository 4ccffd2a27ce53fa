"""The Runtime API, byte by byte, and the pure Python client that speaks it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.local.executor import pure_runtime_client, runtime_api
from whatschat_ops.local.executor.runtime_api import RuntimeConnection

NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"


def post(path: str, body: bytes, *headers: bytes) -> bytes:
    lines = [f"POST /2018-06-01/runtime{path} HTTP/1.1".encode(), b"Host: x", *headers]
    return b"\r\n".join([*lines, f"Content-Length: {len(body)}".encode(), b"", body])


class Wire(asyncio.Transport):
    """The other end of a connection."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.sent += bytes(data)

    def close(self) -> None:
        self.closed = True


@dataclass
class Owner:
    """Records the calls of the runtime client."""

    said: list[tuple[Any, ...]] = field(default_factory=list)

    def on_next(self, connection: RuntimeConnection) -> None:
        self.said.append(("next",))

    def on_response(self, request_id: str, body: bytes, size_bytes: int) -> None:
        self.said.append(("response", request_id, body, size_bytes))

    def on_error(self, request_id: str, body: bytes) -> None:
        self.said.append(("error", request_id, body))

    def on_init_error(self, body: bytes) -> None:
        self.said.append(("init", body))

    def on_connection_lost(self, connection: RuntimeConnection) -> None:
        self.said.append(("lost",))


def connect() -> tuple[RuntimeConnection, Wire, Owner]:
    owner, wire = Owner(), Wire()
    connection = RuntimeConnection(owner)
    connection.connection_made(wire)
    return connection, wire, owner


@given(st.data())
def test_requests_are_parsed_however_they_are_split(data: st.DataObject) -> None:
    connection, _, owner = connect()
    for request in (
        NEXT,
        post("/invocation/id-1/response", b'{"a": 1}'),
        NEXT,
        post("/invocation/id-2/error", b"{}"),
    ):
        cuts = sorted(data.draw(st.lists(st.integers(0, len(request)), max_size=4)))
        for start, end in zip([0, *cuts], [*cuts, len(request)], strict=True):
            connection.data_received(request[start:end])
    assert owner.said == [
        ("next",),
        ("response", "id-1", b'{"a": 1}', 8),
        ("next",),
        ("error", "id-2", b"{}"),
    ]


@pytest.mark.aws("Lambda developer guide, runtimes-api.html")
def test_event_is_sent_with_its_headers() -> None:
    connection, wire, _ = connect()
    connection.send_event({"Lambda-Runtime-Aws-Request-Id": "r"}, b"{}")
    assert wire.sent.startswith(b"HTTP/1.1 200 ")
    assert b"\r\nLambda-Runtime-Aws-Request-Id: r\r\n" in wire.sent
    assert wire.sent.endswith(b"Content-Length: 2\r\nLambda-Runtime-Aws-Request-Id: r\r\n\r\n{}")


def test_chunked_response_is_joined() -> None:
    connection, wire, owner = connect()
    connection.data_received(
        b"POST /2018-06-01/runtime/invocation/r/response HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    assert owner.said == [("response", "r", b"abcde", 5)]
    assert b" 202 " in wire.sent


def test_client_that_expects_100_continue_gets_it() -> None:
    connection, wire, _ = connect()
    connection.data_received(post("/init/error", b"{}", b"Expect: 100-continue"))
    assert wire.sent.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 ")


def test_too_large_response_is_rejected_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_api, "MAX_RESPONSE_BYTES", 3)
    connection, wire, owner = connect()
    connection.data_received(post("/invocation/r/response", b"1234"))
    assert owner.said[0][3] == 4
    assert b" 413 " in wire.sent


@pytest.mark.parametrize(
    "request_bytes", [post("/invocation/next", b""), post("/restore/next", b""), post("/x", b"")]
)
def test_unknown_request_is_answered_404(request_bytes: bytes) -> None:
    connection, wire, owner = connect()
    connection.data_received(request_bytes)
    assert b" 404 " in wire.sent
    assert owner.said == []


def test_garbage_closes_the_connection() -> None:
    connection, wire, _ = connect()
    connection.data_received(b"\x00\x01\x02 garbage\r\n\r\n")
    assert b" 400 " in wire.sent
    assert wire.closed


def test_error_of_the_owner_is_not_treated_as_a_bad_request() -> None:
    class Broken(Owner):
        def on_next(self, connection: RuntimeConnection) -> None:
            raise ZeroDivisionError

    connection = RuntimeConnection(Broken())
    connection.connection_made(Wire())
    with pytest.raises(ZeroDivisionError):
        connection.data_received(NEXT)


class Server(Owner):
    """Answers each long poll with one event."""

    def on_next(self, connection: RuntimeConnection) -> None:
        headers = {"Lambda-Runtime-Aws-Request-Id": "r-1", "Lambda-Runtime-Deadline-Ms": "1795000000000"}
        connection.send_event(headers, b'{"hello": "w\xc3\xb6rld"}')


def test_pure_client_does_what_the_native_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = Server()

    def use_client() -> tuple[bytes, dict[str, Any]]:
        pure_runtime_client.initialize_client("test")
        event = pure_runtime_client.next()
        pure_runtime_client.post_invocation_result("r-1", b"[1]", "application/json", None)
        pure_runtime_client.post_error("r-1", '{"errorType": "X"}', "{}", None)
        pure_runtime_client._clients[0]._connection.close()
        return event

    async def scenario() -> tuple[bytes, dict[str, Any]]:
        server = await asyncio.get_running_loop().create_server(
            lambda: RuntimeConnection(owner), "127.0.0.1", 0
        )
        monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
        event = await asyncio.to_thread(use_client)
        server.close()
        return event

    body, headers = asyncio.run(scenario())
    assert body == b'{"hello": "w\xc3\xb6rld"}'
    assert headers["Lambda-Runtime-Deadline-Ms"] == 1795000000000
    assert headers["Lambda-Runtime-Aws-Request-Id"] == "r-1"
    assert headers["Lambda-Runtime-Client-Context"] is None
    assert headers["Content-Type"] == "application/json"
    assert owner.said[:2] == [("response", "r-1", b"[1]", 3), ("error", "r-1", b'{"errorType": "X"}')]


def test_pure_client_fails_as_the_native_one_when_no_server_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1")
    pure_runtime_client.initialize_client("test")
    with pytest.raises(RuntimeError, match="Failed to get next"):
        pure_runtime_client.next()
    with pytest.raises(RuntimeError, match="Failed to post invocation response"):
        pure_runtime_client.post_invocation_result("r", b"", "application/json")
