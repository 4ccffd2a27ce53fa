"""`ws prune`, `ws connections stats`, `ws disconnect` and `ws load` as a user runs them, with real sockets."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.local.conftest import EmbeddedAws
from tests.local.program import PROGRAM, PrefixedStack, eventually
from whatschat_ops.redaction import Secret
from whatschat_ops.sockets.tokens import mint

pytestmark = pytest.mark.local

SECRET = "/whatschat-ops/housekeeping-whatschat-local/jwt-secret"
TABLE = "housekeeping-websocket-connections"


class Stack(PrefixedStack):
    """A provisioned stack, its table, and the program that operates it."""

    url = ""

    def put(
        self, name: str, *, age: timedelta, life: timedelta = timedelta(hours=24), user: str = "ghost"
    ) -> None:
        """A row without a socket."""
        began = datetime.now(UTC) - age
        item = {
            "connectionId": {"S": name},
            "userId": {"S": user},
            "connectedAt": {"S": began.isoformat(timespec="milliseconds").replace("+00:00", "Z")},
            "ttl": {"N": str(int((began + life).timestamp()))},
        }
        self.aws.client("dynamodb").put_item(TableName=TABLE, Item=item)

    def rows(self) -> dict[str, str]:
        """Every row, expired ones too: connection to user."""
        found = self.aws.client("dynamodb").scan(TableName=TABLE)["Items"]
        return {item["connectionId"]["S"]: item["userId"]["S"] for item in found}

    @contextmanager
    def socket(self, user: str) -> Iterator[ClientConnection]:
        secret = self.aws.client("ssm").get_parameter(Name=SECRET, WithDecryption=True)["Parameter"]["Value"]
        now, hour = datetime.now(UTC), timedelta(hours=1)
        token = mint(user, Secret(secret), ttl=hour, now=now, token_id=user).token
        headers = {"Authorization": f"Bearer {token.reveal()}"}
        with connect(self.url, additional_headers=headers, compression=None, proxy=None) as made:
            yield made


@pytest.fixture(scope="module")
def stack(embedded_aws: EmbeddedAws) -> Iterator[Stack]:
    found = Stack(embedded_aws, "housekeeping-")
    found.run("provision", "--yes")
    found.url = found.run("ws", "endpoint").stdout.strip()
    # DynamoDB deletes expired rows when it likes, the embedded one every minute: here they are to stay.
    off = {"Enabled": False, "AttributeName": "ttl"}
    aws = found.aws.client("dynamodb")
    aws.update_time_to_live(TableName=TABLE, TimeToLiveSpecification=off)
    yield found
    found.run("destroy", "--yes", "--delete-data")


HOUR = timedelta(hours=1)
LONG_EXPIRED, EXPIRED, GONE, OPENING = (
    "QUFBQUFBQUFBQUE",
    "QkJCQkJCQkJCQkI",
    "Q0NDQ0NDQ0NDQ0M",
    "RERERERERERERER",
)


def test_prune_and_stats_tell_live_connections_from_dead_rows(stack: Stack) -> None:
    with stack.socket("alice") as alice:
        stack.put(LONG_EXPIRED + "=", age=30 * HOUR)
        stack.put(EXPIRED + "=", age=HOUR, life=HOUR / 2)
        stack.put(GONE + "=", age=HOUR)
        stack.put(OPENING + "=", age=timedelta(0))

        stats = stack.json("ws", "connections", "stats", "--probe", "50")
        assert (stats["rows"], stats["expired"], stats["connections"], stats["users"]) == (5, 2, 3, 2)
        assert (stats["probes"]["sampled"], stats["probes"]["gone"]) == (3, 2)
        assert stats["orphan_share"]["share"] == pytest.approx(2 / 3)
        assert {bucket["age"]: bucket["connections"] for bucket in stats["ages"]}["1 to 2 h"] == 1
        assert stats["never_expire"] == 0
        assert "alice" in stack.run("ws", "connections", "stats").stdout

        dry = stack.json("ws", "prune", "--probe", "--dry-run")
        assert (dry["scanned"], dry["expired"], dry["prunable"], dry["pruned"]) == (5, 2, 3, 0)
        assert len(stack.rows()) == 5

        expired = stack.json("ws", "prune")
        assert (expired["scanned"], expired["expired"], expired["pruned"]) == (5, 2, 2)
        stack.put(OPENING + "=", age=timedelta(0))  # however long the commands before took
        probed = stack.json("ws", "prune", "--probe")
        assert (probed["probed"], probed["live"], probed["gone"], probed["young"]) == (3, 1, 2, 1)
        assert probed["pruned"] == 1
        assert sorted(stack.rows().values()) == ["alice", "ghost"]

        alice.send('{"type":"ping","id":1}')
        assert json.loads(alice.recv(60))["type"] == "pong"
    stack.aws.client("dynamodb").delete_item(TableName=TABLE, Key={"connectionId": {"S": OPENING + "="}})


def test_disconnect_closes_the_sockets_of_some_and_then_of_all(stack: Stack) -> None:
    with stack.socket("alice") as first, stack.socket("alice") as second, stack.socket("bob") as bob:
        stack.put(GONE + "=", age=HOUR, user="alice")
        assert stack.json("ws", "disconnect", "--user", "alice", "--dry-run")["connections"] == 3
        refused = stack.run("ws", "disconnect", "--user", "alice", code=2)
        assert "Close 3 connections of whatschat in the environment local?" in refused.stderr
        both = stack.json("ws", "disconnect", "--user", "alice", "--all", code=2)
        assert both["error"]["code"] == "usage"

        report = stack.json("ws", "disconnect", "--user", "alice", "--yes")

        assert (report["connections"], report["closed"], report["gone"], report["failed"]) == (3, 2, 1, 0)
        for socket in (first, second):
            with pytest.raises(ConnectionClosed):
                socket.recv(60)
            assert socket.close_code == 1000
        bob.send('{"type":"ping"}')
        assert json.loads(bob.recv(60))["type"] == "pong"
        assert set(stack.rows().values()) == {"bob"}

        closed = stack.json("ws", "disconnect", "--all", "--yes")
        assert (closed["connections"], closed["closed"]) == (1, 1)
        with pytest.raises(ConnectionClosed):
            bob.recv(60)
    assert stack.rows() == {}


def test_load_measures_real_sockets_and_leaves_nothing_behind(stack: Stack, tmp_path: Path) -> None:
    html = tmp_path / "load.html"
    report = stack.json(
        *(
            "ws",
            "load",
            "--sockets",
            "30",
            "--users",
            "15",
            "--duration",
            "3",
            "--interval",
            "0.5",
            "--drain",
            "60",
        ),
        *("--html", str(html), "--max-loss", "0"),
    )
    assert (report["sockets"]["opened"], report["handshake"]["count"]) == (30, 30)
    assert report["ping"]["sent"] + report["message"]["sent"] == 180
    assert report["message"]["expected"] == 2 * report["message"]["sent"] == 2 * report["receipts"]
    for kind in (report["ping"], report["message"]):
        assert kind["arrived"] == kind["expected"] > 0
        assert (kind["lost"], kind["duplicates"]) == (0, 0)
        assert 0 < kind["latency"]["p50_ms"] <= kind["latency"]["p99_ms"] <= kind["latency"]["max_ms"]
    assert (report["sockets"]["cut"], report["errors"], report["interrupted"]) == ({}, {}, False)
    assert html.read_text(encoding="utf-8").endswith("</body></html>\n")
    eventually(lambda: not stack.rows())  # every socket was closed


def test_load_says_what_it_will_not_or_cannot_do(stack: Stack) -> None:
    foreign = stack.json("ws", "load", "--url", "wss://example.com/x", code=2)
    assert "--i-own-this-endpoint" in foreign["error"]["hint"]
    beta = stack.url.replace("/production", "/beta")
    refused = stack.run("ws", "load", "--sockets", "3", "--duration", "0.2", "--url", beta, code=1)
    assert "3 × 403" in refused.stdout
    assert "None of 3 sockets could be opened" in refused.stderr
    slow = stack.run("ws", "load", "--sockets", "2", "--duration", "0.5", "--max-p95-ms", "0.001", code=3)
    assert "the limit is 0.001 ms" in slow.stderr


def test_interrupted_load_reports_and_closes_its_sockets(stack: Stack) -> None:
    with subprocess.Popen(
        [*PROGRAM, "ws", "load", "--sockets", "5", "--duration", "60", "--json"],
        env=stack.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert "5 of 5 open" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    report = json.loads(output)
    assert report["interrupted"] is True
    assert report["ping"]["lost"] == report["message"]["lost"] == 0
