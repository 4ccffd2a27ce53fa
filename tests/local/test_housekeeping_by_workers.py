"""`ws prune --probe` and `ws disconnect --all` with `--engine distributed` on the embedded AWS: real sockets, workers, IAM, kills."""

from __future__ import annotations

import base64
import json
import random
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.in_process import Cli
from tests.local.conftest import EmbeddedAws
from tests.local.program import PrefixedStack, eventually
from tests.local.user_sockets import user_sockets
from whatschat_ops.broadcast.audience.scanning import ScanSource
from whatschat_ops.broadcast.audience.targets import Page
from whatschat_ops.connections.store import ConnectionStore
from whatschat_ops.worker.bucket import Bucket
from whatschat_ops.worker.control import Control
from whatschat_ops.worker.objects import Keys

pytestmark = pytest.mark.local

PREFIX = "bulk-"
SOCKETS = 12
GONE = 60
TABLE = f"{PREFIX}websocket-connections"
IDS = random.Random("bulk")
CONFIGURATION = f"""\
prefix: {PREFIX}
broadcast:
  distributed: {{enabled: true, shard_connections: 50, workers: 2}}
"""


class Stack(PrefixedStack):
    """A stack with workers, its table, and the program that operates it."""

    def __init__(self, aws: EmbeddedAws, configuration: Path) -> None:
        super().__init__(aws, PREFIX)
        self.configuration = configuration
        self.command += ["--config", str(configuration)]

    def put(
        self, name: str, connected_at: datetime, life: timedelta | None = timedelta(hours=24), **more: Any
    ) -> None:
        """A row without a socket; None: it never expires."""
        item = {
            "connectionId": {"S": name},
            "userId": {"S": f"ghost-{name[0]}"},
            "connectedAt": {"S": connected_at.isoformat(timespec="milliseconds")},
        }
        if life is not None:
            item["ttl"] = {"N": str(int((connected_at + life).timestamp()))}
        self.aws.client("dynamodb").put_item(TableName=TABLE, Item=item, **more)

    def add_gone(self, count: int, age: timedelta = timedelta(hours=1)) -> list[str]:
        names = [base64.b64encode(IDS.randbytes(11)).decode() for _ in range(count)]
        for name in names:
            self.put(name, datetime.now(UTC) - age)
        return names

    def rewrite(self, name: str) -> bool:
        """As a client that connects under the same id; False: the row is not there any more."""
        dynamodb = self.aws.client("dynamodb")
        try:
            self.put(name, datetime.now(UTC), ConditionExpression="attribute_exists(connectionId)")
        except dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def rows(self) -> set[str]:
        found = self.aws.client("dynamodb").scan(TableName=TABLE)["Items"]
        return {item["connectionId"]["S"] for item in found}

    @property
    def bucket(self) -> Bucket:
        return Bucket(self.aws.client("s3"), f"{PREFIX}whatschat-local-broadcast-us-east-1-000000000000")

    def run_ids(self) -> set[str]:
        keys = self.bucket.keys("runs/")
        return {key.split("/")[1] for key in keys}

    def begun_slowly(self, *arguments: str) -> tuple[subprocess.Popen[str], str]:
        """A command whose run does next to nothing until it is told to, and the run's id; both workers have read all of their rows."""
        before = self.run_ids()
        command = self.start(
            *arguments, "--rate", "1", "--yes", stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        (run_id,) = eventually(lambda: self.run_ids() - before)
        keys = Keys(run_id)
        eventually(lambda: self.bucket.keys(keys.spec))
        control = Control.from_bytes(self.bucket.get(keys.control))
        self.bucket.put(keys.control, replace(control, rate_per_s=0.001).to_bytes())
        eventually(lambda: all(self.bucket.keys(keys.parts_of(shard)) for shard in (1, 2)))
        return command, run_id


@pytest.fixture(scope="module")
def stack(embedded_aws: EmbeddedAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    configuration = tmp_path_factory.mktemp("bulk") / "whatschat.yaml"
    configuration.write_text(CONFIGURATION)
    found = Stack(embedded_aws, configuration)
    found.run("provision", "--yes")
    # DynamoDB deletes expired rows when it likes, the embedded one every minute: here they are to stay.
    off = {"Enabled": False, "AttributeName": "ttl"}
    embedded_aws.client("dynamodb").update_time_to_live(TableName=TABLE, TimeToLiveSpecification=off)
    yield found
    found.run("destroy", "--yes", "--delete-data")


@pytest.fixture(scope="module")
def sockets(stack: Stack) -> Iterator[list[ClientConnection]]:
    url = stack.says("ws", "endpoint")
    name = f"/whatschat-ops/{PREFIX}whatschat-local/jwt-secret"
    secret = stack.aws.client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
    with user_sockets(url, secret, SOCKETS) as clients:
        yield clients


def test_dry_run_says_what_workers_would_come_to_and_changes_nothing(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in stack.environment.items():
        monkeypatch.setenv(name, value)
    cli = Cli(stack.configuration)
    before = stack.run_ids()
    found = cli.json("ws", "prune", "--probe", "--engine", "distributed", "--rate", "500", "--dry-run")
    assert (found["kind"], found["rate_per_s"], found["rows"]) == ("prune", 500, 0)
    assert not {"Messages", "Data transfer"} & {line["item"] for line in found["cost"]}
    shown = cli("ws", "disconnect", "--all", "--engine", "distributed", "--dry-run")
    assert "1,000 requests per second" in shown.stdout
    assert stack.run_ids() == before
    for wrong in (
        ("prune", "--engine", "distributed"),
        ("disconnect", "--user", "a", "--engine", "distributed"),
        ("prune", "--detach"),
        ("disconnect", "--all", "--workers", "3"),
    ):
        assert cli.json("ws", *wrong, code=2)["error"]["code"] == "usage"


def test_workers_count_the_same_figures_as_this_machine_and_leave_nothing_in_the_bucket(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in stack.environment.items():
        monkeypatch.setenv(name, value)
    cli, before = Cli(stack.configuration), stack.run_ids()
    stats = ("ws", "connections", "stats", "--top", "3")
    names = [*stack.add_gone(30, age=timedelta(minutes=90)), *stack.add_gone(5, age=timedelta(hours=30))]
    stack.put("ages-ago", datetime.now(UTC) - timedelta(hours=5), life=None)
    with monkeypatch.context() as said:  # not of the workers: they would get 20,000 shards
        said.setattr(ConnectionStore, "about_how_many", lambda _self: 1_000_001)
        done = cli(*stats, "--json")
        said.setattr(ConnectionStore, "about_how_many", lambda _self: 1_000_000)
        assert "--engine distributed" not in cli(*stats).stderr
    here = json.loads(done.stdout)
    assert "connections stats --engine distributed" in done.stderr

    by_workers = cli(*stats, "--engine", "distributed", "--json")

    assert json.loads(by_workers.stdout) == here
    assert (here["rows"], here["expired"], here["certain_orphans"]) == (36, 5, 1)
    assert here["never_expire_examples"] == ["ages-ago"]
    assert stack.run_ids() == before
    for wrong in (("--engine", "distributed", "--probe", "5"), ("--workers", "3")):
        assert cli.json(*stats, *wrong, code=2)["error"]["code"] == "usage"
    for name in (*names, "ages-ago"):
        stack.aws.client("dynamodb").delete_item(TableName=TABLE, Key={"connectionId": {"S": name}})


def test_sample_of_a_number_is_read_by_workers_and_has_exactly_so_many(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in stack.environment.items():
        monkeypatch.setenv(name, value)
    cli, before = Cli(stack.configuration), stack.run_ids()
    names = [stack.add_gone(1)[0] for _ in range(40)]

    def no_scan(_self: object, _position: str | None) -> Iterator[Page]:
        raise AssertionError("the command reads the table")

    monkeypatch.setattr(ScanSource, "pages", no_scan)
    report = cli.json("ws", "broadcast", "hi", "--text", "--sample", "7", "--engine", "distributed", "--yes")
    assert (report["connections"], report["gone"], report["pruned"]) == (7, 7, 7)
    left = stack.rows()
    assert len(left & set(names)) == 33
    assert stack.run_ids() - before == {report["run_id"]}
    for name in left & set(names):
        stack.aws.client("dynamodb").delete_item(TableName=TABLE, Key={"connectionId": {"S": name}})


def test_prune_deletes_the_rows_of_gone_connections_whose_command_was_killed_and_none_that_was_written_again(
    stack: Stack, sockets: list[ClientConnection]
) -> None:
    gone = stack.add_gone(GONE)
    expired = stack.add_gone(1, age=timedelta(hours=30))
    young = base64.b64encode(IDS.randbytes(11)).decode()
    stack.put(
        young, datetime.now(UTC) + timedelta(minutes=5)
    )  # younger than a minute, however long this takes
    live = stack.rows() - {*gone, *expired, young}
    command, run_id = stack.begun_slowly("ws", "prune", "--probe", "--engine", "distributed")
    command.send_signal(signal.SIGKILL)
    command.communicate()

    again = {name for name in gone[:20] if stack.rewrite(name)}
    report = stack.json("ws", "prune", "--resume", run_id, "--rate", "1000")

    assert stack.rows() == live | again | {young}
    assert report["run_id"] == run_id
    assert (report["scanned"], report["live"], report["gone"]) == (SOCKETS + GONE + 2, SOCKETS, GONE + 2)
    assert (report["pruned"], report["kept"]) == (GONE + 1 - len(again), len(again) + 1)
    assert (report["failed"], report["not_pruned"]) == (0, 0)
    assert report["in_doubt"] <= SOCKETS + GONE + 2  # a worker that was ended may have asked already
    assert again  # the workers did next to nothing meanwhile
    for socket in sockets:
        assert socket.ping().wait(60)
    refused = stack.json("ws", "broadcast", "--resume", run_id, code=2)
    assert f"The run {run_id} is no broadcast" in refused["error"]["message"]
    (listed,) = [each for each in stack.json("ws", "broadcasts", "list") if each["run_id"] == run_id]
    assert (listed["kind"], listed["metered_messages"], listed["state"]) == ("prune", 0, "finished")
    for name in again | {young}:
        stack.aws.client("dynamodb").delete_item(TableName=TABLE, Key={"connectionId": {"S": name}})


def test_disconnect_that_was_stopped_closes_the_rest_when_it_is_resumed(
    stack: Stack, sockets: list[ClientConnection]
) -> None:
    stack.add_gone(GONE)
    command, run_id = stack.begun_slowly("ws", "disconnect", "--all", "--engine", "distributed", "--detach")
    command.communicate(timeout=170)
    stopped = stack.json("ws", "broadcasts", "stop", run_id)
    done = stopped["delivered"] + stopped["gone"]
    assert (stopped["kind"], stopped["failed"], stopped["ended"]) == ("disconnect", 0, True)
    assert done < SOCKETS + GONE

    report = stack.json("ws", "disconnect", "--resume", run_id, "--rate", "1000")

    # What was closed without being written down is gone when it is asked for again, or $disconnect has deleted its row before.
    found = report["connections"]
    assert SOCKETS + GONE - report["in_doubt"] <= found <= SOCKETS + GONE
    assert (report["closed"] + report["gone"], report["rows_deleted"], report["failed"]) == (found, found, 0)
    assert SOCKETS - report["in_doubt"] <= report["closed"] <= SOCKETS
    assert report["in_doubt"] <= SOCKETS + GONE  # what the worker had begun when it was ended
    for socket in sockets:
        with pytest.raises(ConnectionClosed):
            socket.recv(60)
        assert socket.close_code == 1000
    assert stack.rows() == set()
    shown = stack.run("ws", "broadcasts", "show", run_id).stdout
    assert "disconnect" in shown
    assert "Closed" in shown
