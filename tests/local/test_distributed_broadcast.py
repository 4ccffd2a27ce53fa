"""A distributed broadcast on the embedded AWS: S3, Step Functions and Lambda workers, real sockets, kills and failures."""

from __future__ import annotations

import base64
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.sync.client import ClientConnection

from tests.faults.calls import Call
from tests.faults.proxy import Fault, Point, Proxy, Recording
from tests.local.conftest import EmbeddedAws, started
from tests.local.program import eventually
from tests.local.user_sockets import user_sockets
from tests.ports import free_port
from whatschat_ops.local import service
from whatschat_ops.local.layout import Options
from whatschat_ops.worker.bucket import Bucket
from whatschat_ops.worker.control import Control
from whatschat_ops.worker.objects import SEGMENT, Keys, RunSpec, Shard
from whatschat_ops.worker.parts import Part, Totals
from whatschat_ops.worker.shard import ShardTakenOver

pytestmark = pytest.mark.local

SOCKETS = 40
WORKERS = 4
GONE = 300
LAG_S = 2.0
"""For so long, Step Functions does not show an execution that was started, and shows a redriven one as it was."""
CONFIGURATION = f"""\
prefix: dist-
local: {{step_functions_lag_s: {LAG_S}}}
broadcast:
  distributed: {{enabled: true, shard_connections: 50, workers: 4}}
"""
TABLE = "dist-websocket-connections"
BUCKET = "dist-whatschat-local-broadcast-us-east-1-000000000000"
WORKER = "dist-websocket-broadcast-worker"
WORKER_ROLE = "dist-whatschat-broadcast-worker-local-us-east-1"
IDS = random.Random("distributed")
MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:dist-whatschat-local-broadcast"


@dataclass
class Site:
    """A stack with distributed broadcasts, and its command line."""

    embedded: EmbeddedAws
    configuration: Path
    variables: Mapping[str, str] | None = None

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "whatschat_ops", "--config", str(self.configuration), *arguments]

    def start(self, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            env=environment or self.variables or self.embedded.environment(),
            cwd=self.configuration.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, code: int = 0) -> str:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=120)
        assert process.returncode == code, out + err
        return out

    def broadcast(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.run("ws", "broadcast", *arguments, "--json", code=code))

    def another(self, directory: Path) -> Site:
        """The same stack from a machine that knows nothing of its runs."""
        variables = {**self.embedded.aws_environment(), "WHATSCHAT_OPS_STATE_DIR": str(directory)}
        return replace(self, variables=variables)

    def client(self, name: str) -> Any:
        return self.embedded.client(name)

    def rows(self) -> int:
        return int(self.client("dynamodb").scan(TableName=TABLE, Select="COUNT")["Count"])

    def add_gone(self, count: int) -> None:
        """Rows whose connection does not exist."""
        for at in range(0, count, 25):
            rows = [{"PutRequest": {"Item": _gone_row()}} for _ in range(min(25, count - at))]
            self.client("dynamodb").batch_write_item(RequestItems={TABLE: rows})

    def executions(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client("stepfunctions").list_executions(stateMachineArn=MACHINE)[
            "executions"
        ]
        return found

    def run_ids(self) -> list[str]:
        return sorted(execution["name"] for execution in self.executions())


def _gone_row() -> dict[str, Any]:
    return {
        "connectionId": {"S": base64.b64encode(IDS.randbytes(11)).decode()},
        "userId": {"S": "ghost"},
        "connectedAt": {"S": "2026-01-01T00:00:00.000Z"},
        "ttl": {"N": str(int(time.time()) + 3600)},
    }


@pytest.fixture(scope="module")
def lagging_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    """An embedded AWS whose Step Functions is eventually consistent."""
    state_directory = tmp_path_factory.mktemp("lagging-aws")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("WHATSCHAT_OPS_STATE_DIR", str(state_directory))
        options = Options(step_functions_lag_s=LAG_S)
        found = service.ensure_running(port=free_port(), say=lambda _: None, options=options)
        try:
            yield started(state_directory, found)
        finally:
            service.stop()


@pytest.fixture(scope="module")
def site(lagging_aws: EmbeddedAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    embedded_aws = lagging_aws
    configuration = tmp_path_factory.mktemp("distributed") / "whatschat.yaml"
    configuration.write_text(CONFIGURATION)
    made = Site(embedded_aws, configuration)
    made.run("provision", "--yes")
    yield made
    made.run("destroy", "--yes", "--delete-data")
    buckets = embedded_aws.client("s3").list_buckets()["Buckets"]
    assert BUCKET not in [bucket["Name"] for bucket in buckets]


@pytest.fixture(scope="module")
def sockets(site: Site) -> Iterator[list[ClientConnection]]:
    url = site.run("ws", "endpoint").strip()
    parameter = "/whatschat-ops/dist-whatschat-local/jwt-secret"
    answer = site.client("ssm").get_parameter(Name=parameter, WithDecryption=True)
    secret = answer["Parameter"]["Value"]
    with user_sockets(url, secret, SOCKETS) as clients:
        yield clients


def received(clients: list[ClientConnection]) -> list[list[str]]:
    """The ids of the messages that were sent to each client before."""
    return [_ids(client) for client in clients]


def _ids(client: ClientConnection) -> list[str]:
    assert client.ping().wait(60)  # the answer comes after whatever was sent before it
    ids = []
    with suppress(TimeoutError):
        while True:
            ids.append(json.loads(client.recv(timeout=0))["id"])
    return ids


def test_every_connection_gets_it_once_and_gone_rows_are_pruned(
    site: Site, sockets: list[ClientConnection]
) -> None:
    site.add_gone(GONE)
    summary = site.broadcast("--engine", "distributed", '{"type": "notice", "id": "first"}')
    assert received(sockets) == [["first"]] * SOCKETS
    counted = {
        name: summary[name] for name in ("connections", "delivered", "gone", "failed", "pruned", "in_doubt")
    }
    assert counted == {
        "connections": SOCKETS + GONE,
        "delivered": SOCKETS,
        "gone": GONE,
        "failed": 0,
        "pruned": GONE,
        "in_doubt": 0,
    }
    assert site.rows() == SOCKETS
    (execution,) = site.executions()
    assert execution["status"] == "SUCCEEDED"
    assert execution["name"] == summary["run_id"]
    (map_run,) = site.client("stepfunctions").list_map_runs(executionArn=execution["executionArn"])["mapRuns"]
    counts = site.client("stepfunctions").describe_map_run(mapRunArn=map_run["mapRunArn"])["itemCounts"]
    assert counts["succeeded"] == counts["total"] == 2 * WORKERS  # full rounds of shards of 50
    ended = site.client("cloudwatch").list_metrics(Namespace="AWS/States", MetricName="ExecutionsSucceeded")
    (dimension,) = ended["Metrics"][0]["Dimensions"]
    assert dimension == {"Name": "StateMachineArn", "Value": execution["stateMachineArn"]}


def test_run_goes_on_without_its_command_and_is_merged_by_the_next_one(
    site: Site, sockets: list[ClientConnection]
) -> None:
    site.add_gone(GONE)
    before = set(site.run_ids())
    with closing(Proxy(site.embedded.port)) as proxy:
        killing = Recording(Point(Call("states", "StartExecution"), 1), Fault.KILL_AFTER)
        proxy.recording = killing
        variables = {**site.embedded.aws_environment(), "AWS_ENDPOINT_URL": proxy.endpoint_url}
        options = ("--engine", "distributed", "--yes", '{"type": "notice", "id": "second"}')
        command = site.start("ws", "broadcast", *options, environment=variables)
        killing.pid = command.pid
        _, said = command.communicate(timeout=120)
        assert command.returncode == -signal.SIGKILL, said
    (run_id,) = set(site.run_ids()) - before
    summary = site.broadcast("--resume", run_id)
    assert received(sockets) == [["second"]] * SOCKETS
    assert (summary["delivered"], summary["gone"], summary["in_doubt"]) == (SOCKETS, GONE, 0)
    assert (summary["pending"], summary["failed"], summary["resumes"]) == (0, 0, 1)
    assert site.rows() == SOCKETS
    assert len(set(site.run_ids()) - before) == 1


def test_failed_shards_are_redriven_and_no_connection_gets_it_twice(
    site: Site, sockets: list[ClientConnection]
) -> None:
    iam = site.client("iam")
    policy = iam.get_role_policy(RoleName=WORKER_ROLE, PolicyName="whatschat-ops-broadcast")["PolicyDocument"]
    silent = [part for part in policy["Statement"] if part["Sid"] != "SendToConnections"]
    put = {"RoleName": WORKER_ROLE, "PolicyName": "whatschat-ops-broadcast"}
    iam.put_role_policy(**put, PolicyDocument=json.dumps({**policy, "Statement": silent}))
    failed = site.start("ws", "broadcast", "--engine", "distributed", '{"type": "notice", "id": "third"}')
    _, said = failed.communicate(timeout=120)
    assert failed.returncode == 1
    assert "The workers may not post" in said, said
    assert "not authorized" in said
    assert received(sockets) == [[]] * SOCKETS
    run_id = site.run_ids()[-1]
    assert run_id in said  # how to go on

    iam.put_role_policy(**put, PolicyDocument=json.dumps(policy))
    arn = f"{MACHINE.replace(':stateMachine:', ':execution:')}:{run_id}"
    site.client("stepfunctions").redrive_execution(executionArn=arn)  # another operator; it shows later
    summary = site.broadcast("--resume", run_id)
    assert received(sockets) == [["third"]] * SOCKETS
    assert (summary["delivered"], summary["failed"], summary["pending"]) == (SOCKETS, 0, 0)
    assert site.run_ids()[-1] == run_id  # the same execution, redriven


def worker_processes(site: Site) -> list[int]:
    """The process ids of the worker's execution environments."""
    found = []
    for process in psutil.Process(site.embedded.pid).children(recursive=True):
        with suppress(psutil.Error):
            if process.environ().get("AWS_LAMBDA_FUNCTION_NAME") == WORKER:
                found.append(process.pid)
    return found


def runs_bucket(site: Site) -> Bucket:
    return Bucket(site.client("s3"), BUCKET)


def set_rate(bucket: Bucket, run_id: str, rate_per_s: float, **more: Any) -> None:
    key = Keys(run_id).control
    control = Control.from_bytes(bucket.get(key))
    bucket.put(key, replace(control, rate_per_s=rate_per_s, **more).to_bytes())


def begin_slowly(site: Site, message_id: str) -> tuple[subprocess.Popen[str], str]:
    """A run so slow that it does not end by itself, on no machine, and its id."""
    before = set(site.run_ids())
    message = json.dumps({"type": "x", "id": message_id})
    command = site.start("ws", "broadcast", "--engine", "distributed", "--rate", "0.5", "--json", message)
    eventually(lambda: set(site.run_ids()) - before)
    (run_id,) = set(site.run_ids()) - before
    return command, run_id


def wait_for(clients: list[ClientConnection], number: int) -> list[list[str]]:
    """What each client has got, once it is `number` messages in all."""
    got: list[list[str]] = [[] for _ in clients]

    def has_come() -> bool:
        for ids, more in zip(got, received(clients), strict=True):
            ids += more
        return sum(map(len, got)) >= number

    eventually(has_come)
    return got


def test_killed_worker_is_followed_by_one_that_sends_the_rest(
    site: Site, sockets: list[ClientConnection]
) -> None:
    command, run_id = begin_slowly(site, "4")
    got = wait_for(sockets, 2)
    set_rate(runs_bucket(site), run_id, 100.0)
    for process_id in worker_processes(site):
        os.kill(process_id, signal.SIGKILL)
    out, err = command.communicate(timeout=120)
    assert command.returncode == 0, err
    for ids, more in zip(got, received(sockets), strict=True):
        ids += more
    summary = json.loads(out)
    assert (summary["delivered"], summary["failed"], summary["pending"]) == (SOCKETS, 0, 0)
    assert {ids[0] for ids in got} == {"4"}
    twice = sum(len(ids) - 1 for ids in got)
    assert twice <= summary["in_doubt"] <= SOCKETS
    assert summary["in_doubt"] > 0


def test_stopped_run_sends_nothing_more_until_it_is_resumed_on_another_machine(
    site: Site, sockets: list[ClientConnection], tmp_path: Path
) -> None:
    command, run_id = begin_slowly(site, "5")
    got = wait_for(sockets, 2)
    set_rate(runs_bucket(site), run_id, 0.5, stop=True)
    _, err = command.communicate(timeout=120)
    assert command.returncode != 0
    assert "was stopped" in err
    for ids, more in zip(got, received(sockets), strict=True):
        ids += more
    reached = sum(map(len, got))
    stopped = site.another(tmp_path).run("ws", "broadcasts", "show", run_id, "--json")
    summary = json.loads(stopped)["summary"]
    assert (summary["delivered"], summary["in_doubt"], summary["state"]) == (reached, 0, "interrupted")
    assert reached < SOCKETS
    resumed = site.another(tmp_path).broadcast("--resume", run_id, "--rate", "1000")
    for ids, more in zip(got, received(sockets), strict=True):
        ids += more
    assert got == [["5"]] * SOCKETS
    assert (resumed["delivered"], resumed["pending"], resumed["state"]) == (SOCKETS, 0, "finished")


def test_named_users_and_connections_get_it_once(site: Site, sockets: list[ClientConnection]) -> None:
    rows = site.client("dynamodb").scan(TableName=TABLE)["Items"]
    named = next(row["connectionId"]["S"] for row in rows if row["userId"]["S"] == "user-1")
    users = ("--user", "user-1", "--user", "user-2", "--user", "nobody", "--exclude-user", "user-3")
    options = ("--engine", "distributed", *users, "--user", "user-3", "--connection", named)
    summary = site.broadcast(*options, '{"type": "x", "id": "6"}')
    assert received(sockets) == [["6"] if number in (1, 2) else [] for number in range(SOCKETS)]
    assert (summary["connections"], summary["delivered"]) == (2, 2)


def test_two_workers_on_one_shard_at_once_count_what_both_sent(
    site: Site, sockets: list[ClientConnection]
) -> None:
    """As when Step Functions invokes again because an answer was lost: the second takes over, the first one fails."""
    keys, bucket = Keys("20261123-000000-0000"), runs_bucket(site)
    facts = {"table_name": TABLE, "selection": "{}"}
    bucket.put(keys.spec, RunSpec(facts, 4, 8, 30.0, 5.0, 25).to_bytes())
    bucket.put(keys.control, Control(0.5, 1, 1).to_bytes())  # it does not end by itself
    bucket.put(keys.message, b'{"type": "x", "id": "7"}')

    def invoke() -> str:
        payload = json.dumps(Shard(keys.run, 1, SEGMENT, 0, 1).to_item())
        answer = site.client("lambda").invoke(FunctionName=WORKER, Payload=payload)
        return str(json.loads(answer["Payload"].read()).get("errorType", ""))

    def attempts() -> set[str]:
        return {Part.from_bytes(bucket.get(key)).attempt for key in bucket.keys(keys.parts_of(1))}

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(invoke)
        eventually(lambda: bucket.keys(keys.parts_of(1)))
        second = pool.submit(invoke)
        eventually(lambda: len(attempts()) == 2)
        bucket.put(keys.control, Control(100.0, 1, 1).to_bytes())
        assert (first.result(), second.result()) == (ShardTakenOver.__name__, "")
    parts = [Part.from_bytes(bucket.get(key)) for key in bucket.keys(keys.parts_of(1))]
    names = [ended.row.connection_id for part in parts for ended in part.ended]
    rows = site.client("dynamodb").scan(TableName=TABLE)["Items"]
    assert sorted(names) == sorted(row["connectionId"]["S"] for row in rows)
    assert [part.final for part in parts].count(True) == 1
    assert Totals.from_bytes(bucket.get(keys.done(1))) == parts[-1].totals
    got = received(sockets)
    assert {ids[0] for ids in got} == {"7"}
    in_doubt = parts[-1].totals.in_doubt
    assert in_doubt > 0
    assert sum(len(ids) - 1 for ids in got) <= in_doubt <= SOCKETS


def test_stopped_broadcast_sends_nothing_more_until_it_is_resumed_and_is_deleted_with_its_objects(
    site: Site, sockets: list[ClientConnection]
) -> None:
    # So slow that it does not end before it is stopped, on no machine.
    options = ("--engine", "distributed", "--detach", "--workers", "2", "--rate", "0.5", "--yes")
    run_id = site.broadcast(*options, '{"type": "x", "id": "6"}')["run_id"]
    got: list[list[str]] = [[] for _ in sockets]

    def collect() -> int:
        for ids, more in zip(got, received(sockets), strict=True):
            ids += more
        return sum(map(len, got))

    eventually(lambda: collect() >= 2)
    said = site.run("ws", "broadcasts", "delete", run_id, "--yes", "--json", code=1)
    assert "is being sent" in said
    stopped = json.loads(site.run("ws", "broadcasts", "stop", run_id, "--json"))
    assert stopped["ended"]
    reached = collect()
    assert stopped["delivered"] <= reached <= stopped["delivered"] + stopped["in_doubt"] + 2  # one a worker
    shown = json.loads(site.run("ws", "broadcasts", "show", run_id, "--json"))["summary"]
    assert (shown["state"], shown["delivered"]) == ("interrupted", stopped["delivered"])

    summary = site.broadcast("--resume", run_id, "--rate", "100", "--workers", "3")
    assert collect() >= reached
    assert (summary["delivered"], summary["pending"], summary["failed"]) == (SOCKETS, 0, 0)
    assert {ids[0] for ids in got} == {"6"}
    assert sum(len(ids) - 1 for ids in got) <= summary["in_doubt"]
    bucket, root = Bucket(site.client("s3"), BUCKET), Keys(run_id).root
    assert bucket.keys(root)
    site.run("ws", "broadcasts", "delete", run_id, "--yes")
    assert bucket.keys(root) == []
    assert "There is no broadcast" in site.run("ws", "broadcasts", "show", run_id, "--json", code=1)


def test_turned_off_everything_of_it_is_deleted_and_turned_on_made_again(site: Site) -> None:
    off = site.configuration.with_name("off.yaml")
    off.write_text("prefix: dist-\n")
    steps = json.loads(site.run("--config", str(off), "plan", "--json"))["steps"]
    deleted = {step["address"].partition(".")[0] for step in steps if step["action"] == "delete"}
    assert deleted == {"bucket", "function", "log_group", "role", "state_machine"}
    assert not [step for step in steps if step["action"] in ("create", "update", "replace")]
