"""The application's own Node folder as the functions' code: built, deployed and talked to, by the real command line."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.local.conftest import EmbeddedAws
from tests.local.program import Program

pytestmark = pytest.mark.local

FIXTURE = Path(__file__).parents[1] / "fixtures" / "node_functions"
PREFIX = "nodesource-"
CONFIGURATION = f"""\
environment: local
prefix: {PREFIX}
lambda:
  source:
    path: app
    runtime: nodejs20.x
    handlers:
      default: dist/default.routeMessage
"""
SETTINGS_OF_FUNCTIONS = """\
  environment:
    FEATURE: "on"
    KEY_PARAMETER: {parameter: /app/key}
    OTHER_PARAMETER: /app/other  # as text: no right to read it
    DATABASE_SECRET: {secret: prod/database}
  policy_statements:
    - {sid: Images, actions: ["s3:GetObject"], resources: ["arn:aws:s3:::images/*"]}
"""


class Application(Program):
    """A copy of the fixture, with a configuration beside it."""

    def __init__(self, folder: Path, aws: EmbeddedAws) -> None:
        self.folder, self.aws = folder, aws
        super().__init__(
            aws.environment(), directory=Path("/"), options=("--config", str(folder / "local.yaml"))
        )
        shutil.copytree(FIXTURE, folder / "app")
        self.configure()

    def configure(self, more: str = "") -> None:
        (self.folder / "local.yaml").write_text(CONFIGURATION + more)

    def rows(self) -> list[tuple[str, int]]:
        table = f"{PREFIX}websocket-connections"
        return [
            (row["userId"]["S"], len(row))
            for row in self.aws.client("dynamodb").scan(TableName=table)["Items"]
        ]


@pytest.fixture(scope="module")
def application(
    embedded_aws: EmbeddedAws, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Application, str]]:
    """A provisioned application, and what `provision` said on stderr."""
    for program in ("npm", "node", "zip"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    mine = Application(tmp_path_factory.mktemp("application"), embedded_aws)
    probe = subprocess.run(
        ["npm", "view", "@aws-sdk/client-dynamodb", "version"], capture_output=True, check=False, timeout=60
    )
    if probe.returncode != 0:
        pytest.skip("no npm registry can be reached")
    said = mine.run("provision", "--yes").stderr
    yield mine, said
    mine.run("destroy", "--yes")


def ask(url: str, message: dict[str, Any], user: str = "alice") -> Any:
    with connect(f"{url}?token={user}", open_timeout=60) as socket:
        socket.send(json.dumps(message))
        return json.loads(socket.recv(timeout=60))


def test_every_step_is_seen_and_the_sdk_is_bundled(application: tuple[Application, str]) -> None:
    _, said = application
    steps = ("npm install", "npm run build", "npm run package")
    assert all(f"{step}: done in " in said for step in steps)
    assert "Adding the production dependencies, which the zip lacks: @aws-sdk/client-apigateway" in said


def test_socket_connects_pings_and_sends(application: tuple[Application, str]) -> None:
    mine, _ = application
    url = mine.run("ws", "endpoint").stdout.strip()
    with connect(f"{url}?token=alice", open_timeout=60) as socket:
        socket.send(json.dumps({"type": "ping"}))
        assert json.loads(socket.recv(timeout=60)) == {"type": "pong"}
        socket.send(json.dumps({"type": "message:send", "content": "hi"}))
        assert json.loads(socket.recv(timeout=60)) == {
            "type": "message:sent",
            "from": "alice",
            "content": "hi",
        }
        assert mine.rows() == [("alice", 3)]
    with pytest.raises(InvalidStatus) as refused, connect(url):
        pass
    assert refused.value.response.status_code == 401


def test_what_handlers_of_the_application_do_not_say_is_not_called_a_failure(
    application: tuple[Application, str],
) -> None:
    mine, _ = application
    sent = mine.run("ws", "send", "--user", "alice", "--to", "bob", "--token-via", "query", "Hello")
    assert sent.stdout.strip() == "Accepted; this handler does not say whether it was delivered."

    load = ("ws", "load", "--sockets", "4", "--duration", "1", "--token-via", "query")
    loaded = mine.run(*load, "--json")
    report = json.loads(loaded.stdout)
    unmatched = report["ping"]["unmatched"] + report["message"]["unmatched"]
    assert unmatched == report["ping"]["sent"] + report["message"]["sent"] > 0
    assert (report["ping"]["lost"], report["message"]["lost"]) == (0, 0)
    limited = mine.run(*load, "--max-loss", "50", code=3)
    assert "answers could not be matched: the handlers return no id" in limited.stdout
    assert "The loss is not known" in limited.stderr


def test_handler_that_verifies_no_token_is_found_by_doctor(application: tuple[Application, str]) -> None:
    mine, _ = application
    results = {each["name"]: each for each in json.loads(mine.run("doctor", "--json", code=3).stdout)}
    found = results["websocket.tokens"]
    assert "connect accepts a wrongly signed token and an expired token." in found["detail"]
    assert "application's connect handler" in found["fix"]


def test_channel_that_the_handler_does_not_read_is_named(application: tuple[Application, str]) -> None:
    mine, _ = application
    said = mine.run("ws", "connect", "--user", "alice", "--token-via", "subprotocol", code=1).stderr
    assert "this handler does not read the token from the subprotocol" in said
    assert "it reads the query" in said and "--token-via query" in said


def test_plan_without_a_change_runs_no_npm(application: tuple[Application, str]) -> None:
    mine, _ = application
    planned = mine.run("plan", "--detailed-exitcode")
    assert "No changes" in planned.stdout
    assert "npm" not in planned.stderr


def test_function_sees_its_variables_and_reads_the_parameter_that_is_named(
    application: tuple[Application, str],
) -> None:
    mine, _ = application
    ssm, lambda_ = mine.aws.client("ssm"), mine.aws.client("lambda")
    for name in ("/app/key", "/app/other"):
        ssm.put_parameter(Name=name, Type="SecureString", Value=f"value of {name}", Overwrite=True)
    mine.configure(SETTINGS_OF_FUNCTIONS)
    changed = {"role_policy.lambda", *(f"function.{name}" for name in ("connect", "disconnect", "default"))}
    planned = json.loads(mine.run("plan", "--json").stdout)["steps"]
    assert changed <= {step["address"] for step in planned if step["action"] == "update"}
    mine.run("provision", "--yes")

    url = mine.run("ws", "endpoint").stdout.strip()
    assert ask(url, {"type": "setting", "name": "KEY_PARAMETER"}) == {
        "type": "setting",
        "variable": "/app/key",
        "value": "value of /app/key",
    }
    other = ask(url, {"type": "setting", "name": "OTHER_PARAMETER"})
    assert (other["variable"], other["error"]) == ("/app/other", "AccessDeniedException")
    mine.run("iam", "check", "lambda")

    function = f"{PREFIX}websocket-default"
    environment = lambda_.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    lambda_.update_function_configuration(
        FunctionName=function, Environment={"Variables": {**environment, "FEATURE": "off"}}
    )
    assert "environment.FEATURE: off -> on" in mine.run("plan", "--detailed-exitcode", code=3).stdout
    mine.run("provision", "--yes")
    assert "No changes" in mine.run("plan", "--detailed-exitcode").stdout


def test_build_errors_stop_until_they_are_ignored_and_the_change_is_deployed(
    application: tuple[Application, str],
) -> None:
    mine, _ = application
    source = mine.folder / "app" / "default.ts"
    source.write_text(source.read_text().replace("'pong' }", "'pong', new: true /* TS2339 */ }"))
    stopped = mine.run("lambda", "deploy", "--yes", code=1)
    assert "`npm run build` failed" in stopped.stderr
    assert "default.ts(1,1): error TS2339" in stopped.stderr
    mine.configure("    ignore_build_errors: true\n")
    deployed = mine.run("lambda", "deploy", "--yes")
    assert "Going on, because lambda.source.ignore_build_errors is set" in deployed.stderr
    url = mine.run("ws", "endpoint").stdout.strip()
    assert ask(url, {"type": "ping"}) == {"type": "pong", "new": True}
