"""`ws` and `token`: what needs no AWS."""

from __future__ import annotations

import io
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from whatschat_ops.choices import SocketMode
from whatschat_ops.cli.main import main
from whatschat_ops.cli.terminal.output import Output
from whatschat_ops.cli.terminal.terminal_lines import TerminalLines
from whatschat_ops.cli.ws.conversation import Screen, printable
from whatschat_ops.cli.ws.group import render_receipt
from whatschat_ops.cli.ws.options import read_message
from whatschat_ops.cli.ws.talking import ChatScreen, Receipts
from whatschat_ops.errors import Hint, UsageError
from whatschat_ops.sockets.events import (
    Closed,
    Event,
    HelpRequested,
    NotSent,
    Opened,
    Received,
    Reconnecting,
    Sent,
)
from whatschat_ops.sockets.sending import Receipt

NOW = datetime(2026, 11, 23, tzinfo=UTC)
EXAMPLE = Hint(("ws", "send"))


class Pipe(io.TextIOWrapper):
    """Standard input as a pipe that holds `data`."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="utf-8")


def shown(
    *events: Event, as_json: bool = False, verbose: bool = False, quiet: bool = False
) -> tuple[str, str]:
    stdout, stderr = io.StringIO(), io.StringIO()
    out = Output(as_json=as_json, verbose=verbose, quiet=quiet, stdout=stdout, stderr=stderr)
    screen = Screen(out, TerminalLines(editing=False))
    for event in events:
        screen.show(event)
    return stdout.getvalue(), stderr.getvalue()


def test_an_endpoint_that_is_given_is_normalised_without_aws(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ws", "endpoint", "https://chat.example.com/live/"]) == 0

    assert capsys.readouterr().out == "wss://chat.example.com/live\n"


def test_an_endpoint_as_json_has_both_urls(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ws", "endpoint", "wss://abc.execute-api.eu-west-1.amazonaws.com", "--json"]) == 0

    assert json.loads(capsys.readouterr().out) == {
        "websocket_url": "wss://abc.execute-api.eu-west-1.amazonaws.com/production",
        "callback_url": "https://abc.execute-api.eu-west-1.amazonaws.com/production",
        "kind": "execute-api",
        "api_id": "abc",
        "stage": "production",
    }


@pytest.mark.parametrize(
    "arguments",
    [
        ["ws", "endpoint", "nonsense"],
        ["ws", "connect"],
        ["ws", "connect", "--user", "a", "--token", "b"],
        ["ws", "connect", "--token", "b", "--endpoint", "nonsense"],
        ["ws", "send", "--user", "a", "--to", "b"],
        ["ws", "send", "--user", "a", "hello"],
        ["ws", "send", "--to", "b", "hello"],
        ["ws", "send", "--connection", "c", "--to", "b", "hello"],
        ["ws", "broadcast"],
        ["ws", "broadcast", "x", "--file", "y"],
        ["ws", "broadcast", "x" * (128 * 1024 + 1)],
        ["token", "mint", "--user", "a", "--claim", "nonsense"],
        ["token", "inspect", "nonsense"],
        ["ws", "connections", "get", ""],
        ["ws", "connections", "list", "--user", "bob", "--user", ""],
        ["ws", "chat", "--as", "alice", "--to", ""],
        ["ws", "broadcasts", "show", ""],
        ["logs", "trace", ""],
        ["chime", "meeting", "get", ""],
        ["chime", "meeting", "delete", "", "--yes"],
        ["audit", "list", "--connection", ""],
    ],
)
def test_a_wrong_call_is_a_usage_error_and_reaches_no_aws(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--json"]) == 2

    assert json.loads(capsys.readouterr().out)["error"]["code"] == "usage"


def test_a_message_is_an_argument_a_file_or_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "message").write_bytes("héllo\r\n".encode())
    monkeypatch.setattr(sys, "stdin", Pipe(b"piped\n\n"))

    assert read_message("hello", None, EXAMPLE) == "hello"
    assert read_message(None, tmp_path / "message", EXAMPLE) == "héllo"
    assert read_message("-", None, EXAMPLE) == "piped\n"


def test_a_message_that_cannot_be_read_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")

    with pytest.raises(UsageError, match="not UTF-8"):
        read_message(None, tmp_path / "binary", EXAMPLE)
    with pytest.raises(UsageError, match="cannot be read"):
        read_message(None, tmp_path / "missing", EXAMPLE)


def test_no_more_is_read_than_a_message_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="131,072 bytes"):
        read_message(None, Path("/dev/zero") if os.name == "posix" else Path(sys.executable), EXAMPLE)
    held = io.BytesIO(b"x" * 1_000_000)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(held, encoding="utf-8"))
    with pytest.raises(UsageError, match="131,072 bytes"):
        read_message("-", None, EXAMPLE)
    assert held.tell() < 200_000


def test_a_message_cannot_steer_the_terminal() -> None:
    stdout, _ = shown(Received(NOW, "evil \x1b[2J\x07\x9b \u202etxt"))

    assert "\x1b" not in stdout
    assert "evil \\x1b[2J\\x07\\x9b \\u202etxt" in stdout
    for harmless in ("a\nb\tc", "ü ☃", "全角\u3000", "👩\u200d👧"):
        assert printable(harmless) == harmless


def test_a_line_in_a_message_is_no_message_of_another_user() -> None:
    stdout, _ = shown(Received(NOW, "hi\n11:46:25 < I agree"))
    said = io.StringIO()
    chat = ChatScreen(Output(stdout=said), TerminalLines(editing=False), Receipts(waits=False))
    chat.show(Received(NOW, json.dumps({"from": "bob", "content": "hi\n11:46:25 carol: I agree"})))

    assert stdout.splitlines()[1] == "         11:46:25 < I agree"
    assert said.getvalue().splitlines()[1] == "         11:46:25 carol: I agree"


def test_help_says_what_becomes_of_a_line() -> None:
    said = io.StringIO()
    chat = ChatScreen(Output(stderr=said), TerminalLines(editing=False), Receipts(waits=False))
    chat.show(HelpRequested(NOW))

    assert said.getvalue().startswith("Every line is sent as a message to those you talk with.\n")
    assert shown(HelpRequested(NOW))[1].startswith("Every line is sent as it is;")


def test_a_long_message_is_not_cut() -> None:
    stdout, _ = shown(Received(NOW, "word " * 500))

    assert stdout.count("\n") == 1
    assert stdout.count("word") == 500


def test_received_messages_are_json_lines_with_json() -> None:
    stdout, stderr = shown(
        Opened(NOW),
        Sent(NOW, "out"),
        *(Received(NOW, body) for body in ('{"a":{"b":1}}', "[1]", "two", "2", '{"a":NaN}', '{"a":"\x1b"}')),
        as_json=True,
    )

    assert [json.loads(line) for line in stdout.splitlines()] == [
        {"direction": "in", "time": "2026-11-23T00:00:00Z", "body": body}
        for body in ({"a": {"b": 1}}, [1], "two", "2", '{"a":NaN}', '{"a":"\x1b"}')
    ]
    assert stderr == "Connected.\n"


def test_what_is_not_a_message_goes_to_stderr() -> None:
    stdout, stderr = shown(
        Opened(NOW),
        Received(NOW, '{"type":"pong"}', keep_alive=True),
        NotSent(NOW, "Too big."),
        Closed(NOW, 1001, "", "1001 (going away)"),
        Reconnecting(NOW, 1, 0.5, ""),
        Reconnecting(NOW, 2, 1.0, "Nothing listens."),
        Opened(NOW, replacement=True),
    )

    assert stdout == ""
    assert stderr.splitlines() == [
        "Connected.",
        "Warning: Not sent. Too big.",
        "Disconnected: 1001 (going away).",
        "Reconnecting in 0.5 s (attempt 1).",
        "Reconnecting in 1.0 s (attempt 2). Nothing listens.",
        "Reconnected before the two-hour limit.",
    ]


def test_quiet_leaves_the_messages() -> None:
    assert shown(Opened(NOW), Received(NOW, "x"), quiet=True)[1] == ""


def test_token_problems_are_shown_without_the_token(capsys: pytest.CaptureFixture[str]) -> None:
    token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0."

    assert main(["token", "inspect", token]) == 0

    shown = capsys.readouterr().out
    assert "alg is none" in shown
    assert "never expires" in shown
    assert token not in shown


@pytest.mark.parametrize(("users", "words"), [(1, "1 user;"), (2, "2 users;")])
def test_simulated_receipt_counts_its_users(users: int, words: str) -> None:
    receipt = Receipt("m", users, users, 0, 0, users, SocketMode.SIMULATED)
    assert words in render_receipt(receipt)
