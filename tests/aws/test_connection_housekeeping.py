"""Care of connections at the seam: conditional deletes on moto, probes against an HTTP server that answers as API Gateway does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import pytest
from moto import mock_aws

from whatschat_ops.aws import Aws, AwsTarget, connect
from whatschat_ops.connections.pruning import prune
from whatschat_ops.connections.request_rate import RequestRate
from whatschat_ops.connections.sockets import Sockets
from whatschat_ops.connections.store import ConnectionStore
from whatschat_ops.errors import PermissionDenied, Rejected
from whatschat_ops.redaction import Secret

TABLE = "websocket-connections"
NOW = datetime(2027, 1, 15, 8, tzinfo=UTC)
NOW_S = NOW.timestamp()


def operator() -> Aws:
    return connect(AwsTarget("us-east-1", access_key_id="testing", secret_access_key=Secret("testing")))


@pytest.fixture
def aws() -> Iterator[Aws]:
    with mock_aws():
        made = operator()
        made.client("dynamodb").create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "connectionId", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "connectionId", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield made


def put(aws: Aws, name: str, **attributes: Any) -> None:
    aws.client("dynamodb").put_item(TableName=TABLE, Item={"connectionId": {"S": name}, **attributes})


EXPIRED = {"connectedAt": {"S": "2027-01-14T07:00:00.000Z"}, "ttl": {"N": str(int(NOW_S) - 60)}}


@pytest.mark.parametrize(
    "change",
    [
        {"ttl": {"N": str(int(NOW_S) + 86_400)}},
        {"connectedAt": {"S": "2027-01-15T07:59:59.000Z"}},
        {"ttl": {"S": "2027-01-15T07:59:00Z"}},
    ],
    ids=["life prolonged", "connected again", "another type"],
)
def test_expired_row_that_was_changed_after_it_was_read_survives(aws: Aws, change: dict[str, Any]) -> None:
    store = ConnectionStore(aws, TABLE, now_s=lambda: NOW_S)
    put(aws, "a", **EXPIRED)
    [read] = store.scan(include_expired=True)
    put(aws, "a", **{**EXPIRED, **change})

    assert store.prune_expired(read) is False
    assert store.get("a") is not None


@pytest.mark.parametrize("missing", [(), ("connectedAt",), ("ttl",), ("connectedAt", "ttl")])
def test_unchanged_row_is_deleted_whatever_it_lacks(aws: Aws, missing: tuple[str, ...]) -> None:
    store = ConnectionStore(aws, TABLE, now_s=lambda: NOW_S)
    put(aws, "a", **{name: value for name, value in EXPIRED.items() if name not in missing})
    [read] = store.scan(include_expired=True)

    assert store.prune_expired(read) is True
    assert store.prune_expired(read) is False, "there is nothing left to delete"


def test_prune_reads_many_pages_and_deletes_only_what_is_over(aws: Aws) -> None:
    store = ConnectionStore(aws, TABLE, now_s=lambda: NOW_S)
    for number in range(40):
        put(aws, f"old-{number}", **EXPIRED)
        put(aws, f"new-{number}", connectedAt={"S": "2027-01-15T07:00:00Z"}, ttl={"N": str(int(NOW_S) + 60)})

    class NeverAsked:
        def is_open(self, connection_id: str) -> bool:
            raise AssertionError("no probe is needed")

    report = prune(store, NeverAsked(), probe=False, now=lambda: NOW)

    assert (report.scanned, report.expired, report.pruned, report.failed) == (80, 40, 40, 0)
    assert {row.connection_id[:4] for row in store.scan()} == {"new-"}


@dataclass
class Gateway:
    """Answers by connection id; a list is worked off from the front."""

    answers: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    state = Gateway()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            name = unquote(self.path.rpartition("/")[2])
            state.requests.append(f"{self.command} {name}")
            answers = state.answers.get(name, [(410, "GoneException")])
            status, code = answers.pop(0) if len(answers) > 1 else answers[0]
            body = json.dumps({} if status == 200 else {"message": "said so"}).encode()
            self.send_response(status)
            self.send_header("x-amzn-ErrorType", code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_DELETE = answer

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/production"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def sockets(gateway: Gateway, rate: RequestRate) -> Sockets:
    return Sockets(operator(), gateway.url, rate)


def test_socket_is_open_gone_or_never_was(gateway: Gateway) -> None:
    gateway.answers = {"open=": [(200, "")], "bad": [(400, "BadRequestException")]}
    found = sockets(gateway, RequestRate())
    assert [found.is_open(name) for name in ("open=", "gone=", "bad")] == [True, False, False]
    assert found.close("open=") is True
    assert found.close("gone=") is False
    assert gateway.requests == ["GET open=", "GET gone=", "GET bad", "DELETE open=", "DELETE gone="]


def test_answer_that_says_nothing_of_the_socket_is_an_error(gateway: Gateway) -> None:
    gateway.answers = {"a": [(400, "ValidationException")], "b": [(403, "ForbiddenException")]}
    found = sockets(gateway, RequestRate())
    with pytest.raises(Rejected):
        found.is_open("a")
    with pytest.raises(PermissionDenied):
        found.is_open("b")


def test_throttled_answer_slows_the_pace_and_each_attempt_takes_a_turn(gateway: Gateway) -> None:
    gateway.answers = {"a": [(429, "LimitExceededException"), (200, "")]}
    waits: list[float] = []
    rate = RequestRate(10, clock=lambda: 100.0, sleep=waits.append)

    assert sockets(gateway, rate).is_open("a") is True

    assert gateway.requests == ["GET a", "GET a"]
    assert (rate.throttled, rate.rate_per_s) == (1, 5)
    assert waits == [pytest.approx(0.1)]


def test_condition_leaves_other_connections_alone(aws: Aws) -> None:
    store = ConnectionStore(aws, TABLE, now_s=lambda: NOW_S)
    put(aws, "a", **EXPIRED)
    put(aws, "b", **EXPIRED)
    read = store.get("a")
    assert read is not None
    assert store.prune(read) is True
    assert store.get("b") is not None
