"""`ws broadcast` as a user runs it: processes, real sockets, kill -9 and Ctrl-C, the embedded AWS."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.local.conftest import EmbeddedAws
from tests.local.program import PROGRAM, PrefixedStack, eventually
from tests.terminal import Terminal

pytestmark = pytest.mark.local

TABLE = "bc-websocket-connections"


def connection_id(name: str) -> str:
    """An id that looks like API Gateway's: others are refused as no ids."""
    return base64.b64encode(f"{name:-<11}".encode()).decode()


class Stack(PrefixedStack):
    """A provisioned stack, the program that operates it, and rows without sockets."""

    def begun(self, *arguments: str) -> subprocess.Popen[str]:
        return self.start("ws", "broadcast", *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def leave_behind(self, prefix: str, number: int, user: str = "ghost") -> None:
        """Rows of connections that are gone."""
        client = self.aws.client("dynamodb")
        items = [
            {
                "connectionId": {"S": connection_id(f"{prefix}{each}")},
                "userId": {"S": user},
                "connectedAt": {"S": "2026-01-01T00:00:00Z"},
            }
            for each in range(number)
        ]
        for start in range(0, number, 25):
            requests = [{"PutRequest": {"Item": item}} for item in items[start : start + 25]]
            client.batch_write_item(RequestItems={TABLE: requests})

    def rows(self) -> list[str]:
        pages = self.aws.client("dynamodb").get_paginator("scan").paginate(TableName=TABLE)
        return sorted(item["connectionId"]["S"] for page in pages for item in page["Items"])

    def has_fewer_rows_than(self, number: int) -> bool:
        return len(self.rows()) < number

    def url(self, user: str) -> str:
        return f"{self.says('ws', 'endpoint')}?token={self.says('token', 'mint', '--user', user)}"


@pytest.fixture(scope="module")
def stack(embedded_aws: EmbeddedAws) -> Iterator[Stack]:
    found = Stack(embedded_aws, "bc-")
    found.run("provision", "--yes")
    yield found
    found.run("destroy", "--yes")


@pytest.fixture(autouse=True)
def empty_table(stack: Stack) -> Iterator[None]:
    yield
    for name in stack.rows():
        stack.aws.client("dynamodb").delete_item(TableName=TABLE, Key={"connectionId": {"S": name}})


async def listen(urls: Sequence[str], during: Callable[[], Any]) -> tuple[Any, list[list[Any]]]:
    """What `during` gives, run in a thread while a socket is open at each URL; and what each socket received."""
    sockets = await asyncio.gather(*map(connect, urls))
    try:
        result = await asyncio.to_thread(during)
        return result, await asyncio.gather(*map(messages, sockets))
    finally:
        await asyncio.gather(*(socket.close() for socket in sockets))


async def messages(socket: ClientConnection) -> list[Any]:
    """What was sent to a socket before."""
    await asyncio.wait_for(await socket.ping(), 60)  # the answer comes after it
    received = []
    with contextlib.suppress(TimeoutError):
        while True:  # what has arrived is given at once
            received.append(json.loads(await asyncio.wait_for(socket.recv(), 0.01)))
    return received


def test_every_socket_gets_the_message_once_and_gone_rows_are_deleted(stack: Stack) -> None:
    stack.leave_behind("gone", 30)
    url = stack.url("alice")

    report, received = asyncio.run(
        listen([url] * 10, lambda: stack.json("ws", "broadcast", "--type", "notice", "Back soon"))
    )

    assert received == [[{"type": "notice", "content": "Back soon", "id": report["run_id"]}]] * 10
    assert (report["connections"], report["delivered"], report["gone"], report["failed"]) == (40, 10, 30, 0)
    assert (report["pruned"], report["in_doubt"], report["state"]) == (30, 0, "finished")
    assert not any(connection_id(f"gone{number}") in stack.rows() for number in range(300))
    details = stack.json("ws", "broadcasts", "show", report["run_id"])
    assert details["summary"]["delivered"] == 10
    assert details["message"]["content"] == "Back soon"
    assert report["run_id"] in [run["run_id"] for run in stack.json("ws", "broadcasts", "list")]


def test_users_from_a_pipe_and_connections_add_up_and_exclusion_takes_away(stack: Stack) -> None:
    for user in ("ann", "ben", "cid", "dan"):
        stack.leave_behind(user, 2, user)

    report = stack.json(
        "ws", "broadcast", "{}", "--users-file", "-", "--user", "ann", "--connection", connection_id("cid1"),
        "--connection", connection_id("ann0"), "--exclude-user", "ben", text="# people\nann\nben\n\ndan\n",
    )  # fmt: skip

    assert report["gone"] == report["pruned"] == 5
    assert stack.rows() == sorted(map(connection_id, ["ben0", "ben1", "cid0"]))
    kept = stack.aws.state_directory / "broadcasts" / f"{report['run_id']}.users"
    assert kept.exists()
    stack.run("ws", "broadcasts", "delete", report["run_id"], "--yes")
    assert not kept.exists()


def test_a_dry_run_counts_and_prices_and_sends_nothing(stack: Stack) -> None:
    stack.leave_behind("gone", 40)
    stack.leave_behind("other", 10, "someone")
    before = stack.json("ws", "broadcasts", "list")

    planned = stack.json(
        "ws",
        "broadcast",
        '{"type":"notice"}',
        "--dry-run",
        "--rate",
        "2",
        "--users-file",
        "-",
        text="ghost\nsomeone",
    )

    assert (planned["connections"], planned["users"]) == (50, 2)
    assert planned["duration_s"] == 24.5  # one at once, then two a second
    assert planned["metered_messages"] == 50
    assert [line["item"] for line in planned["cost"]][:2] == ["Messages", "Data transfer"]
    assert len(stack.rows()) == 50
    assert stack.json("ws", "broadcasts", "list") == before
    assert not list((stack.aws.state_directory / "broadcasts").glob("*.users"))
    shown = stack.run("ws", "broadcast", '{"type":"notice"}', "--dry-run").stdout
    assert "every connection: 50 connections of 2 users" in shown


def test_a_sample_reaches_exactly_so_many(stack: Stack) -> None:
    stack.leave_behind("gone", 60)

    assert stack.json("ws", "broadcast", "{}", "--sample", "25")["gone"] == 25
    assert len(stack.rows()) == 35
    assert stack.json("ws", "broadcast", "{}", "--sample", "100%")["gone"] == 35


def test_a_run_that_was_killed_is_resumed_and_leaves_no_connection_out(stack: Stack) -> None:
    stack.leave_behind("gone", 300)
    url = stack.url("bob")

    def killed_twice() -> Any:
        # So slow that it does not end before it is killed, on no machine.
        arguments: tuple[str, ...] = ('{"type":"notice"}', "--rate", "4")
        for _ in range(2):
            rows_before = len(stack.rows())
            process = stack.begun(*arguments)
            eventually(partial(stack.has_fewer_rows_than, rows_before - 2))
            process.send_signal(signal.SIGKILL)
            assert process.wait(60) == -signal.SIGKILL
            process.communicate()
            arguments = ("--resume", "latest")
        assert stack.json("ws", "broadcasts", "list")[0]["state"] == "interrupted"
        return stack.json("ws", "broadcast", "--resume", "latest", "--rate", "10000")

    report, received = asyncio.run(listen([url] * 5, killed_twice))

    assert (report["state"], report["resumes"]) == ("finished", 2)
    assert (report["connections"], report["delivered"], report["gone"]) == (305, 5, 300)
    assert report["pending"] == report["failed"] == 0
    assert all(messages for messages in received)
    assert sum(len(messages) - 1 for messages in received) <= report["in_doubt"]
    assert {message["id"] for messages in received for message in messages} == {report["run_id"]}
    assert not any(connection_id(f"gone{number}") in stack.rows() for number in range(300))
    assert "nothing to do" in stack.run("ws", "broadcast", "--resume", report["run_id"]).stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_finishes_what_is_in_flight_and_says_how_to_go_on(
    stack: Stack, number: signal.Signals
) -> None:
    stack.leave_behind("gone", 300)
    process = stack.begun('{"type":"notice"}', "--rate", "4", "--json")
    eventually(lambda: len(stack.rows()) < 298)

    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)

    assert process.returncode == 130
    report = json.loads(stdout)
    assert 0 < report["pending"] < 300
    assert report["pending"] + report["gone"] == 300
    assert f"ws broadcast --resume {report['run_id']}" in stderr
    done = stack.json("ws", "broadcast", "--resume", report["run_id"], "--rate", "10000")
    assert (done["gone"], done["in_doubt"], done["state"]) == (300, 0, "finished")


def test_a_terminal_shows_where_it_is_and_is_left_as_it_was(stack: Stack) -> None:
    stack.leave_behind("gone", 250)
    arguments = [*PROGRAM, "ws", "broadcast", "--type", "notice", "Hello", "--rate", "2"]

    with Terminal(arguments, stack.environment) as terminal:
        terminal.wait_for(lambda shown: "bytes to every connection." in shown[0])
        terminal.wait_for(lambda shown: any("at most 2/s" in line for line in shown))
        terminal.type("\x03")
        terminal.wait_for_text("Interrupted: finishing the posts that are in flight")
        terminal.wait_for_text("ws broadcast --resume")
        terminal.leave(130)


def test_failures_are_told_by_reason_and_one_by_one(stack: Stack) -> None:
    stack.run(
        "ws", "broadcast", "{}", "--connection", "neither-is-that", "--connection", "nor-is-this-one", code=1
    )

    done = stack.json("ws", "broadcast", "--resume", "latest", "--retry-failed", code=1)
    assert [(it["connections"], it["examples"]) for it in done["failures"]] == [
        (2, ["neither-is-that", "nor-is-this-one"])
    ]
    assert done["attempts"] == 4
    lines = stack.run("ws", "broadcasts", "show", "latest", "--failures", "--json").stdout.splitlines()
    assert [json.loads(line)["connection_id"] for line in lines] == ["neither-is-that", "nor-is-this-one"]
    stack.run("ws", "broadcast", "{}", "--connection", "neither-is-that", "--tolerate-failures", "1")


def test_a_run_or_an_engine_that_is_not_there_is_refused(stack: Stack) -> None:
    done = stack.run("ws", "broadcast", "--resume", "20200101-000000-dead", code=1)
    assert "20200101-000000-dead" in done.stderr
    assert "not enabled" in stack.run("ws", "broadcast", "{}", "--engine", "distributed", code=2).stderr


def test_counts_add_up_over_all_runs(stack: Stack) -> None:
    states = Counter(run["state"] for run in stack.json("ws", "broadcasts", "list"))

    for run in stack.json("ws", "broadcasts", "list"):
        assert run["connections"] == run["delivered"] + run["gone"] + run["failed"] + run["pending"]
    assert set(states) <= {"finished", "interrupted"}


def test_journals_are_for_their_owner_only(stack: Stack) -> None:
    directory: Path = stack.aws.state_directory / "broadcasts"
    stack.run("ws", "broadcast", "{}")

    assert directory.stat().st_mode & 0o077 == 0
    for path in directory.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
