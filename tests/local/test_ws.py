"""`ws` and `token` as a user runs them: processes, real sockets, a real terminal, the embedded AWS."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from tests.local.conftest import EmbeddedAws
from tests.local.program import PROGRAM, PrefixedStack, eventually
from tests.terminal import Terminal

pytestmark = pytest.mark.local


class Stack(PrefixedStack):
    """A provisioned stack and the program that operates it."""

    @contextmanager
    def connected(self, user: str, *options: str) -> Iterator[subprocess.Popen[str]]:
        """`ws connect` with its input kept open; its messages come as JSON lines."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        with self.start("ws", "connect", "--user", user, "--json", *options, **pipes) as process:
            try:
                assert process.stderr is not None
                assert process.stderr.readline() == "Connected.\n"
                yield process
                assert process.stdin is not None
                process.stdin.close()
                process.wait(60)
            finally:
                process.kill()


@pytest.fixture(scope="module")
def stack(embedded_aws: EmbeddedAws) -> Iterator[Stack]:
    found = Stack(embedded_aws, "ws-")
    found.run("provision", "--yes")
    yield found
    found.run("destroy", "--yes")


def received(process: subprocess.Popen[str]) -> Mapping[str, Any]:
    """The next message of a `connected` process."""
    assert process.stdout is not None
    line = json.loads(process.stdout.readline())
    assert line["direction"] == "in"
    message: Mapping[str, Any] = line["body"]
    return message


def test_two_users_talk_and_the_operator_broadcasts_and_disconnects(stack: Stack) -> None:
    with stack.connected("alice") as alice, stack.connected("bob", "--token-via", "subprotocol") as bob:
        rows = stack.json("ws", "connections", "list")
        assert sorted(row["user_id"] for row in rows) == ["alice", "bob"]
        assert not any(row["expired"] for row in rows)

        receipt = stack.json("ws", "send", "--user", "carol", "--to", "bob", "--to", "nobody", "Hello, bob")
        assert (receipt["recipients"], receipt["delivered"], receipt["offline"]) == (2, 1, 1)
        message = received(bob)
        assert (message["type"], message["from"], message["content"]) == (
            "message:received",
            "carol",
            "Hello, bob",
        )

        planned = stack.json("ws", "broadcast", "--dry-run", '{"type":"notice"}')
        assert planned["connections"] == 2
        report = stack.json("ws", "broadcast", '{"type":"notice"}')
        assert (report["delivered"], report["gone"], report["failed"]) == (2, 0, 0)
        assert received(alice) == received(bob) == {"type": "notice", "id": report["run_id"]}

        assert stack.json("ws", "broadcast", "--user", "bob", "--no-id", '{"type":"only"}')["delivered"] == 1
        assert received(bob) == {"type": "only"}

        (row,) = stack.json("ws", "connections", "list", "--user", "bob")
        details = stack.json("ws", "connections", "get", "--", row["connection_id"])
        assert details["row"]["user_id"] == "bob"
        assert details["live"]["user_agent"].startswith("whatschat-ops/")
        stack.run(
            "ws",
            "send",
            "--connection",
            row["connection_id"],
            "--file",
            "/dev/stdin",
            text='{"type":"direct"}\n',
        )
        assert received(bob) == {"type": "direct"}

        deleted = stack.json("ws", "connections", "delete", "--yes", "--", row["connection_id"])
        assert deleted["socket_closed"] and deleted["row_deleted"]
        assert bob.wait(60) == 0
        gone = stack.json("ws", "send", "--connection", row["connection_id"], "too late", code=1)
        assert gone["error"]["code"] == "gone"
        error = stack.json("ws", "connections", "get", "--", row["connection_id"], code=1)
        assert error["error"]["code"] == "not_found"
    assert alice.returncode == 0
    eventually(lambda: stack.json("ws", "connections", "list") == [])


@contextmanager
def killed_at_the_end(*processes: subprocess.Popen[str]) -> Iterator[None]:
    """A failed test waits for none of them."""
    try:
        yield
    finally:
        for process in processes:
            process.kill()


def test_two_users_talk_in_words(stack: Stack) -> None:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    wanted = ("--type", "message:received", "--count", "2", "--json")
    with (
        stack.start("ws", "listen", "--user", "dora", *wanted, **pipes) as dora,
        stack.start("ws", "listen", "--user", "dora", "--type", "no:such", **pipes) as idle,
        killed_at_the_end(dora, idle),
    ):
        for process in (dora, idle):
            assert process.stderr is not None
            assert process.stderr.readline() == "Connected.\n"
        chat = stack.run(
            *("ws", "chat", "--as", "emil", "--to", "dora", "--to", "ghost"),
            text="Hello\nHow are you?\n/quit\n",
        )
        said = [json.loads(line)["body"] for line in dora.communicate(timeout=60)[0].splitlines()]
        assert [(each["from"], each["content"]) for each in said] == [
            ("emil", "Hello"),
            ("emil", "How are you?"),
        ]
        assert dora.returncode == 0
        assert "Not delivered to all: 1 user offline." in chat.stderr
        idle.send_signal(signal.SIGINT)
        stdout, stderr = idle.communicate(timeout=60)
        assert (idle.returncode, stdout) == (0, ""), stderr  # nothing was of that type


def test_operator_watches_who_connects_and_what_is_sent(stack: Stack) -> None:
    command = ("ws", "connections", "list", "--watch", "--interval", "0.5", "--json")
    with (
        stack.start(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as watching,
        killed_at_the_end(watching),
        stack.connected("fritz") as fritz,  # until it was seen
    ):
        assert fritz.stdin is not None
        fritz.stdin.write('{"type": "message:send", "recipients": ["ghost"], "content": "Hello"}\n')
        fritz.stdin.flush()
        assert watching.stdout is not None
        seen: list[tuple[str, str, str | None]] = []
        for line in watching.stdout:
            change = json.loads(line)
            of = change["connection"]
            seen.append((of["user_id"], change["change"], of["last_route"]))
            if of["user_id"] == "fritz" and of["last_route"] == "message:send":
                break
        assert seen[-1][1] in ("opened", "sent")  # at its first look the message may have been sent already
        watching.send_signal(signal.SIGINT)
        _, stderr = watching.communicate(timeout=60)
        assert watching.returncode == 0, stderr


def test_listening_for_what_does_not_come_ends_in_time(stack: Stack) -> None:
    done = stack.run("ws", "listen", "--user", "dora", "--count", "1", "--timeout", "0.2", code=1)
    assert "0 of 1 message arrived within 0.2 s." in done.stderr


def test_a_row_whose_socket_is_gone_is_pruned_by_a_broadcast(stack: Stack) -> None:
    item = {
        "connectionId": {"S": "Zm9yZ290dGVu"},
        "userId": {"S": "ghost"},
        "connectedAt": {"S": "2026-01-01T00:00:00Z"},
    }
    stack.aws.client("dynamodb").put_item(TableName="ws-websocket-connections", Item=item)

    report = stack.json("ws", "broadcast", "--user", "ghost", "--text", "anybody?")

    assert (report["connections"], report["gone"], report["pruned"]) == (1, 1, 1)
    assert stack.json("ws", "connections", "list", "--user", "ghost") == []


def test_piped_lines_are_sent_and_their_answers_printed(stack: Stack) -> None:
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with stack.start("ws", "connect", "--user", "alice", "--wait", "600", **pipes) as process:
        try:
            assert process.stdin is not None and process.stdout is not None and process.stderr is not None
            process.stdin.write('{"type":"ping","id":7}\nnot json')
            process.stdin.close()
            printed = ""
            while not all(part in printed for part in ('"type":"pong"', '"id":7', "bad_json")):
                line = process.stdout.readline()
                assert line, printed
                printed += line
            assert process.stderr.readline() == "Connected.\n"
        finally:
            process.kill()


@pytest.mark.parametrize(("lines", "code"), [(["{long}"], 1), (['{"type":"ping"}', "{long}"], 4)])
def test_piped_lines_that_cannot_be_sent_fail_wholly_or_in_part(
    stack: Stack, lines: list[str], code: int
) -> None:
    text = "\n".join(lines).replace("{long}", "x" * 200_000)

    done = stack.run("ws", "connect", "--user", "alice", "--wait", "0.5", text=text, code=code)

    assert f"1 of {len(lines)} messages were not sent." in done.stderr


@pytest.mark.parametrize("via", ["header", "query", "subprotocol"])
def test_a_minted_token_opens_the_socket_whichever_way_it_travels(stack: Stack, via: str) -> None:
    token = stack.run("token", "mint", "--user", "dora").stdout.strip()

    stack.run("ws", "connect", "--token", token, "--token-via", via, "--wait", "0")


def test_an_expired_token_is_refused_with_its_age_and_never_shown(stack: Stack) -> None:
    token = stack.run("token", "mint", "--user", "dora", "--ttl-minutes", "0.001").stdout.strip()
    time.sleep(1.1)

    done = stack.run("ws", "connect", "--token", token, "--wait", "0", code=1)

    assert "HTTP 401" in done.stderr
    assert "the token expired" in done.stderr
    assert "whatschat-ops token mint" in done.stderr
    assert token not in done.stdout + done.stderr


def test_another_stage_is_refused_with_a_hint(stack: Stack) -> None:
    url = stack.run("ws", "endpoint").stdout.strip().replace("/production", "/beta")

    done = stack.run("ws", "connect", "--user", "dora", "--endpoint", url, code=1)

    assert "HTTP 403" in done.stderr
    assert "ws endpoint --explain" in done.stderr


def test_a_token_is_inspected_against_the_secret_of_the_stack(stack: Stack) -> None:
    token = stack.run("token", "mint", "--user", "dora", "--claim", 'roles=["a","b"]').stdout

    good = json.loads(stack.run("token", "inspect", "--verify", "--json", text=token).stdout)
    assert good["signature_valid"] is True
    assert good["claims"]["roles"] == ["a", "b"]

    head, payload, _ = token.strip().split(".")
    forged = json.loads(
        stack.run("token", "inspect", "--verify", "--json", f"{head}.{payload}.AAAA", code=3).stdout
    )
    assert forged["signature_valid"] is False


def test_without_a_stack_the_error_says_how_to_get_one(embedded_aws: EmbeddedAws) -> None:
    nowhere = Stack(embedded_aws, "nowhere-")

    for arguments in (
        ("token", "mint", "--user", "a"),
        ("ws", "endpoint"),
        ("ws", "connect", "--user", "a"),
        ("ws", "broadcast", "{}"),
        ("ws", "connections", "list"),
    ):
        assert nowhere.json(*arguments, code=1)["error"]["hint"] == "whatschat-ops provision", arguments


def test_message_that_arrives_while_typing_leaves_the_typed_text_in_place(stack: Stack) -> None:
    with Terminal([*PROGRAM, "ws", "connect", "--user", "erna"], stack.environment) as terminal:
        terminal.wait_for(lambda shown: shown == ["Connected.", ">"])
        terminal.type('{"type":"pi')
        terminal.wait_for(lambda shown: shown[-1] == '> {"type":"pi')

        stack.run("ws", "broadcast", "--user", "erna", "--text", "surprise")

        terminal.wait_for(
            lambda shown: len(shown) > 1 and "surprise" in shown[-2] and shown[-1] == '> {"type":"pi'
        )
        terminal.type('ng"}\r')
        terminal.wait_for(lambda shown: len(shown) > 1 and '"type":"pong"' in shown[-2] and shown[-1] == ">")
        terminal.type("\x04")
        terminal.wait_for(lambda shown: shown[-1].startswith("Disconnected: 1000"))
        terminal.leave(0)


def test_interrupt_closes_the_socket_and_restores_the_terminal(stack: Stack) -> None:
    with Terminal([*PROGRAM, "ws", "connect", "--user", "frida"], stack.environment) as terminal:
        terminal.wait_for(lambda shown: shown == ["Connected.", ">"])
        eventually(lambda: stack.json("ws", "connections", "list", "--user", "frida"))

        terminal.type("half\x03")

        terminal.leave(130)
        eventually(lambda: stack.json("ws", "connections", "list", "--user", "frida") == [])


def test_messages_over_the_stack_are_compared_with_another_path(stack: Stack) -> None:
    paths = ("--a", "simulated", "--b", "apigateway", "--users", "2", "--rate", "24", "--duration", "1")
    found = stack.json("ws", "compare", *paths, "--drain", "30")
    assert (found["a"]["mode"], found["b"]["mode"], found["b"]["errors"]) == ("simulated", "apigateway", {})
    for kind in found["kinds"]:
        for side in (kind["a"], kind["b"]):
            assert side is None or (side["sent"], side["arrived"], side["lost"]) == (2, 2, 0), kind
    only_application = {kind["kind"] for kind in found["kinds"] if kind["b"] is None}
    assert only_application == {
        "message:read", "message:typing", "message:reaction", "user:status", "status:create"
    }  # fmt: skip


def test_a_simulated_message_needs_no_stack_and_says_so(stack: Stack) -> None:
    nowhere = Stack(stack.aws, "nowhere-")
    receipt = nowhere.json("ws", "send", "--mode", "simulated", "--user", "alice", "--to", "bob", "Hello")
    assert (receipt["mode"], receipt["delivered"]) == ("simulated", 1)
    refused = nowhere.json("ws", "send", "--mode", "simulated", "--connection", "x", "Hello", code=2)
    assert "no connection ids" in refused["error"]["message"]
