"""@connections through boto3, against an HTTP server that answers as API Gateway does (moto never answers 410)."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from whatschat_ops.aws import AwsTarget, connect
from whatschat_ops.connections.management import ConnectionsApi
from whatschat_ops.errors import Gone, PermissionDenied, UsageError
from whatschat_ops.quotas import MAX_MESSAGE_BYTES
from whatschat_ops.redaction import Secret

CONNECTION = "R0oXAdfD0kwCH6w="


@dataclass
class Gateway:
    """The answers to give, in order (the last one again and again), and the requests that came."""

    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=lambda: [(200, {}, b"")])
    requests: list[tuple[str, str, bytes]] = field(default_factory=list)
    url: str = ""

    def refuse(self, status: int, code: str, message: str = "") -> None:
        self.answers = [(status, {"x-amzn-ErrorType": code}, json.dumps({"message": message}).encode())]


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    state = Gateway()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            state.requests.append((self.command, self.path, body))
            status, headers, content = state.answers.pop(0) if len(state.answers) > 1 else state.answers[0]
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET = do_DELETE = answer

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        state.url = f"http://127.0.0.1:{server.server_address[1]}/production"
        yield state
        server.shutdown()
        thread.join()


@pytest.fixture
def api(gateway: Gateway) -> ConnectionsApi:
    aws = connect(AwsTarget("us-east-1", access_key_id="AKIA", secret_access_key=Secret("secret")))
    return ConnectionsApi(aws, gateway.url)


def test_a_post_goes_to_the_encoded_connection_of_the_stage(api: ConnectionsApi, gateway: Gateway) -> None:
    api.post(CONNECTION, "héllo".encode())

    assert gateway.requests == [("POST", "/production/@connections/R0oXAdfD0kwCH6w%3D", "héllo".encode())]


def test_a_connection_that_is_gone_is_gone_and_not_tried_again(api: ConnectionsApi, gateway: Gateway) -> None:
    gateway.refuse(410, "GoneException")

    with pytest.raises(Gone):
        api.post(CONNECTION, b"x")
    assert api.get(CONNECTION) is None
    assert api.delete(CONNECTION) is False
    assert len(gateway.requests) == 3


def test_a_refusal_of_iam_is_a_permission_that_is_missing(api: ConnectionsApi, gateway: Gateway) -> None:
    gateway.refuse(403, "ForbiddenException", "not authorized to perform: execute-api:ManageConnections")

    with pytest.raises(PermissionDenied, match="ManageConnections"):
        api.post(CONNECTION, b"x")
    with pytest.raises(PermissionDenied):
        api.get(CONNECTION)
    with pytest.raises(PermissionDenied):
        api.delete(CONNECTION)


def test_throttling_is_waited_out(api: ConnectionsApi, gateway: Gateway) -> None:
    gateway.answers = [(429, {"x-amzn-ErrorType": "LimitExceededException"}, b"{}"), (200, {}, b"")]

    api.post(CONNECTION, b"x")

    assert len(gateway.requests) == 2


def test_a_message_that_is_too_big_is_not_sent(api: ConnectionsApi, gateway: Gateway) -> None:
    api.post(CONNECTION, b"x" * MAX_MESSAGE_BYTES)
    with pytest.raises(UsageError, match="131,073"):
        api.post(CONNECTION, b"x" * (MAX_MESSAGE_BYTES + 1))
    assert len(gateway.requests) == 1


def test_what_is_known_of_a_connection_is_typed(api: ConnectionsApi, gateway: Gateway) -> None:
    document = {
        "connectedAt": "2026-11-23T07:12:00Z",
        "lastActiveAt": "2026-11-23T07:13:00Z",
        "identity": {"sourceIp": "203.0.113.9", "userAgent": "wscat"},
    }
    gateway.answers = [(200, {"Content-Type": "application/json"}, json.dumps(document).encode())]

    info = api.get(CONNECTION)

    assert info is not None
    assert info.connected_at == datetime(2026, 11, 23, 7, 12, tzinfo=UTC)
    assert info.last_active_at == datetime(2026, 11, 23, 7, 13, tzinfo=UTC)
    assert (info.source_ip, info.user_agent) == ("203.0.113.9", "wscat")


def test_closing_a_socket_says_that_it_was_open(api: ConnectionsApi, gateway: Gateway) -> None:
    gateway.answers = [(204, {}, b"")]

    assert api.delete(CONNECTION) is True
    assert gateway.requests[0][0] == "DELETE"
