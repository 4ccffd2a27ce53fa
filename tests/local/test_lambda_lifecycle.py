"""Versions, canaries and rollbacks with the command line, the embedded AWS and real sockets."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import websockets.exceptions
import websockets.sync.client
from botocore.exceptions import ClientError

from tests.local.conftest import EmbeddedAws
from tests.local.test_local_lifecycle import create_function, refused, until_updated, zipped
from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.cli.main import main
from whatschat_ops.config import Settings
from whatschat_ops.stack.outputs import read_outputs
from whatschat_ops.stack.stack import Stack

pytestmark = pytest.mark.local

PREFIX = "versions-"
CONNECT = f"{PREFIX}websocket-connect"
HANDSHAKES = 200
FOUR_SIGMA_AND_A_HALF = 32
"""Of a fair coin thrown 200 times: sigma is 7.07. A right program misses it once in 150,000 runs."""
RUNS = """
def handler(event, context):
    return {"version": context.function_version, "arn": context.invoked_function_arn}
"""


@dataclass(frozen=True)
class Done:
    """What one command line came to."""

    returncode: int
    stdout: str
    stderr: str


class Operator:
    """A person with a terminal and a configuration file of the environment `local`."""

    def __init__(self, embedded: EmbeddedAws, directory: Path) -> None:
        self.embedded = embedded
        self._directory = directory

    def settings(self, **settings: Any) -> str:
        path = self._directory / f"{len(list(self._directory.iterdir()))}.yaml"
        path.write_text(json.dumps({"prefix": PREFIX, **settings}))
        return str(path)

    def run(self, *arguments: str, config: str | None = None) -> Done:
        stdout, stderr = io.StringIO(), io.StringIO()
        with redirect_stdout(stdout), redirect_stderr(stderr):
            code = main([*arguments, "--config", config or self.settings()])
        return Done(code, stdout.getvalue(), stderr.getvalue())

    def json(self, *arguments: str, config: str | None = None) -> Any:
        done = self.run(*arguments, "--json", config=config)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def alias(self) -> tuple[str, dict[str, float]]:
        alias = self.embedded.client("lambda").get_alias(FunctionName=CONNECT, Name="live")
        return alias["FunctionVersion"], alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})

    def stack(self, **settings: Any) -> Stack:
        target = AwsTarget(
            self.embedded.region,
            endpoint_url=self.embedded.endpoint_url,
            access_key_id=self.embedded.access_key_id,
            secret_access_key=self.embedded.secret_access_key,
        )
        return Stack(Settings.of({"prefix": PREFIX, **settings}), Aws(target))


@pytest.fixture
def operator(
    embedded_aws: EmbeddedAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Operator]:
    """A user who has provisioned a stack of their own, and destroys it in the end."""
    for name in ("WHATSCHAT_OPS_STATE_DIR", "WHATSCHAT_LOCAL_PORT"):
        monkeypatch.setenv(name, embedded_aws.environment()[name])
    found = Operator(embedded_aws, tmp_path)
    stack = found.stack()
    stack.apply(stack.plan())
    yield found
    stack.apply(stack.plan_destroy())


def handshakes(url: str, count: int) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    for _ in range(count):
        try:
            with websockets.sync.client.connect(url):
                outcomes["accepted"] += 1
        except websockets.exceptions.InvalidStatus as refused:
            outcomes[str(refused.response.status_code)] += 1
    return outcomes


@pytest.mark.aws("Lambda developer guide, configuring-alias-routing.html")
def test_canary_splits_real_handshakes_until_it_is_rolled_back(operator: Operator) -> None:
    token = operator.run("token", "mint", "--user", "alice").stdout.strip()
    stack = operator.stack()
    target = f"{read_outputs(stack.settings, stack.aws).websocket_url}?token={token}"
    assert handshakes(target, 3) == {"accepted": 3}

    # A version that looks for the JWT secret where there is none refuses every handshake.
    broken = operator.settings(auth={"secret_parameter": "/nowhere/at-all"})
    deployed = operator.json("lambda", "deploy", "connect", "--canary", "50", "--yes", config=broken)
    assert deployed[0]["canary"] == {"version": "2", "weight": 0.5}
    shares = {version["version"]: version["weights"] for version in deployed[0]["versions"]}
    assert shares == {"1": {"live": 0.5}, "2": {"live": 0.5}}
    outcomes = handshakes(target, HANDSHAKES)
    assert abs(outcomes["accepted"] - HANDSHAKES / 2) <= FOUR_SIGMA_AND_A_HALF, outcomes
    assert outcomes["accepted"] + outcomes["500"] == HANDSHAKES, outcomes

    back = operator.json("lambda", "rollback", "connect", "--yes")
    assert [(one["action"], one["new"]) for one in back] == [
        ("drop canary", {"version": "1", "canary": None})
    ]
    assert handshakes(target, 30) == {"accepted": 30}


def test_plan_and_provision_leave_a_canary_alone_or_refuse(operator: Operator) -> None:
    bigger = operator.settings(**{"lambda": {"memory_mb": 512}})
    operator.json("lambda", "deploy", "connect", "--canary", "10", "--yes", config=bigger)
    assert operator.alias() == ("1", {"2": 0.1})
    again = operator.run("lambda", "deploy", "connect", "--canary", "20", "--yes", config=bigger)
    assert (again.returncode, "is running already" in again.stderr) == (1, True)
    for command in ("provision", "--yes"), ("lambda", "deploy", "connect", "--yes"):
        kept = operator.run(*command, config=bigger)
        shown = "a canary is running: version 2 gets 10% of the calls, version 1 the rest"
        assert (kept.returncode, shown in kept.stderr) == (0, True), kept.stderr
    assert operator.alias() == ("1", {"2": 0.1})
    refused = operator.run("provision", "--yes", config=operator.settings())  # back to 256 MB
    assert refused.returncode == 1
    assert "alias.connect: a canary is running" in refused.stderr and "lambda promote" in refused.stderr
    assert operator.alias() == ("1", {"2": 0.1})
    function = operator.embedded.client("lambda").get_function_configuration(FunctionName=CONNECT)
    assert function["MemorySize"] == 512, "a plan that is refused does nothing at all"

    planned = operator.run("plan", "--detailed-exitcode", config=operator.settings())
    assert planned.returncode == 3, planned.stderr
    assert "! alias.connect" in planned.stdout and "because a canary is running" in planned.stdout
    assert "lambda promote versions-websocket-connect" in planned.stdout
    document = operator.json("plan", config=operator.settings())
    [blocked] = [step for step in document["steps"] if step["action"] == "blocked"]
    assert (blocked["address"], document["changes"]) == ("alias.connect", True)
    assert "lambda rollback" in blocked["hint"] and blocked["hint"].count("--config") == 2
    unsaved = operator.run("plan", "--out", "plan.json", config=operator.settings())
    assert (unsaved.returncode, Path("plan.json").exists()) == (1, False)
    assert operator.alias() == ("1", {"2": 0.1})

    promoted = operator.json("lambda", "promote", "--yes")
    assert [(one["function"], one["new"]["version"]) for one in promoted] == [(CONNECT, "2")]
    assert operator.alias() == ("2", {})


def test_rollback_is_shown_by_the_plan_and_undone_by_the_next_deployment(operator: Operator) -> None:
    bigger = operator.stack(**{"lambda": {"memory_mb": 512}})
    bigger.apply(bigger.plan())
    assert operator.alias() == ("2", {})
    back = operator.run("lambda", "rollback", "connect", "--yes")
    assert back.stdout == f"{CONNECT}: live: version 2 -> version 1 (roll back)\n"
    assert operator.alias() == ("1", {})

    changing = bigger.plan().changing
    assert [(step.address, step.note) for step in changing] == [
        ("alias.connect", "rolled back from version 2 by hand; this moves it forward again")
    ]
    config = operator.settings(**{"lambda": {"memory_mb": 512}})
    deployed = operator.run("lambda", "deploy", "connect", "--yes", config=config)
    assert "rolled back from version 2 by hand" in deployed.stderr
    assert operator.alias() == ("2", {})
    for arguments, code, text in (
        (("rollback", "connect", "--to", "9"), 1, "has no version 9: there are 1, 2"),
        (("rollback", "--to", "1"), 2, "--to needs the name of a function"),
        (("deploy", "connect", "--canary", "100"), 2, "between 1 and 99 percent"),
    ):
        refused = operator.run("lambda", *arguments, "--yes")
        assert (refused.returncode, text in refused.stderr) == (code, True), refused.stderr


def test_update_goes_step_by_step_and_leaves_the_configured_number_of_versions(operator: Operator) -> None:
    client = operator.embedded.client("lambda")
    client.create_alias(FunctionName=CONNECT, Name="pinned", FunctionVersion="1")
    calls: list[str] = []
    for memory_mb, architecture in ((300, "x86_64"), (400, "x86_64"), (500, "x86_64")):
        settings = {"memory_mb": memory_mb, "architecture": architecture, "keep_versions": 2}
        stack = operator.stack(**{"lambda": settings})
        stack.aws.client("lambda").meta.events.register(
            "before-call", lambda model, **_: calls.append(model.name)
        )
        stack.apply(stack.plan_only({"function.connect", "alias.connect"}))
    writes = [call for call in calls if not call.startswith(("Get", "List"))]
    configuration = ["UpdateFunctionConfiguration", "PublishVersion", "UpdateAlias"]
    # The third deployment is the first that leaves a version over which no alias points to.
    assert writes == ["UpdateFunctionCode", *configuration, *configuration, *configuration, "DeleteFunction"]
    shown = operator.run("lambda", "list").stdout
    connect = [line.split() for line in shown.splitlines()[1:4]]
    assert connect[0][1:4] == ["4", "live", "100%"]
    assert (connect[1][:2], connect[1][-2:]) == ([connect[0][0], "3"], ["400", "MB"])
    assert connect[2][1:4] == ["1", "pinned", "100%"]
    client.delete_alias(FunctionName=CONNECT, Name="pinned")


def refused_during(embedded_aws: EmbeddedAws, begin: Callable[[], Any], change: Callable[[], Any]) -> str:
    """What refuses `change` while the function is changing. It changes for 50 ms: a slow machine may need a few tries."""
    for _ in range(20):
        begin()
        try:
            change()
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        finally:
            until_updated(embedded_aws, "busy")
    pytest.fail("nothing was refused")


@pytest.mark.aws("Lambda developer guide, functions-states.html")
def test_change_during_a_change_is_refused_as_aws_does(embedded_aws: EmbeddedAws) -> None:
    client = embedded_aws.client("lambda")
    create_function(embedded_aws, "busy", RUNS)
    created = client.get_function(FunctionName="busy")["Configuration"]

    def create_again() -> None:
        client.delete_function(FunctionName="busy")
        keys = ("FunctionName", "Runtime", "Handler", "Role")
        client.create_function(Code={"ZipFile": zipped(RUNS)}, **{key: created[key] for key in keys})

    def configure() -> None:
        changed = client.update_function_configuration(FunctionName="busy", MemorySize=512)
        assert (changed["State"], changed["LastUpdateStatus"]) == ("Active", "InProgress")

    def update_code() -> None:
        changed = client.update_function_code(FunctionName="busy", ZipFile=zipped(f"{RUNS}# again"))
        assert (changed["State"], changed["LastUpdateStatus"]) == ("Active", "InProgress")

    def publish() -> Any:
        return client.publish_version(FunctionName="busy")

    until_updated(embedded_aws, "busy")
    for begin, change in [
        (create_again, update_code),
        (create_again, configure),
        (create_again, publish),
        (update_code, configure),
        (configure, update_code),
    ]:
        assert refused_during(embedded_aws, begin, change) == "ResourceConflictException"
    other = lambda: client.publish_version(FunctionName="busy", CodeSha256="somebody else's")  # noqa: E731
    assert refused(other) == "InvalidParameterValueException"
    assert publish()["MemorySize"] == 512
    client.delete_function(FunctionName="busy")


@pytest.mark.aws("Lambda API reference, Invoke")
def test_executed_version_is_the_one_that_ran(embedded_aws: EmbeddedAws) -> None:
    client = embedded_aws.client("lambda")
    create_function(embedded_aws, "shares", RUNS)
    until_updated(embedded_aws, "shares")
    client.publish_version(FunctionName="shares")
    client.update_function_configuration(FunctionName="shares", MemorySize=512)
    until_updated(embedded_aws, "shares")
    assert client.publish_version(FunctionName="shares")["Version"] == "2"
    weights = {"AdditionalVersionWeights": {"2": 0.5}}
    alias = client.create_alias(
        FunctionName="shares", Name="live", FunctionVersion="1", RoutingConfig=weights
    )
    ran = Counter[str]()
    for _ in range(40):
        answer = client.invoke(FunctionName="shares", Qualifier="live")
        told = json.load(answer["Payload"])
        assert (answer["ExecutedVersion"], told["arn"]) == (told["version"], alias["AliasArn"])
        ran[told["version"]] += 1
    assert ran.keys() == {"1", "2"}
    client.delete_function(FunctionName="shares")
