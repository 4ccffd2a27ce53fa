"""`logs trace` of connections that ended in different ways, each for real: sockets, functions, clock and operator of an embedded AWS."""

from __future__ import annotations

import io
import json
import socket as sockets
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.in_process import Done, run
from tests.local.conftest import EmbeddedAws, started
from tests.local.program import Program, eventually
from tests.minimality.removal import User
from tests.ports import free_port
from whatschat_ops.local import service
from whatschat_ops.redaction import Secret
from whatschat_ops.sockets.tokens import mint

pytestmark = pytest.mark.local

SECRET = "/whatschat-ops/whatschat-local/jwt-secret"
CRASH = "def handler(event, context):\n    raise RuntimeError('boom')\n"
EXIT = "import os\ndef handler(event, context):\n    print('about to exit')\n    os._exit(3)\n"


@dataclass
class World:
    """A provisioned stack of an embedded AWS whose clock may be moved."""

    aws: EmbeddedAws
    url: str
    secret: Secret

    def token(self, user: str, life: timedelta = timedelta(days=1)) -> str:
        made = mint(user, self.secret, ttl=life, now=datetime.now(UTC) - timedelta(hours=1), token_id="t")
        return made.token.reveal()

    def open(self, user: str, agent: str = "test/1", **token: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token(user, **token)}"}
        return connect(
            self.url,
            additional_headers=headers,
            proxy=None,
            ping_interval=None,
            compression=None,
            user_agent_header=agent,
        )

    def ask(self, client: ClientConnection, **message: Any) -> dict[str, Any]:
        client.send(json.dumps(message))
        answer: dict[str, Any] = json.loads(client.recv(timeout=60))
        return answer

    def advance(self, duration: str) -> None:
        assert run("local", "clock", "advance", duration).code == 0

    def trace(self, who: str, *options: str) -> dict[str, Any]:
        done = run("logs", "trace", "--json", *options, "--", who)
        assert done.code == 0, done.said
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def until(self, who: str, is_there: Callable[[dict[str, Any]], bool], *options: str) -> dict[str, Any]:
        """The newest trace, once its lines are written: they follow the events, in no order."""

        def newest() -> dict[str, Any] | None:
            done = run("logs", "trace", "--json", *options, "--", who)
            assert done.code in (0, 1), done.said
            found = json.loads(done.stdout)["traces"][0] if done.code == 0 else None
            return found if found is not None and is_there(found) else None

        found: dict[str, Any] = eventually(newest)
        return found

    def ended(self, user: str, messages: int = 0) -> dict[str, Any]:
        """The trace of a user's connection with all lines of it."""
        return self.until(
            user, lambda trace: trace["code"] is not None and has_lines(trace, messages), "--user"
        )

    def replace_code(self, function: str, source: str) -> None:
        """Put other code behind the alias."""
        client, name = self.aws.client("lambda"), f"websocket-{function}"
        module = client.get_function_configuration(FunctionName=name)["Handler"].rpartition(".")[0]
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as archive:
            archive.writestr(f"{module.replace('.', '/')}.py", source)
        client.update_function_code(FunctionName=name, ZipFile=data.getvalue())
        self._publish(name)

    def configure(self, function: str, **configuration: Any) -> None:
        """Change the function behind the alias."""
        client, name = self.aws.client("lambda"), f"websocket-{function}"
        client.update_function_configuration(FunctionName=name, **configuration)
        self._publish(name)

    def _publish(self, name: str) -> None:
        client = self.aws.client("lambda")
        client.get_waiter("function_updated_v2").wait(FunctionName=name)
        version = client.publish_version(FunctionName=name)["Version"]
        client.update_alias(FunctionName=name, Name="live", FunctionVersion=version)

    def repair(self) -> None:
        """Make the stack what the settings say."""
        done = run("provision", "--yes")
        assert done.code == 0, done.said

    def refused(self, agent: str, is_there: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The trace of the handshake of this user agent, once its lines are written."""

        def connection() -> str | None:
            done = run("logs", "tail", "--access", "-o", "json", "--since", "5m", "--filter", f'"{agent}"')
            lines = done.stdout.splitlines()
            return json.loads(lines[-1])["fields"]["connectionId"] if lines else None

        return self.until(eventually(connection), is_there)


def has_lines(trace: dict[str, Any], messages: int) -> bool:
    """Whether both sides of every event are written, of so many messages."""
    events = [step for step in trace["steps"] if step["kind"] in ("connect", "message", "disconnect")]
    return trace["messages_in"] >= messages and all(step["status"] for step in events)


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("trace")
    port = free_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WHATSCHAT_OPS_STATE_DIR", str(directory))
        patch.setenv("WHATSCHAT_LOCAL_PORT", str(port))
        patch.chdir(directory)
        aws = started(directory, service.ensure_running(port=port, say=lambda _: None))
        try:
            provisioned = run("provision", "--yes")
            assert provisioned.code == 0, provisioned.said
            value = aws.client("ssm").get_parameter(Name=SECRET, WithDecryption=True)["Parameter"]["Value"]
            yield World(aws, run("ws", "endpoint").stdout.strip(), Secret(value))
        finally:
            service.stop()


@pytest.fixture
def world(stand: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("WHATSCHAT_OPS_STATE_DIR", str(stand.aws.state_directory))
    monkeypatch.setenv("WHATSCHAT_LOCAL_PORT", str(stand.aws.port))
    monkeypatch.chdir(stand.aws.state_directory)
    return stand


def steps(trace: dict[str, Any]) -> list[tuple[str, str, int | None]]:
    return [(step["kind"], step["what"], step["status"]) for step in trace["steps"]]


def test_normal_closure_shows_both_sides_of_each_message_and_posts_of_others(world: World) -> None:
    with world.open("bob") as bob, world.open("alice", agent='Mozi"lla/5.0') as alice:
        world.ask(alice, type="message:send", id="m1", recipients=["bob"], text="never in a log")
        assert json.loads(bob.recv(timeout=60))["type"] == "message:received"
    trace = world.ended("alice", messages=1)
    assert (trace["cause"], trace["code"], trace["meaning"]) == (
        "closed by the client",
        1000,
        "normal closure",
    )
    assert steps(trace) == [
        ("connect", "connect", 200),
        ("message", "message:send", 200),
        ("disconnect", "disconnect", 200),
    ]
    (connected, sent, _) = trace["steps"]
    assert all(step["request_id"] for step in trace["steps"])
    assert (connected["outcome"].split(";")[0], sent["outcome"]) == (
        "accepted",
        "delivered; 2 posts; cold start",
    )
    assert sent["message_id"]
    assert (trace["messages_in"], trace["posts_sent"], trace["gaps"]) == (1, 1, [])
    assert (trace["user_id"], trace["source_ip"], trace["user_agent"]) == (
        "alice",
        "127.0.0.1",
        'Mozi"lla/5.0',
    )
    other = world.ended("bob")
    assert ("post", "message:send from alice", None) in steps(other)
    assert "never in a log" not in json.dumps([trace, other])


def test_lost_network_is_1006(world: World) -> None:
    with world.open("lost") as client:
        client.socket.shutdown(sockets.SHUT_RDWR)
    trace = world.ended("lost")
    assert (trace["cause"], trace["code"]) == ("connection lost", 1006)


def test_client_that_leaves_is_told_from_api_gateways_cuts(world: World) -> None:
    with world.open("left") as client:
        client.close(1001, "leaving \x1b[31m eyJhbGciOiJIUzI1NiJ9.e30.x")
    trace = world.ended("left")
    assert (trace["cause"], trace["code"]) == ("client went away", 1001)
    assert "eyJ" not in json.dumps(trace)
    shown = run("logs", "trace", "--user", "left")
    assert "\x1b[31m" not in shown.stdout and "Client went away." in shown.stdout


def test_message_that_is_too_big_is_1009(world: World) -> None:
    with world.open("big") as client, pytest.raises(ConnectionClosed):
        client.send("x" * 140_000)
        client.recv(timeout=60)
    trace = world.ended("big")
    assert (trace["cause"], trace["code"], trace["meaning"].split(";")[0]) == (
        "message too big",
        1009,
        "message too big",
    )


def test_refused_token_says_which_rule(world: World) -> None:
    with pytest.raises(InvalidStatus), world.open("late", agent="late/1", life=timedelta(minutes=1)):
        pass
    trace = world.refused("late/1", lambda trace: trace["cause"] == "token refused")
    assert (trace["state"], trace["code"]) == ("refused", 401)
    assert trace["why"] == "Its token was refused: expired."
    assert run("logs", "trace", "late").code == 1  # who it was is not known: the token is not trusted


@pytest.mark.parametrize(
    ("source", "says", "agent"), [(CRASH, "RuntimeError", "crash/1"), (EXIT, "exit", "exit/1")]
)
def test_function_that_crashes_is_the_cause(world: World, source: str, says: str, agent: str) -> None:
    world.replace_code("connect", source)
    try:
        with pytest.raises(InvalidStatus), world.open("crash", agent=agent):
            pass
    finally:
        world.repair()
    trace = world.refused(agent, lambda trace: says in json.dumps(trace))
    assert (trace["state"], trace["cause"], trace["errors"]) == ("refused", "function failed", 1)


def test_operator_is_named_with_what_was_done(world: World) -> None:
    with world.open("kicked") as client:
        done = run("ws", "disconnect", "--user", "kicked", "--yes", "--json")
        assert done.code == 0, done.said
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=60)
    trace = world.ended("kicked")
    assert (trace["cause"], trace["code"]) == ("closed by an operator", 1000), trace
    assert trace["by"].startswith("arn:aws:") and "ws.disconnect" in trace["why"]


def test_open_connection_says_so_until_it_is_idle_for_ten_minutes(world: World) -> None:
    with world.open("idle") as client:
        world.ask(client, type="ping", id=1)
        trace = world.until("idle", lambda trace: has_lines(trace, 1))
        assert (trace["ended_at"], trace["code"], trace["user_id"]) == (None, None, "idle")
        assert "It is open." in run("logs", "trace", "idle").stdout
        world.advance("10m")
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=60)
    trace = world.ended("idle", messages=1)
    assert (trace["cause"], trace["code"]) == ("idle for 10 minutes", 1001)
    assert trace["gaps"] == [
        "Once the function default ran and wrote no line: a ping, which LOG_LEVEL INFO leaves out, "
        "or code that is not the built-in function's."
    ]


def test_one_connection_among_many_lines_is_found_by_fetching_its_own(world: World) -> None:
    with world.open("needle") as client:
        world.ask(client, type="message:send", id="m1", recipients=["needle"])
    connection = world.ended("needle", messages=1)["connection_id"]
    logs, now_ms = world.aws.client("logs"), int(datetime.now(UTC).timestamp() * 1000)
    for group in ("/aws/apigateway/websocket", "/aws/lambda/websocket-default"):
        logs.create_log_stream(logGroupName=group, logStreamName="others")
        others = [
            {"timestamp": now_ms - 3000 + number, "message": f'{{"connectionId":"{number:014d}B="}}'}
            for number in range(3000)
        ]
        logs.put_log_events(logGroupName=group, logStreamName="others", logEvents=others)
    searched = world.trace(connection)["searched"]
    assert searched["events"] <= 10
    assert searched["requests"] <= 8


def test_function_that_runs_out_of_time_is_the_cause(world: World) -> None:
    client, name = world.aws.client("lambda"), "websocket-connect"
    before = client.get_function_configuration(FunctionName=name)
    with sockets.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never answers
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        variables = {**before["Environment"]["Variables"], "AWS_ENDPOINT_URL_SSM": endpoint}
        world.configure("connect", Timeout=1, Environment={"Variables": variables})
        try:
            with pytest.raises(InvalidStatus), world.open("slow", agent="slow/1"):
                pass
        finally:
            world.repair()
    trace = world.refused("slow/1", lambda trace: "timed out" in trace["why"])
    assert (trace["state"], trace["cause"]) == ("refused", "function failed")


def test_two_hours_end_a_busy_connection(world: World) -> None:
    with world.open("busy") as client:
        for _ in range(13):
            world.ask(client, type="ping", id=1)
            world.advance("9m")
        assert client.ping().wait(60)
        world.advance("3m")
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=60)
    trace = world.ended("busy", messages=13)
    assert (trace["cause"], trace["code"], trace["messages_in"]) == ("open for 2 hours", 1001, 13)
    assert "and 12 like it" in run("logs", "trace", "busy").stdout


def test_lost_lines_and_a_deleted_group_are_gaps(world: World) -> None:
    with world.open("gaps"):
        pass
    connection = world.ended("gaps")["connection_id"]
    logs, group = world.aws.client("logs"), "/aws/lambda/websocket-disconnect"
    logs.delete_log_group(logGroupName=group)
    try:
        trace = world.trace(connection)["traces"][0]
        assert (trace["state"], trace["cause"], trace["code"]) == ("closed", "unknown", None)
        assert trace["gaps"][0] == f"The log group {group} does not exist: what it held is lost."
        logs.delete_log_group(logGroupName="/aws/apigateway/websocket")
        trace = world.trace(connection)["traces"][0]
        assert steps(trace) == [("connect", "connect", None)]
    finally:
        world.repair()


def test_printed_policies_are_enough_and_what_they_leave_out_is_a_gap(world: World, tmp_path: Path) -> None:
    eve = User(world.aws.client, "eve")
    (tmp_path / "configs").mkdir()
    settings = {
        "local": {"enabled": False},
        "aws": {"endpoint_url": world.aws.endpoint_url},
        "websocket": {"endpoint": world.url},
    }
    (tmp_path / "configs" / "staging.yaml").write_text(json.dumps(settings))
    variables = {
        **world.aws.environment(),
        "WHATSCHAT_ENV": "staging",
        "AWS_ACCESS_KEY_ID": eve.access_key_id,
        "AWS_SECRET_ACCESS_KEY": eve.secret_access_key,
    }
    program = Program(variables, directory=tmp_path)
    reading, operating = (
        program.json("iam", "policies", each, "--account-id", "000000000000")
        for each in ("operator-logs", "operator")
    )
    with world.open("watched") as client:
        world.ask(client, type="message:send", id="m1", recipients=["watched"])
        world.until("watched", lambda trace: has_lines(trace, 1))
        eve.may({**operating, "Statement": [*operating["Statement"], *reading["Statement"]]})
        (trace,) = program.json("logs", "trace", "watched")["traces"]
        assert (trace["state"], trace["user_id"], trace["gaps"]) == ("open", "watched", [])
        eve.may(reading)
        (trace,) = program.json("logs", "trace", trace["connection_id"])["traces"]
    assert (trace["user_id"], len(trace["steps"]), trace["state"]) == ("watched", 2, "unknown")
    assert [gap.partition(".")[0] for gap in trace["gaps"]] == [
        "Not read: the connections table",
        "Not read: API Gateway",
        "Not read: the audit log",
    ]


def refused(*arguments: str) -> Done:
    done = run("logs", "trace", *arguments)
    assert done.code == 1
    return done


def test_unknown_connection_says_what_was_searched(world: World) -> None:
    for unknown in ("AAAAAAAAAAAAAAA=", "-AAAAAAAAAAAAAA="):
        done = refused("--since", "1h", "--", unknown)
        assert unknown in done.stderr and "/aws/apigateway/websocket" in done.stderr and done.stdout == ""


def test_connections_of_a_user_are_listed_newest_first(world: World) -> None:
    for _ in range(2):
        with world.open("twice"):
            pass

    def both() -> dict[str, Any] | None:
        done = run("logs", "trace", "twice", "--all", "--json")
        found = json.loads(done.stdout) if done.code == 0 else None
        is_there = found and [each["state"] for each in found["connections"]] == ["closed", "closed"]
        return found if is_there else None

    found = eventually(both)
    ids = [each["connection_id"] for each in found["connections"]]
    assert [each["connection_id"] for each in found["traces"]] == ids
    assert found["traces"][0]["connected_at"] > found["traces"][1]["connected_at"]
    assert len(world.trace("twice")["traces"]) == 1
