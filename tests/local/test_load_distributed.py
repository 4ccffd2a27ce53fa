"""`ws load --engine distributed` on the embedded AWS: workers in Lambda, their zip, real sockets, IAM, a stop, a worker that dies."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.in_process import Cli
from tests.local.conftest import EmbeddedAws
from tests.local.program import PROGRAM, eventually
from tests.minimality.removal import User
from whatschat_ops.config import Settings
from whatschat_ops.errors import ExitCode
from whatschat_ops.load.distributed.sharing import Keys
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.policies import policy_of
from whatschat_ops.worker.bucket import Bucket

pytestmark = pytest.mark.local

PREFIX = "wload-"
SETTINGS = {"prefix": PREFIX, "environment": "staging", "broadcast": {"distributed": {"enabled": True}}}
WORKER = f"{PREFIX}websocket-load-worker"
BUCKET = f"{PREFIX}whatschat-staging-broadcast-us-east-1-000000000000"
LOAD = ("ws", "load", "--engine", "distributed", "--workers", "2", "--sockets", "12", "--interval", "0.5")


class Bench:
    """An account with a stack whose operator has the policies `operator` and `operator-load`, and no other rights."""

    def __init__(self, aws: EmbeddedAws, directory: Path) -> None:
        self.aws = aws
        self.cli = self.configured("on", directory, enabled=True)
        self.off = self.configured("off", directory, enabled=False)
        self.user = User(aws.client, f"{PREFIX}eve")
        place = Place(aws.region, aws.account_id)
        usual, added = (
            policy_of(each, Settings.of(SETTINGS), place, "*") for each in ("operator", "operator-load")
        )
        self.user.may(usual)
        made = self.client("iam").create_policy(PolicyName=f"{PREFIX}load", PolicyDocument=json.dumps(added))
        self.client("iam").attach_user_policy(UserName=self.user.name, PolicyArn=made["Policy"]["Arn"])

    def configured(self, name: str, directory: Path, *, enabled: bool) -> Cli:
        """The command line in an account, as far as it knows."""
        settings = {
            **SETTINGS,
            "local": {"enabled": False},
            "aws": {"endpoint_url": self.aws.endpoint_url},
            "broadcast": {"distributed": {"enabled": enabled}},
        }
        config = directory / f"{name}.yaml"
        config.write_text(json.dumps(settings))
        return Cli(config)

    @property
    def variables(self) -> dict[str, str]:
        """Of the operator's processes."""
        keys = {
            "AWS_ACCESS_KEY_ID": self.user.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.user.secret_access_key,
        }
        return {**self.aws.environment(), **keys}

    @contextmanager
    def as_operator(self) -> Iterator[None]:
        """With the variables of the operator in this process."""
        with pytest.MonkeyPatch.context() as environment:
            for name, value in self.variables.items():
                environment.setenv(name, value)
            yield

    def client(self, name: str) -> Any:
        return self.aws.client(name)

    @property
    def bucket(self) -> Bucket:
        return Bucket(self.client("s3"), BUCKET)

    def invocations(self, function: str) -> int:
        """How often a function of the application has ended, as its log says."""
        found = (
            self.client("logs")
            .get_paginator("filter_log_events")
            .paginate(
                logGroupName=f"/aws/lambda/{PREFIX}websocket-{function}", filterPattern='"REPORT RequestId"'
            )
        )
        return sum(len(page["events"]) for page in found)

    def of_workers(self) -> list[str]:
        """The function, the role and the log group of the worker, those that are there."""
        prefix = f"/aws/lambda/{PREFIX}"
        groups = self.client("logs").describe_log_groups(logGroupNamePrefix=prefix)["logGroups"]
        functions = self.client("lambda").get_paginator("list_functions").paginate()  # of other tests, too
        roles = self.client("iam").get_paginator("list_roles").paginate()
        names = [
            *(each["FunctionName"] for page in functions for each in page["Functions"]),
            *(each["RoleName"] for page in roles for each in page["Roles"]),
            *(each["logGroupName"] for each in groups),
        ]
        return sorted(name for name in names if PREFIX in name and "load-worker" in name)

    def processes(self) -> list[psutil.Process]:
        """Those in which the embedded Lambda runs the worker."""
        every = psutil.Process(self.aws.pid).children(recursive=True)
        return [each for each in every if _function_of(each) == WORKER]

    def steady(self, run_id: str) -> bool:
        """Whether both workers have said that they are sending."""
        keys = Keys(run_id)
        said = self.bucket.keys(keys.of("progress", 0)[:-4])
        return len(said) == 2 and all(
            json.loads(self.bucket.get(key))["point"]["phase"] == "steady" for key in said
        )

    def begun(self, *arguments: str) -> subprocess.Popen[str]:
        """A load test as a process."""
        return subprocess.Popen(
            [*PROGRAM, "--config", str(self.cli.config), *arguments, "--json"],
            env=self.variables,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def rows(self) -> int:
        """Of the connections table."""
        return int(self.client("dynamodb").scan(TableName=f"{PREFIX}websocket-connections")["Count"])


def _function_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get("AWS_LAMBDA_FUNCTION_NAME")
    except psutil.Error:
        return None


@pytest.fixture(scope="module")
def bench(embedded_aws: EmbeddedAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(embedded_aws, tmp_path_factory.mktemp("load"))
    with bench.as_operator():
        bench.cli.json("provision", "--yes")
    yield bench
    with bench.as_operator():
        bench.cli.json("destroy", "--yes", "--delete-data")
    assert bench.of_workers() == []


@pytest.fixture(autouse=True)
def operator(bench: Bench) -> Iterator[None]:
    """All commands are the operator's: the variables of a test are its own."""
    with bench.as_operator():
        yield


@pytest.fixture(scope="module")
def report(bench: Bench) -> Any:
    """Of a test on two workers, the first one of this stack."""
    assert bench.of_workers() == []
    with bench.as_operator():
        return bench.cli.json(*LOAD, "--duration", "3")


def test_dry_run_says_what_a_test_would_come_to_and_makes_nothing(bench: Bench) -> None:
    before = bench.of_workers()
    found = bench.cli.json(*LOAD, "--duration", "10", "--dry-run")
    assert (found["workers"], found["sockets_of_a_worker"], found["messages"]) == (2, 6, 240)
    lines = {line["item"]: line["quantity"] for line in found["lines"]}
    assert (lines["Messages"], lines["Invocations of workers"]) == (600, 2)
    assert "Total without functions and table" in bench.cli(*LOAD, "--dry-run").stdout
    assert bench.of_workers() == before


@pytest.mark.parametrize(
    "wrong",
    [
        (*LOAD, "--endpoint", "ws://127.0.0.1:9/production"),
        (*LOAD, "--endpoint", "wss://example.com/production", "--i-own-this-endpoint"),
        (*LOAD, "--mode", "simulated"),
        (*LOAD, "--duration", "3600"),
        (*LOAD, "--sockets", "2000"),
        (*LOAD, "--users", "1"),
        ("ws", "load", "--workers", "2"),
        ("ws", "load", "--dry-run"),
    ],
    ids=lambda wrong: " ".join(wrong[-2:]),
)
def test_what_workers_do_not_do_is_a_usage_error_before_anything_is_made(
    bench: Bench, wrong: tuple[str, ...]
) -> None:
    before = bench.of_workers()
    assert bench.cli.json(*wrong, code=ExitCode.USAGE)["error"]["code"] == "usage"
    assert (bench.of_workers(), bench.bucket.keys("runs/load-")) == (before, [])


def test_without_distributed_broadcasts_there_is_no_bucket_for_a_test(bench: Bench) -> None:
    error = bench.off.json(*LOAD, code=ExitCode.USAGE)["error"]
    assert "Distributed broadcasts are not enabled" in error["message"]


def test_report_of_workers_is_what_the_functions_counted(bench: Bench, report: Any) -> None:
    workers = [(each["worker"], each["opened"], each["missing"]) for each in report["workers"]]
    assert workers == [(1, 6, ""), (2, 6, "")]
    assert (report["sockets"]["attempted"], report["sockets"]["opened"]) == (12, 12)
    sent = report["ping"]["sent"] + report["message"]["sent"]
    assert sent == sum(each["sent"] for each in report["workers"]) > 0
    eventually(lambda: bench.invocations("connect") >= 12 and bench.invocations("default") >= sent)
    assert (bench.invocations("connect"), bench.invocations("default")) == (12, sent)
    assert report["handshake"]["count"] == 12
    assert report["ping"]["arrived"] == report["ping"]["latency"]["count"] == report["ping"]["sent"]


def test_after_a_test_nothing_of_it_is_in_s3_and_its_worker_is_part_of_the_stack(
    bench: Bench, report: Any
) -> None:
    assert bench.bucket.keys("runs/load-") == []
    assert len(bench.of_workers()) == 3
    assert not bench.cli.json("plan")["changes"]
    deleted = {step["address"] for step in bench.off.json("plan")["steps"] if step["action"] == "delete"}
    assert {f"function.orphan/{WORKER}", f"log_group.orphan//aws/lambda/{WORKER}"} <= deleted
    assert bench.cli.json("iam", "check", "load-worker")


def test_a_worker_that_dies_is_missing_and_a_stop_ends_the_other(bench: Bench, report: Any) -> None:
    command = bench.begun(*LOAD, "--duration", "600")
    begun = eventually(lambda: bench.bucket.keys("runs/load-"))
    run_id = begun[0].split("/")[1]
    eventually(lambda: bench.steady(run_id))
    killed, _other = bench.processes()
    killed.kill()
    assert bench.cli("ws", "load", "--stop", run_id).code == ExitCode.DONE
    out, err = command.communicate(timeout=170)

    assert command.returncode == 130, err
    found = json.loads(out)
    (dead,) = [each for each in found["workers"] if each["missing"]]
    (other,) = [each for each in found["workers"] if not each["missing"]]
    assert (dead["sent"], other["opened"], found["interrupted"]) == (0, 6, True)
    assert "Runtime" in dead["missing"]
    assert other["sent"] == found["ping"]["sent"] + found["message"]["sent"] > 0
    assert bench.bucket.keys("runs/load-") == []
    assert bench.cli("ws", "load", "--stop", run_id).code == ExitCode.FAILED


def test_sigint_ends_a_test_of_workers_with_its_report_and_leaves_nothing(bench: Bench, report: Any) -> None:
    command = bench.begun(*LOAD, "--duration", "600")
    run_id = eventually(lambda: bench.bucket.keys("runs/load-"))[0].split("/")[1]
    eventually(lambda: bench.steady(run_id))
    command.send_signal(signal.SIGINT)
    out, err = command.communicate(timeout=170)
    assert command.returncode == 130, err
    found = json.loads(out)
    assert (found["interrupted"], found["sockets"]["opened"], found["sockets"]["cut"]) == (True, 12, {})
    assert [each["missing"] for each in found["workers"]] == ["", ""]
    assert bench.bucket.keys("runs/load-") == []
    eventually(lambda: bench.rows() == 0)


def test_sigint_ends_a_test_of_this_machine_with_its_report_and_leaves_no_connection(bench: Bench) -> None:
    before = bench.invocations("default")
    command = bench.begun("ws", "load", "--sockets", "4", "--interval", "0.5", "--duration", "600")
    eventually(lambda: bench.invocations("default") > before)  # all sockets are open before the first message
    command.send_signal(signal.SIGINT)
    out, err = command.communicate(timeout=170)
    assert command.returncode == 130, err
    found = json.loads(out)
    assert (found["interrupted"], found["sockets"]["opened"], found["sockets"]["cut"]) == (True, 4, {})
    assert "Interrupted" in err
    eventually(lambda: bench.rows() == 0)


def test_stop_of_a_load_test_does_not_stop_a_broadcast(bench: Bench) -> None:
    control = Keys("20261129-101502-7f3a").control
    bench.bucket.put(control, b"of a broadcast")
    done = bench.cli("ws", "load", "--stop", "20261129-101502-7f3a")
    assert (done.code, bench.bucket.get(control)) == (ExitCode.FAILED, b"of a broadcast")
    assert "No load test 20261129-101502-7f3a is running" in done.stderr
