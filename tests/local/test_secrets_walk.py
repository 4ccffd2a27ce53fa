"""Every command of the command table, with secrets planted where it reads: none is in what it prints or writes.

Counts in docs/testing.md. A command that is new has to be given command lines here: `test_every_command_is_walked`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from tests.hosts import no_other_machine
from tests.in_process import Done, run
from tests.local.conftest import EmbeddedAws
from whatschat_ops.cli.commands import Command, every_command
from whatschat_ops.cli.run import Run

pytestmark = pytest.mark.local

JWT: Final = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VySWQiOiJwbGFudGVkIn0.cGxhbnRlZA"
"""A user id, as the application's own `connect` stores it; short enough for an attendee of Chime (64 characters)."""
ACCESS_KEY: Final = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
PEM: Final = "-----BEGIN PRIVATE KEY-----\\nMIIplantedplanted\\n-----END PRIVATE KEY-----"
BY_NAME: Final = ("planted-jwt-secret", "planted-db-password", "planted-api-key", "planted-credential")
SECRETS: Final = (JWT, "cGxhbnRlZA", ACCESS_KEY, "MIIplantedplanted", *BY_NAME)

PREFIX: Final = "secrets-"
CONNECTION: Final = "UExBTlRFRFNFQ1JFVA=="
MESSAGE: Final = json.dumps({"type": "notice", "content": JWT, "api_key": "planted-api-key"})
AS: Final = ("ws", "connect", "--token", JWT, "--wait", "0")

LINES: Final[Mapping[str, Sequence[Sequence[str]]]] = {
    "plan": [(), ("--verbose",), ("--out", "saved.json"), ("--detailed-exitcode",)],
    "status": [()],
    "doctor": [(), ("websocket", "--verbose"), ("bundle", "bundle.json"), ("--from", "planted.env")],
    "init": [()],
    "explain": [(), (MESSAGE,), (f"Unexpected server response: 403 ?token={JWT}",)],
    "schema": [(), ("ws", "broadcast"), (JWT,)],
    "whoami": [()],
    "env list": [()],
    "config show": [()],
    "config validate": [()],
    "config schema": [()],
    "completion": [("bash",)],
    "config reference": [()],
    "local start": [()],
    "local stop": [("--no-such",)],  # the embedded AWS is that of all tests
    "local status": [()],
    "local reset": [()],
    "local logs": [()],
    "local env": [()],
    "local clock advance": [(JWT,)],  # no duration: the clock is that of all tests
    "table create": [("--yes",)],
    "table describe": [()],
    "table delete": [()],
    "lambda package": [()],
    "lambda list": [()],
    "lambda invoke": [
        ("default", "--payload", json.dumps({"body": MESSAGE, "password": "planted-db-password"}), "--tail"),
        ("nothing", "--payload", MESSAGE),
    ],
    "lambda promote": [()],
    "lambda rollback": [("connect", "--to", JWT), ()],
    "iam policies": [(), ("backend",)],
    "iam attach": [("backend", "--role", "planted"), ("backend", "--role", JWT)],
    "iam check": [("backend", "--role", "planted")],
    "iam detach": [("backend", "--role", "planted")],
    "token mint": [("--user", "alice", "--claim", "password=planted-db-password")],
    "token inspect": [(JWT,), (JWT, "--verify"), (ACCESS_KEY,)],
    "ws endpoint": [(), (f"wss://h.example/production?token={JWT}",)],
    "ws connect": [
        AS[2:],
        ("--token", JWT, "--verbose", "--endpoint", f"ws://127.0.0.1:9/production?token={JWT}"),
    ],
    "ws chat": [("--as", JWT, "--to", JWT, "--wait", "0")],
    "ws listen": [("--user", JWT, "--count", "1", "--timeout", "0.2")],
    "ws send": [
        ("--user", "alice", "--to", JWT, MESSAGE),
        ("--connection", CONNECTION, MESSAGE),
        ("--token", JWT, "--to", "bob", MESSAGE),
    ],
    "ws broadcast": [
        ("--type", "notice", JWT, "--user", JWT, "--dry-run"),
        ("--type", "notice", JWT, "--user", JWT, "--yes", "--verbose"),
    ],
    "ws broadcasts list": [()],
    "ws broadcasts show": [("latest", "--failures"), (JWT,)],
    "ws broadcasts stop": [("latest",)],
    "ws broadcasts delete": [("latest",)],
    "ws connections list": [(), ("--user", JWT)],
    "ws connections get": [(CONNECTION,), (JWT,)],
    "ws connections stats": [("--probe", "5")],
    "ws connections delete": [(JWT, "--yes"), (CONNECTION,)],
    "ws prune": [("--dry-run",), ("--dry-run", "--probe", "--verbose")],
    "ws disconnect": [("--user", JWT, "--dry-run")],
    "ws compare": [
        ("--a", "simulated", "--b", f"apigateway={JWT}", "--users", "2", "--duration", "0.1", "--drain", "0"),
        ("--a", f"socketio=ws://127.0.0.1:1/{JWT}", "--duration", "0.1"),
    ],
    "ws load": [
        (
            "--sockets",
            "1",
            "--duration",
            "1",
            "--url",
            f"ws://127.0.0.1:9/x?token={JWT}",
            "--html",
            "load.html",
        )
    ],
    "chime meeting create": [
        ("--user", "alice", "--attendee", JWT, "--external-id", "planted"),
        ("--user", "alice", "--attendee", JWT),
        ("--user", "alice", "--tag", f"token={JWT}", "--feature", JWT, "--replica-of", JWT),
    ],
    "chime meeting get": [("planted",), (JWT,)],
    "chime meeting list": [(), ("--all",)],
    "chime usage": [(), ("--by", JWT), ("--since", JWT)],
    "chime attendee create": [("planted", "--user", JWT), ("planted", "--user", "carol")],
    "local chime attend": [("planted", JWT), (JWT, JWT)],
    "local chime leave": [("planted", JWT), ("planted", JWT)],
    "chime events": [(), ("--api",), ("planted",), (JWT, "--since", JWT)],
    "chime attendee list": [("planted",)],
    "chime check": [("--probe",)],
    "chime attendee batch": [("planted", "/dev/null", "--capabilities", f"audio={JWT}"), ("planted", JWT)],
    "chime attendee join-info": [("planted", "--user", JWT), ("planted", "--user", "carol")],
    "chime attendee capabilities": [
        ("planted", f"audio={JWT}", "--except", JWT),
        ("planted", "audio=None", "-a", JWT),
    ],
    "chime attendee get": [("planted", JWT)],
    "chime attendee delete": [("planted", JWT, "--yes")],
    "chime meeting sweep": [("--dry-run",), ("--purpose", JWT)],
    "chime meeting delete": [("planted", JWT, "--yes")],
    "call test": [
        ("--mode", "simulated", "--caller", JWT),
        ("--caller-token", JWT, "--callee", "bob"),
        ("--ice-server", f"stun:{JWT}@x"),
    ],
    "logs tail": [
        (),
        ("-o", "raw"),
        ("--user", JWT),
        ("--connection", JWT),
        ("--filter", f"{{ $.{JWT}"),
        ("--since", JWT),
    ],
    "logs trace": [("planted",), (JWT, "--all"), ("planted=",), ("planted", "--since", JWT)],
    "cost estimate": [("--messages", JWT), ("--usage", "usage.yaml")],
    "cost report": [
        ("--messages", "10M", "--card", JWT),
        ("--messages", "10M", "--users", "10", "-o", "load.html"),
    ],
    "cost compare": [("usage.yaml", "usage.yaml"), (JWT, JWT)],
    "cost reconcile": [
        ("--bill", "usage.yaml", "--from", f"logs={JWT}"),
        ("--bill", JWT),
        ("--bill", "usage.yaml", "--month", JWT),
        ("--bill", f"s3://planted/{JWT}"),
    ],
    "cost forecast": [("--from", JWT), ("--bill", JWT), ("--bill", "usage.yaml")],
    "cost verify": [("--usage", "usage.yaml"), ("--usage", JWT)],
    "cost actual": [
        ("--from", "cloudwatch", "--from", "ledger"),
        ("--from", "calls=calls.csv"),
        ("--from", JWT),
        ("--from", f"calls={JWT}"),
    ],
    "cost budget set": [(JWT,), ("5", "--notify", JWT), ("5", "--notify", "a@example.com", "--yes")],
    "cost budget show": [()],
    "cost budget delete": [("--yes",)],
    "migrate plan": [(), ("--off", "chime"), ("--rollback",)],
    "migrate status": [()],
    "migrate start": [("--reason", JWT), ("--service", "websocket")],
    "migrate advance": [("--share", "70", "--force", "--reason", JWT), ("--drained",)],
    "migrate hold": [("--reason", JWT), ("--release",)],
    "migrate rollback": [("--reason", JWT), ("--off", "websocket", "--yes")],
    "migrate history": [()],
    "cost rates list": [()],
    "cost rates show": [(), ("--price-region", JWT)],
    "cost rates diff": [("us-east-1", "us-east-1"), ("us-east-1", JWT)],
    "cost rates refresh": [("us-east-1", "--from", JWT)],
    "cost usage import": [("usage.yaml", "-o", "usage"), (JWT, "-o", "usage")],
    "metrics show": [(), ("--count", "--compare"), ("--last", JWT)],
    "watch": [
        ("--once", "--record", "load.html"),
        ("--svg", "load.html"),
        ("--replay", JWT),
        ("--once", "--every", JWT),
    ],
    "env render backend": [(), ("--output", ".env"), ("--output", ".env", "--replace")],
    "env render frontend": [(), ("--output", ".env.local")],
    "env check": [("planted.env",)],
    "export cloudformation": [(), ("--output", "stack.yaml")],
    "lambda deploy": [("connect", "--yes"), ("connect", "--canary", "10", "--yes")],
    "token secret rotate": [("--grace", JWT), ("--grace", "0", "--yes")],
    "unlock": [()],
    "audit list": [(), ("--user", JWT), ("--action", JWT), ("--since", JWT), ("--connection", JWT)],
    "provision": [(), ("saved.json",), ("--yes",)],
    "destroy": [(), ("--yes", "--delete-data", "--verbose")],
}
"""In the order in which they run. Each also runs with --json, and with mistakes that quote what was typed."""

MISTAKES: Final = (
    ("--no-such-option", JWT),
    ("-e", JWT),
    ("--config", f"{JWT}.yaml"),
    ("--config", "broken.yaml"),
)


@dataclass
class World:
    """A provisioned stack with planted secrets, and the directory that commands run in."""

    aws: EmbeddedAws
    directory: Path
    outputs: int = 0
    """Of commands that were looked at: standard output, standard error and files."""
    hidden: int = 0
    """Of them, those with something that is hidden."""
    walked: set[str] = field(default_factory=set)
    changing: set[str] = field(default_factory=set)
    """Commands that sent a request which changes something, and leave no audit entry."""

    def look(self, path: str, done: Done) -> None:
        """Fails if one of the secrets is in what a command line printed, or in a file that it wrote."""
        for text in (done.stdout, done.stderr, *self._files(path)):
            self.outputs += 1
            self.hidden += "********" in text or "(sensitive" in text
            found = [secret for secret in SECRETS if secret in text]
            assert not found, f"{path} shows {found}:\n{text}"
            assert "Something went wrong inside" not in text

    def _files(self, path: str) -> Iterator[str]:
        """The files that it wrote, which are deleted. A saved plan is kept: it is applied later."""
        names = ("load.html", "bundle.json", ".env", ".env.local", "stack.yaml")
        written = [self.directory / name for name in names if (self.directory / name).exists()]
        if (self.directory / "saved.json").exists():
            yield (self.directory / "saved.json").read_text()
        for file in written:
            text = file.read_text()
            file.unlink()
            if path != "export cloudformation":
                yield text


@pytest.fixture(scope="module")
def world(embedded_aws: EmbeddedAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("secrets")
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith(("AWS_", "WHATSCHAT_"))]:
            environment.delenv(name)
        for name, value in embedded_aws.environment().items():
            environment.setenv(name, value)
        environment.chdir(directory)
        plant_files(directory)
        done = run("--config", "settings.yaml", "provision", "--yes")
        assert done.code == 0, done.said
        plant_in_aws(embedded_aws)
        yield World(embedded_aws, directory)
        run("--config", "settings.yaml", "destroy", "--yes", "--delete-data")


@pytest.fixture(autouse=True)
def same_environment(clean_environment: None, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables of the embedded AWS, and its directory, for each test."""
    for name, value in world.aws.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(world.directory)
    announced = Run.before_change

    def watched(self: Run, **target: Any) -> None:
        if self.audit is None:
            world.changing.add(self.command_path.removeprefix("whatschat-ops "))
        announced(self, **target)

    monkeypatch.setattr(Run, "before_change", watched)


def plant_files(directory: Path) -> None:
    variables = {
        "DB_PASSWORD_OLD": BY_NAME[1],
        "apiKey": BY_NAME[2],
        "TLS_CERTIFICATE": PEM,
        "CLOUD": ACCESS_KEY,
    }
    settings = {"prefix": PREFIX, "lambda": {"environment": variables}}
    (directory / "settings.yaml").write_text(json.dumps(settings))
    broken = {"prefix": PREFIX, "lambda": {"environment": {"DB_PASSWORD": [BY_NAME[1], JWT]}}, JWT: 1}
    (directory / "broken.yaml").write_text(json.dumps(broken))
    (directory / "usage.yaml").write_text(json.dumps({"messages": JWT, JWT: 1}))
    (directory / "calls.csv").write_text(f"meeting,attendee,joined\n{JWT},{JWT},never\n{JWT},{JWT},1\n")
    lines = [f"JWT_SECRET={BY_NAME[0]}", f"AWS_SECRET_ACCESS_KEY={ACCESS_KEY}", f"NEXT_PUBLIC_WS={JWT}"]
    (directory / "planted.env").write_text("\n".join(lines))


def plant_in_aws(aws: EmbeddedAws) -> None:
    """Rows of live tokens, variables that were set by hand, a log line, a role."""
    now = datetime.now(UTC)
    item = {
        "connectionId": {"S": CONNECTION},
        "userId": {"S": JWT},
        "connectedAt": {"S": now.isoformat(timespec="milliseconds").replace("+00:00", "Z")},
        "ttl": {"N": str(int(time.time()) + 3600)},
    }
    aws.client("dynamodb").put_item(TableName=f"{PREFIX}websocket-connections", Item=item)
    functions = aws.client("lambda")
    name = f"{PREFIX}websocket-connect"
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    more = {"JWT_SECRET": BY_NAME[0], "SERVICE_CREDENTIALS": BY_NAME[3], "OPAQUE": JWT}
    functions.update_function_configuration(
        FunctionName=name, Environment={"Variables": {**variables, **more}}
    )
    plant_in_logs(aws.client("logs"), f"/aws/lambda/{PREFIX}websocket-default")
    trust = {"Version": "2012-10-17", "Statement": []}
    aws.client("iam").create_role(RoleName="planted", AssumeRolePolicyDocument=json.dumps(trust))
    with (aws.state_directory / "local" / "service.log").open("a") as log:
        log.write(f"planted: token {JWT} JWT_SECRET={BY_NAME[0]} key {ACCESS_KEY}\n")
        log.write(
            f"failed: API_KEY={BY_NAME[2]} https://h/x?password={BY_NAME[1]} redis://:{BY_NAME[3]}@h/0\n"
        )


def plant_in_logs(logs: Any, group: str) -> None:
    """What an application's own function may print."""
    messages = [
        json.dumps({"event": "login", "outcome": "done", "token": JWT, "userId": JWT, "apiKey": BY_NAME[2]}),
        json.dumps({"type": "platform.report", "record": {"status": f"Bearer {JWT}"}}),
        f"SERVICE_CREDENTIALS={BY_NAME[3]} {ACCESS_KEY}\n{PEM}",
        f"{JWT} {'x' * 5000}",
    ]
    logs.create_log_stream(logGroupName=group, logStreamName="planted")
    now_ms = time.time_ns() // 1_000_000
    events = [{"timestamp": now_ms, "message": message} for message in messages]
    logs.put_log_events(logGroupName=group, logStreamName="planted", logEvents=events)


def assert_no_json_in_strings(path: str, printed: str) -> None:
    """JSON holds objects: no string in it is itself an object or a list in JSON. A format of access logs is AWS's own text."""
    try:
        found = [json.loads(printed)] if printed.strip() else []
    except ValueError:  # one document a line
        found = [json.loads(each) for each in printed.splitlines()]
    inside = [
        text
        for document in found
        for text in strings_in(document)
        if is_json(text) and "$context." not in text
    ]
    assert inside == [], f"{path} --json"


def strings_in(value: object) -> Iterator[str]:
    """Every string that is a value in a JSON document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for each in value.values() for text in strings_in(each))
    elif isinstance(value, list):
        yield from (text for each in value for text in strings_in(each))


def is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except ValueError:
        return False


def line(path: str, *arguments: str) -> Done:
    return run("--config", "settings.yaml", *path.split(), *arguments)


def test_every_command_is_walked() -> None:
    assert set(LINES) == {path for path, entry in every_command() if isinstance(entry, Command)}


SHOWN: Final[Mapping[str, tuple[Sequence[str], Sequence[str]]]] = {
    "ws connections list": ((), (JWT,)),
    "ws connections stats": ((), (JWT,)),
    "config show": ((), (BY_NAME[1], BY_NAME[2], ACCESS_KEY)),
    "local logs": ((), (JWT, BY_NAME[0], ACCESS_KEY)),
    "logs tail": ((), (JWT, BY_NAME[2], BY_NAME[3])),
    "export cloudformation": ((), (BY_NAME[1], BY_NAME[2], ACCESS_KEY)),
}
"""Commands with what they show of the planted secrets when they are asked to: the proof that they reach what is printed."""


@pytest.mark.parametrize("path", SHOWN)
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_planted_secret_is_shown_when_asked_for(
    world: World, path: str, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    more, secrets = SHOWN[path]
    options = ["--json"] if form == "json" else []
    shown = line(path, *more, *options, "--show-secrets").said.replace("\\\\n", "\\n")
    for secret in secrets:
        assert secret in shown


def test_a_command_whose_result_is_the_secret_gives_it(world: World) -> None:
    assert line("token mint", "--user", "alice").stdout.startswith("eyJ")
    assert json.loads(line("token mint", "--user", "alice", "--json").stdout)["token"].startswith("eyJ")
    assert world.aws.secret_access_key.reveal() in line("local env").stdout
    assert world.aws.secret_access_key.reveal() in line("local env", "--json").stdout


NAMED_BY_USER: Final[Mapping[str, set[str]]] = {"call test": {f"{JWT}@x"}}
"""Hosts other than the endpoint that a command line names."""
PROGRAMS: Final = {
    "doctor": {"uname"},  # `platform`
    "call test": {"ldconfig", "gcc", "ld", "objdump"},  # `ctypes.util.find_library`
}
"""Programs that a command starts, which connect nowhere. What they do is not watched."""


@pytest.mark.parametrize("path", LINES)
def test_a_command_shows_no_planted_secret_and_asks_no_other_machine(world: World, path: str) -> None:
    with no_other_machine() as contacts:
        walk(world, path)
    assert contacts.hosts <= NAMED_BY_USER.get(path, set())
    assert contacts.programs <= PROGRAMS.get(path, set())


def walk(world: World, path: str) -> None:
    for arguments in LINES[path]:
        if path == "token mint":
            continue  # its result is a token, with the claim in it
        world.look(path, line(path, *arguments))
        done = line(path, *arguments, "--json")
        world.look(path, done)
        assert_no_json_in_strings(path, done.stdout)
    world.walked.add(path)
    # `local stop` reads no settings: only an unknown option keeps it from stopping the embedded AWS of all tests.
    for mistake in MISTAKES[:1] if path == "local stop" else MISTAKES:
        world.look(path, run(*path.split(), *mistake))
        world.look(path, run(*path.split(), *mistake, "--json"))


UNAUDITED: Final = {
    "chime meeting list",
    "chime usage",
}
"""They change the ledger alone: what it says of a meeting that has ended."""


def test_commands_without_an_audit_entry_change_nothing(world: World) -> None:
    assert world.changing <= UNAUDITED


def test_the_walk_saw_the_planted_secrets_hidden(world: World) -> None:
    if world.walked != set(LINES):
        pytest.skip("only a part of the commands was walked")
    assert world.outputs > 1000
    assert world.hidden > 300
