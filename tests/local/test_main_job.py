"""The main job as a user does it: every step is the real command line in a process, every client a real connection."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import jwt
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.local.conftest import EmbeddedAws
from tests.local.program import eventually
from whatschat_ops.doctor.catalogue import CHECKS

pytestmark = pytest.mark.local


class Operator:
    """A user at a terminal."""

    def __init__(self, aws: EmbeddedAws) -> None:
        self.aws = aws

    def run(self, *arguments: str, code: int = 0, **environment: str) -> str:
        """Run one command; its stdout. Fails the test unless it exits with `code`."""
        return self._run(arguments, code, environment).stdout

    def _run(
        self, arguments: tuple[str, ...], code: int, environment: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "whatschat_ops", *arguments],
            env={**self.aws.environment(), **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, f"{arguments} -> {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *arguments: str, code: int = 0, **environment: str) -> Any:
        """The same with --json, parsed."""
        return json.loads(self.run(*arguments, "--json", code=code, **environment))

    def token(self, user: str) -> str:
        return self.run("token", "mint", "--user", user).strip()

    def rows(self) -> set[tuple[str, str]]:
        rows = self.aws.client("dynamodb").scan(TableName="websocket-connections")["Items"]
        return {(row["connectionId"]["S"], row["userId"]["S"]) for row in rows}


@pytest.fixture(scope="module")
def operator(embedded_aws: EmbeddedAws) -> Iterator[Operator]:
    """An operator whose stack is provisioned."""
    person = Operator(embedded_aws)
    person.run("provision", "--yes")
    yield person
    person.run("destroy", "--yes")


@pytest.fixture(scope="module")
def url(operator: Operator) -> str:
    return operator.run("ws", "endpoint").strip()


@pytest.fixture
def open_as(operator: Operator, url: str) -> Iterator[Callable[[str], ClientConnection]]:
    """Opens connections as a user; closes them after the test and waits until their rows are deleted."""
    with ExitStack() as stack:

        def open_socket(user: str) -> ClientConnection:
            headers = {"Authorization": f"Bearer {operator.token(user)}"}
            return stack.enter_context(connect(url, additional_headers=headers, open_timeout=60))

        yield open_socket
    eventually(lambda: not operator.rows())


def receive(connection: ClientConnection) -> Any:
    return json.loads(connection.recv(timeout=60))


def assert_nothing_else_came(connection: ClientConnection) -> None:
    """The next message is the answer to a ping, which is sent when everything else has been."""
    connection.send(json.dumps({"type": "ping"}))
    assert receive(connection)["type"] == "pong"


def test_second_provision_changes_nothing_and_says_so(operator: Operator) -> None:
    assert "No changes" in operator.run("provision", "--yes")
    assert "No changes" in operator.run("plan", "--detailed-exitcode")


def test_two_users_connect_and_one_sends_to_the_other(
    operator: Operator, open_as: Callable[[str], ClientConnection]
) -> None:
    alice, bob = open_as("alice"), open_as("bob")
    assert {user for _, user in operator.rows()} == {"alice", "bob"}

    alice.send(json.dumps({"type": "message:send", "id": "m1", "recipients": ["bob"], "content": "hi, Bob"}))

    delivered, receipt = receive(bob), receive(alice)
    assert (delivered["type"], delivered["from"], delivered["content"]) == (
        "message:received",
        "alice",
        "hi, Bob",
    )
    assert (receipt["type"], receipt["id"]) == ("message:sent", "m1")


def test_call_signalling_reaches_the_target_only(open_as: Callable[[str], ClientConnection]) -> None:
    alice, bob, carol = open_as("alice"), open_as("bob"), open_as("carol")

    alice.send(json.dumps({"type": "call:offer", "targetUserId": "bob", "sdp": "v=0"}))

    offer = receive(bob)
    assert (offer["type"], offer["from"], offer["sdp"]) == ("call:offer", "alice", "v=0")
    assert_nothing_else_came(carol)


def test_malformed_message_gets_an_error_and_the_connection_stays_open(
    open_as: Callable[[str], ClientConnection],
) -> None:
    alice = open_as("alice")

    alice.send("{not json")
    assert receive(alice)["type"] == "error"
    alice.send(json.dumps({"type": "ping"}))
    assert receive(alice)["type"] == "pong"


def test_broadcast_reaches_every_connection(
    operator: Operator, open_as: Callable[[str], ClientConnection]
) -> None:
    people = [open_as(user) for user in ("alice", "bob", "bob")]

    summary = operator.json("ws", "broadcast", json.dumps({"type": "notice", "text": "hello"}))

    assert (summary["delivered"], summary["gone"], summary["failed"]) == (3, 0, 0)
    assert [receive(person)["text"] for person in people] == ["hello"] * 3


def test_broadcast_to_one_user_reaches_no_other(
    operator: Operator, open_as: Callable[[str], ClientConnection]
) -> None:
    alice, bob = open_as("alice"), open_as("bob")

    assert operator.json("ws", "broadcast", "--text", "for bob", "--user", "bob")["delivered"] == 1

    assert bob.recv(timeout=60) == "for bob"
    assert_nothing_else_came(alice)


def test_gone_connection_is_pruned_by_a_peers_message(
    operator: Operator, open_as: Callable[[str], ClientConnection]
) -> None:
    alice = open_as("alice")
    stale = {
        "connectionId": {"S": "c3RhbGVzdGFsZXg="},
        "userId": {"S": "bob"},
        "connectedAt": {"S": "2026-01-01T00:00:00.000Z"},
        "ttl": {"N": str(int(time.time()) + 3600)},
    }
    operator.aws.client("dynamodb").put_item(TableName="websocket-connections", Item=stale)

    alice.send(json.dumps({"type": "message:send", "recipients": ["bob"], "content": "anybody there?"}))

    assert receive(alice)["type"] == "message:sent"
    eventually(lambda: {user for _, user in operator.rows()} == {"alice"})


def test_connections_are_listed_and_closed(
    operator: Operator, open_as: Callable[[str], ClientConnection]
) -> None:
    alice = open_as("alice")
    [row] = operator.json("ws", "connections", "list")
    assert row["user_id"] == "alice"

    operator.run("ws", "connections", "delete", "--yes", "--", row["connection_id"])

    with pytest.raises(Exception, match=r"1000|1001|1005|1006"):
        alice.recv(timeout=60)
    eventually(lambda: not operator.rows())


def unsigned(claims: dict[str, Any]) -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."


def bad_tokens(secret: str) -> dict[str, str]:
    """Name -> query string, one for each reason to be rejected."""
    now = int(time.time())
    good = {"userId": "mallory", "iat": now, "exp": now + 600}

    def signed(claims: dict[str, Any], key: str = secret, algorithm: str = "HS256") -> str:
        return f"token={jwt.encode(claims, key, algorithm=algorithm)}"

    long_key = secret + secret
    return {
        "none at all": "",
        "empty": "token=",
        "expired": signed({**good, "exp": now - 60}),
        "no expiry": signed({"userId": "mallory"}),
        "alg none": f"token={unsigned(good)}",
        "wrong key": signed(good, "another-secret-that-is-long-enough-for-hs256"),
        "wrong algorithm": signed(good, long_key, "HS512"),
        "no user": signed({"iat": now, "exp": now + 600}),
        "empty user": signed({**good, "userId": ""}),
        "not yet valid": signed({**good, "nbf": now + 300}),
        "garbage": "token=abc.def.ghi",
        "binary": "token=%00%ff%fe",
        "10 KB": f"token={'a' * 10_240}",
        "two tokens": f"{signed(good)}&{signed({**good, 'userId': 'eve'})}",
    }


def refusal(url: str, query: str = "", headers: dict[str, str] | None = None) -> int:
    """The status of a rejected handshake."""
    target = f"{url}?{query}" if query else url
    with (
        pytest.raises(InvalidStatus) as caught,
        connect(target, additional_headers=headers or {}, open_timeout=60),
    ):
        pass
    return caught.value.response.status_code


def test_every_invalid_token_is_refused_and_leaves_no_row(operator: Operator, url: str) -> None:
    secret = operator.aws.client("ssm").get_parameter(
        Name="/whatschat-ops/whatschat-local/jwt-secret", WithDecryption=True
    )["Parameter"]["Value"]

    answers = {name: refusal(url, query) for name, query in bad_tokens(secret).items()}

    assert {name: status for name, status in answers.items() if status not in (401, 403)} == {}
    assert operator.rows() == set()


def test_ten_kilobyte_token_in_a_header_is_refused(operator: Operator, url: str) -> None:
    assert refusal(url, headers={"Authorization": f"Bearer {'a' * 10_240}"}) in (401, 403)
    assert operator.rows() == set()


def test_cause_of_a_rejected_token_is_named(operator: Operator) -> None:
    expired = operator.run("token", "mint", "--user", "alice", "--ttl-minutes", "-5").strip()
    now = int(time.time())
    claims = {"userId": "alice", "iat": now, "exp": now + 600}
    foreign = jwt.encode(claims, "another-secret-that-is-long-enough-for-hs256", algorithm="HS256")

    causes = [
        operator.json("ws", "connect", "--token", token, code=1)["error"] for token in (expired, foreign)
    ]

    assert "the token expired 5 minutes ago" in causes[0]["message"]
    assert "signed with another secret than this stack's" in causes[1]["message"]
    assert all("token mint" in cause["hint"] for cause in causes)


def test_different_tokens_in_query_and_header_are_refused(operator: Operator, url: str) -> None:
    headers = {"Authorization": f"Bearer {operator.token('alice')}"}

    assert refusal(url, f"token={operator.token('bob')}", headers) == 401
    assert operator.rows() == set()


@pytest.mark.parametrize("way", ["query", "header", "subprotocol"])
def test_valid_token_is_accepted_in_each_place(operator: Operator, url: str, way: str) -> None:
    token = operator.token("alice")
    ways: dict[str, dict[str, Any]] = {
        "query": {"uri": f"{url}?token={token}"},
        "header": {"uri": url, "additional_headers": {"Authorization": f"Bearer {token}"}},
        "subprotocol": {"uri": url, "subprotocols": ["whatschat", token]},
    }

    with connect(**ways[way], open_timeout=60) as connection:
        assert connection.subprotocol == ("whatschat" if way == "subprotocol" else None)
        assert {user for _, user in operator.rows()} == {"alice"}
    eventually(lambda: not operator.rows())


def test_meeting_with_two_attendees(operator: Operator) -> None:
    created = operator.json("chime", "meeting", "create", "--user", "alice")
    meeting_id = created["meeting"]["meeting_id"] if "meeting" in created else created["meeting_id"]

    operator.run("chime", "attendee", "create", meeting_id, "--user", "alice", "--user", "bob")
    listed = operator.run("chime", "attendee", "list", meeting_id, "--json")

    assert "alice" in listed and "bob" in listed
    assert "********" in operator.run(
        "chime", "attendee", "get", meeting_id, json.loads(listed)[0]["attendee_id"]
    )
    assert meeting_id in operator.run("chime", "meeting", "list")
    operator.run("chime", "meeting", "delete", meeting_id, "--yes")


NOT_HERE = {"ST040", "AP001", "AP002", "AP003", "AP004"}
"""Checks of what this stack has not: alarms, functions and files of the application."""


def test_doctor_finds_no_problem(operator: Operator) -> None:
    results = operator.json("doctor")

    assert {
        result["name"]: result["detail"] for result in results if result["status"] not in ("ok", "skip")
    } == {}
    assert {result["code"] for result in results if result["status"] == "skip"} <= NOT_HERE
    assert [result["code"] for result in results] == [check.code for check in CHECKS]


def test_doctor_finds_a_deleted_table_and_provision_creates_it_again(operator: Operator) -> None:
    operator.aws.client("dynamodb").delete_table(TableName="websocket-connections")

    failed = {result["name"] for result in operator.json("doctor", code=3) if result["status"] == "fail"}
    assert failed == {"websocket.table"}

    operator.run("provision", "--yes")
    left = [result for result in operator.json("doctor") if result["code"] not in NOT_HERE]
    assert {result["status"] for result in left} == {"ok"}


def test_environment_files_point_to_the_stack(operator: Operator, url: str) -> None:
    backend = operator.run("env", "render", "backend")
    frontend = operator.run("env", "render", "frontend")

    assert f"AWS_API_GATEWAY_WEBSOCKET_ENDPOINT={url.replace('ws://', 'http://')}" in backend.replace('"', "")
    assert "NEXT_PUBLIC_WEBSOCKET_MODE=apigateway" in frontend
    secret = operator.aws.secret_access_key.reveal()
    assert secret not in backend + frontend


def test_two_environments_share_an_account_by_prefix(operator: Operator) -> None:
    operator.run("provision", "--yes", WHATSCHAT_PREFIX="second-")

    tables = operator.aws.client("dynamodb").list_tables()["TableNames"]
    assert {"websocket-connections", "second-websocket-connections"} <= set(tables)

    operator.run("destroy", "--yes", WHATSCHAT_PREFIX="second-")
    tables = operator.aws.client("dynamodb").list_tables()["TableNames"]
    assert "second-websocket-connections" not in tables and "websocket-connections" in tables


def test_function_logs_and_metrics_of_websocket_traffic_exist(
    operator: Operator, open_as: Callable[[str], ClientConnection]
) -> None:
    alice = open_as("alice")
    alice.send(json.dumps({"type": "ping"}))
    receive(alice)

    logs = operator.aws.client("logs")
    eventually(
        lambda: bool(
            logs.filter_log_events(logGroupName="/aws/lambda/websocket-default", filterPattern="REPORT")[
                "events"
            ]
        )
    )
    eventually(lambda: bool(logs.filter_log_events(logGroupName="/aws/apigateway/websocket")["events"]))
    events = logs.filter_log_events(logGroupName="/aws/apigateway/websocket")["events"]
    assert not any("eyJ" in event["message"] for event in events)
