"""Results on stdout, the rest on stderr, one JSON document, secrets hidden."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from typing import Any

import pytest

from whatschat_ops.cli.commands import COMMANDS, PLACED_COMMANDS
from whatschat_ops.cli.terminal.output import Output
from whatschat_ops.cli.terminal.tables import Column, Table
from whatschat_ops.errors import ConfigError, Hint, NotFound, OpsError, UsageError
from whatschat_ops.redaction import REDACTED, Secret

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VySWQiOiJ1In0.c2lnbmF0dXJl"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Colour(StrEnum):
    RED = "red"


class Level(Enum):
    HIGH = 3


class Code(IntEnum):
    FOUR = 4


@dataclass(frozen=True)
class Inner:
    token: Secret


@dataclass(frozen=True)
class Result:
    name: str
    inner: Inner


RESULT = Result("a", Inner(Secret("hush")))


def outputs(**options: Any) -> tuple[Output, io.StringIO, io.StringIO]:
    """An `Output` into two strings."""
    stdout, stderr = io.StringIO(), io.StringIO()
    return Output(stdout=stdout, stderr=stderr, **options), stdout, stderr


def test_result_is_rendered_on_stdout() -> None:
    out, stdout, stderr = outputs()
    out.result(RESULT, lambda result: f"name {result.name}")
    assert (stdout.getvalue(), stderr.getvalue()) == ("name a\n", "")


def test_result_is_json_of_the_same_object_with_json() -> None:
    out, stdout, _ = outputs(as_json=True)
    out.result(RESULT, lambda result: pytest.fail("not rendered"))
    assert json.loads(stdout.getvalue()) == {"name": "a", "inner": {"token": REDACTED}}


def test_secrets_are_shown_only_when_asked_for() -> None:
    out, stdout, _ = outputs(as_json=True, show_secrets=True)
    out.result(RESULT, str)
    assert json.loads(stdout.getvalue())["inner"] == {"token": "hush"}
    assert out.encode(Secret("hush")) == "hush"
    assert outputs()[0].encode(Secret("hush")) == REDACTED


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (Decimal("1E+7"), "10000000"),
        (Decimal("0.0000001"), "0.0000001"),
        (Decimal("2.50"), "2.50"),
        (datetime(2026, 11, 23, 7, 0, 1, 5000, tzinfo=UTC), "2026-11-23T07:00:01.005000Z"),
        (datetime(2026, 11, 23, 7, tzinfo=timezone(timedelta(hours=2))), "2026-11-23T05:00:00Z"),
        (date(2026, 11, 23), "2026-11-23"),
        (Path("a/b"), "a/b"),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Code.FOUR, 4),
        ((1, "a", None, True), [1, "a", None, True]),
        (frozenset({1}), [1]),
        ({Colour.RED: Decimal(1), 2: Secret("x")}, {"red": "1", "2": REDACTED}),
    ],
)
def test_values_are_encoded_for_json(value: object, encoded: object) -> None:
    found = outputs()[0].encode(value)
    assert found == encoded
    assert json.loads(json.dumps(found)) == encoded


def test_json_keeps_letters_of_every_alphabet() -> None:
    out, stdout, _ = outputs(as_json=True)
    out.result({"name": "Žofie × 東京"}, str)
    assert "Žofie × 東京" in stdout.getvalue()


def test_brackets_are_text_not_markup() -> None:
    out, stdout, stderr = outputs()
    out.result("x", lambda _: "[red]a[/red] [b]")
    out.result("x", lambda _: Table((Column("[bold]h"),), [("[link]c",)]))
    out.note("[dim]n")
    assert stdout.getvalue().splitlines()[0] == "[red]a[/red] [b]"
    assert "[bold]h" in stdout.getvalue()
    assert "[link]c" in stdout.getvalue()
    assert stderr.getvalue() == "[dim]n\n"


def test_long_sentences_and_texts_are_never_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    out, stdout, stderr = outputs()
    long = "wss://abc123.execute-api.us-east-1.amazonaws.com/production and more words"
    out.result(long, str)
    out.text(long)
    out.note(long)
    assert stdout.getvalue() == f"{long}\n{long}\n"
    assert stderr.getvalue() == f"{long}\n"


def test_a_table_in_a_pipe_is_not_cut_at_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS")
    out, stdout, _ = outputs()
    out.result("", lambda _: Table((Column("h"),), [("x" * 150,)]))
    assert "x" * 150 in stdout.getvalue()


def test_quiet_keeps_results_and_warnings() -> None:
    out, stdout, stderr = outputs(quiet=True)
    out.note("a note")
    out.warn("a warning")
    out.text("a result")
    assert (stdout.getvalue(), stderr.getvalue()) == ("a result\n", "Warning: a warning\n")


def test_details_need_verbose() -> None:
    out, _, stderr = outputs()
    out.detail("a detail")
    assert stderr.getvalue() == ""
    out, _, stderr = outputs(verbose=True)
    out.detail("a detail")
    assert stderr.getvalue() == "a detail\n"


def test_secrets_in_texts_of_others_are_redacted_wherever_they_go() -> None:
    out, stdout, stderr = outputs(verbose=True)
    text = f"failed: wss://h/s?token={TOKEN}"
    out.note(text)
    out.detail(text)
    out.warn(text)
    out.fail(OpsError(text, hint=f"use {TOKEN}"))
    assert TOKEN not in stderr.getvalue()
    assert stderr.getvalue().count(REDACTED) == 5
    out, stdout, _ = outputs(as_json=True)
    out.fail(OpsError(text, hint=f"use {TOKEN}"))
    assert TOKEN not in stdout.getvalue()


def test_an_error_is_two_lines_on_stderr() -> None:
    out, stdout, stderr = outputs()
    out.fail(NotFound("There is no table.", hint="whatschat-ops provision"))
    assert stdout.getvalue() == ""
    assert stderr.getvalue() == "Error: There is no table.\n  Try: whatschat-ops provision\n"


def test_an_error_is_the_result_with_json() -> None:
    out, stdout, stderr = outputs(as_json=True)
    out.fail(NotFound("There is no table."))
    assert json.loads(stdout.getvalue()) == {
        "error": {"code": "not_found", "message": "There is no table.", "hint": None, "argv": None}
    }
    assert stderr.getvalue() == ""


def test_an_error_after_a_result_leaves_one_document_on_stdout() -> None:
    out, stdout, stderr = outputs(as_json=True)
    out.result({"done": 1}, str)
    out.fail(OpsError("and one failed"))
    assert json.loads(stdout.getvalue()) == {"done": 1}
    assert stderr.getvalue() == "Error: and one failed\n"


def test_text_ends_with_one_newline() -> None:
    out, stdout, _ = outputs()
    out.text("a")
    out.text("b\n")
    assert stdout.getvalue() == "a\nb\n"


def test_a_question_without_a_terminal_is_a_usage_error_unless_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    out, _, stderr = outputs()
    assert out.confirm("Delete it?", yes=True)
    with pytest.raises(UsageError, match=r"Delete it\? This is not a terminal, so it cannot ask\."):
        out.confirm("Delete it?", yes=False)
    assert stderr.getvalue() == ""


@pytest.mark.parametrize(
    ("answer", "agreed"), [("y\n", True), ("YES\n", True), ("\n", False), ("no\n", False), ("", False)]
)
def test_the_question_is_asked_on_stderr(monkeypatch: pytest.MonkeyPatch, answer: str, agreed: bool) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    stdout, stderr = io.StringIO(), Terminal()
    assert Output(stdout=stdout, stderr=stderr).confirm("Delete it?", yes=False) is agreed
    assert stderr.getvalue() == "Delete it? [y/N] "
    assert stdout.getvalue() == ""


@pytest.mark.parametrize(
    ("answer", "agreed"),
    [("shop-live\n", True), ("SHOP-LIVE\n", False), ("y\n", False), ("shop\n", False), ("", False)],
)
def test_what_cannot_be_undone_is_confirmed_by_typing_a_name(
    monkeypatch: pytest.MonkeyPatch, answer: str, agreed: bool
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    out = Output(stdout=io.StringIO(), stderr=Terminal())
    assert out.confirm("Delete it?", yes=False, by_typing="shop-live") is agreed
    assert out.confirm("Delete it?", yes=True, by_typing="shop-live")


def test_status_prints_nothing_in_a_pipe() -> None:
    out, stdout, stderr = outputs()
    with out.status("working"):
        pass
    assert not out.interactive
    assert (stdout.getvalue(), stderr.getvalue()) == ("", "")


def test_no_colour_in_a_pipe_and_none_with_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    out, _, stderr = outputs()
    out.warn("w")
    assert "\x1b" not in stderr.getvalue()
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    Output(stderr=terminal).warn("w")
    assert "\x1b[33m" not in terminal.getvalue()
    monkeypatch.delenv("NO_COLOR")
    terminal = Terminal()
    Output(stderr=terminal).warn("w")
    assert "\x1b[33m" in terminal.getvalue()


def test_infinity_is_a_string_in_json() -> None:
    assert Output().encode({"exp": float("inf"), "x": float("nan"), "y": 1.5}) == {
        "exp": "inf",
        "x": "nan",
        "y": 1.5,
    }


def test_every_command_but_local_means_an_environment() -> None:
    assert set(PLACED_COMMANDS) == set(COMMANDS) - {"explain", "local", "schema"}


PLACE = ("-e", "dev", "--config", "a b.yaml")


@pytest.mark.parametrize(
    ("hint", "placed"),
    [
        (Hint(("provision",)), "whatschat-ops -e dev --config 'a b.yaml' provision"),
        (Hint(("iam", "check"), "Check it with"), "Check it with: whatschat-ops -e dev --config 'a b.yaml' iam check"),
        (Hint(("-e", "staging", "ws", "endpoint")), "whatschat-ops -e staging ws endpoint"),
        (Hint(("local", "logs")), "whatschat-ops local logs"),
        (Hint(text="Ask the whatschat-ops authors"), "Ask the whatschat-ops authors"),
        (Hint(("ws", "send", "--to", "whatschat-ops plan")), "whatschat-ops -e dev --config 'a b.yaml' ws send --to 'whatschat-ops plan'"),
    ],
)  # fmt: skip
def test_a_suggested_command_leads_to_the_environment_of_this_run(hint: Hint, placed: str) -> None:
    stderr = io.StringIO()
    out = Output(place=PLACE, stdout=io.StringIO(), stderr=stderr)
    out.note(hint)
    out.warn(hint)
    out.fail(OpsError("It failed.", hint=hint))
    assert stderr.getvalue() == f"{placed}\nWarning: {placed}\nError: It failed.\n  Try: {placed}\n"
    assert out.encode({"fix": hint}) == {"fix": placed}


def test_a_user_whose_id_reads_like_a_command_keeps_it() -> None:
    stdout, stderr = io.StringIO(), io.StringIO()
    out = Output(place=PLACE, stdout=stdout, stderr=stderr)
    out.note("No such user: whatschat-ops plan")
    out.result("whatschat-ops plan", str)
    out.fail(OpsError("The user 'whatschat-ops plan' is not connected."))
    assert "dev" not in stdout.getvalue() + stderr.getvalue()


def test_an_error_with_json_has_the_command_of_its_hint_ready_to_run() -> None:
    stdout = io.StringIO()
    out = Output(as_json=True, place=PLACE, stdout=stdout, stderr=io.StringIO())
    out.fail(OpsError("x", hint=Hint(("ws", "send", "--to", "bob", f"my {TOKEN}"), "Then")))
    error = json.loads(stdout.getvalue())["error"]
    assert error["argv"] == ["whatschat-ops", *PLACE, "ws", "send", "--to", "bob", f"my {REDACTED}"]
    assert error["hint"].startswith("Then: whatschat-ops -e dev")
    assert TOKEN not in stdout.getvalue()


def test_options_that_may_be_wrong_themselves_are_not_suggested_again() -> None:
    stderr = io.StringIO()
    Output(place=PLACE, stderr=stderr).fail(ConfigError("x", hint=Hint(("config", "reference"))))
    assert stderr.getvalue().endswith("Try: whatschat-ops config reference\n")


def test_hint_in_a_result_hides_the_secrets_of_the_command_line() -> None:
    out, stdout, _ = outputs(as_json=True, place=("-e", TOKEN))

    out.result({"fix": Hint(("status",))}, str)

    assert TOKEN not in stdout.getvalue()
    assert json.loads(stdout.getvalue())["fix"].endswith("status")
