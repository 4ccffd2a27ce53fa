"""Hints: what is advised about an error, that it can be typed, and that no prose names a command."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from whatschat_ops.cli.advice import ADVICE, OTHERWISE, advise, hint_of
from whatschat_ops.cli.commands import COMMANDS
from whatschat_ops.cli.main import main
from whatschat_ops.cli.program import build_program
from whatschat_ops.errors import (
    AwsError,
    Conflict,
    Gone,
    Hint,
    Interrupted,
    Missing,
    NotFound,
    NotProvisioned,
    OpsError,
    PartlyDone,
    PermissionDenied,
    Rejected,
    UsageError,
)

PACKAGE = Path(__file__).parents[3] / "whatschat_ops"
SOURCES = {
    file.relative_to(PACKAGE): ast.parse(file.read_text(encoding="utf-8")) for file in PACKAGE.rglob("*.py")
}
NAME_NO_COMMAND = {"aws", "chime", "connections", "handlers", "packaging", "provision", "sender", "worker"}
"""Libraries that others may use without this command line: they raise, and `cli` advises."""
PAGES = {Path("config/reference.py"), Path("cli/main.py")}
"""Where a page for people, not an error or a note, names commands: the reference, the help of the program."""
COMMAND_IN_PROSE = re.compile(rf"\bwhatschat-ops ({'|'.join(COMMANDS)})\b(?! \d|\))")


@pytest.mark.parametrize(
    ("error", "command", "hint"),
    [
        (NotProvisioned("x"), "ws endpoint", "whatschat-ops provision"),
        (NotProvisioned("x"), "lambda list", "whatschat-ops provision"),
        (NotFound("x"), "lambda promote", "whatschat-ops lambda list"),
        (NotFound("x"), "lambdas", None),
        (Missing("x"), "lambda promote", "whatschat-ops lambda list"),
        (Missing("x"), "chime meeting get", "whatschat-ops chime meeting list --all"),
        (Missing("x"), "ws connections get", "whatschat-ops ws connections list"),
        (NotFound("x"), "chime meeting get", "whatschat-ops chime meeting list --all"),
        (NotFound("x"), "ws connections get", "whatschat-ops ws connections list"),
        (NotFound("x"), "status", None),
        (NotFound("x", hint="its own"), "chime meeting get", "its own"),
        (Gone("x"), "ws send", "whatschat-ops ws connections list"),
        (Rejected("x"), "ws send", "whatschat-ops ws connections list"),
        (Conflict("x"), "lambda deploy", "whatschat-ops lambda list"),
        (UsageError("x"), "chime attendee get", "whatschat-ops chime attendee list MEETING"),
        (
            PermissionDenied("x", operation="GetItem"),
            "ws send",
            "The identity needs an IAM policy that allows GetItem. See: whatschat-ops iam policies operator",
        ),
        (PartlyDone("x"), "provision", "Run the same command again: it continues from here."),
        (Interrupted("x"), "destroy", "Run the same command again: it continues from here."),
        (PartlyDone("x"), "ws send", None),
        (OpsError("x"), "", None),
    ],
)
def test_an_error_gets_the_advice_of_its_kind_and_command(
    error: OpsError, command: str, hint: str | None
) -> None:
    found = advise(error, command)
    assert (None if found is None else str(found)) == hint


def test_what_was_partly_done_gets_the_advice_of_its_cause() -> None:
    error = PartlyDone("3 of 4 steps are done.")
    error.__cause__ = PermissionDenied("x", operation="CreateRole")
    assert "CreateRole" in str(advise(error, "provision"))


def test_advice_for_a_special_kind_comes_before_that_for_a_general_one() -> None:
    for number, (kind, prefix, _) in enumerate(ADVICE):
        hidden_by = [
            earlier
            for earlier in ADVICE[:number]
            if issubclass(kind, earlier[0]) and prefix.startswith(earlier[1])
        ]
        assert hidden_by == []


@pytest.mark.parametrize(
    ("name", "hint"), [("p.json", "plan --out p.json"), ("big.yaml", "provision --config big.yaml")]
)
def test_a_file_that_is_not_a_plan_says_how_to_make_or_to_use_it(
    name: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_text("{}", encoding="utf-8")
    assert main(["provision", name]) == 2
    assert capsys.readouterr().err.endswith(f"  Try: whatschat-ops {hint}\n")


def _literal_hints() -> Iterator[tuple[str, list[str]]]:
    """Every `Hint((...))` in the source: where it is, and its words; one that is not a literal is "X"."""
    for file, tree in SOURCES.items():
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Hint" and node.args):
                continue
            if isinstance(node.args[0], ast.Tuple):
                words = [word.value if isinstance(word, ast.Constant) else "X" for word in node.args[0].elts]
                yield f"{file}:{node.lineno}", [str(word) for word in words]


def problem_of(words: list[str]) -> str | None:
    """Why a command line does not exist, or None."""
    command: Any = build_program()
    while words and hasattr(command, "commands"):
        if words[0].startswith("-") or words[0] == "X":
            return None  # `-e NAME ...`, `--help`, one of several commands
        if words[0] not in command.commands:
            return f"no command {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    known = {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    }
    unknown = [word for word in words if word.startswith("--") and word not in {*known, "--help"}]
    return f"no option {unknown[0]}" if unknown else None


def test_every_hint_is_a_command_that_exists() -> None:
    hints = [
        (place, words)
        for place, words in _literal_hints()
        if words[0] != "X"  # built elsewhere, from words that are checked there
    ]
    assert len(hints) > 60
    assert [(place, words, problem) for place, words in hints if (problem := problem_of(words))] == []


def _prose(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and text of a module's strings, without docstrings and texts of help."""
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            skipped.add(node.value)
        if isinstance(node, ast.Call):
            skipped |= {word.value for word in node.keywords if word.arg in ("help", "description")}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in skipped:
            yield node.lineno, node.value


def test_no_prose_names_a_command() -> None:
    """It would not lead to the environment of the run, and a script would have to take it out of a sentence."""
    found = [
        f"{file}:{line}: {text}"
        for file, tree in SOURCES.items()
        if file not in PAGES
        for line, text in _prose(tree)
        if COMMAND_IN_PROSE.search(text)
    ]
    assert found == []


def test_libraries_leave_the_advice_to_the_command_line() -> None:
    found = [place for place, _ in _literal_hints() if place.partition("/")[0] in NAME_NO_COMMAND]
    assert found == []


def test_a_hint_in_words() -> None:
    assert str(Hint(("ws", "send", "--to", "a b"))) == "whatschat-ops ws send --to 'a b'"
    assert str(Hint(("status",), "See")) == "See: whatschat-ops status"
    assert str(Hint(text="Wait.")) == "Wait."


def kinds_of_errors(kind: type[OpsError] = OpsError) -> Iterator[type[OpsError]]:
    """Those that are made with a message. The others (which modules of tests may import) word their own hint."""
    if kind.__init__ in (OpsError.__init__, AwsError.__init__):
        yield kind
    for inner in kind.__subclasses__():
        yield from kinds_of_errors(inner)


@pytest.mark.parametrize(
    "command", ["", "provision", "ws broadcast", "chime meeting create", "doctor", "config show"]
)
def test_every_refusal_says_what_to_do_next(command: str) -> None:
    for kind in kinds_of_errors():
        hint = hint_of(kind("x"), command)
        assert (hint is None) == (kind is Interrupted and command not in ("provision",)), kind
        assert hint is None or str(hint)


def test_last_resort_fits_every_kind_and_the_special_kind_is_above() -> None:
    kinds = [kind for kind, _ in OTHERWISE]

    assert kinds[-1] is OpsError
    assert not [
        (above, below)
        for at, above in enumerate(kinds)
        for below in kinds[at + 1 :]
        if issubclass(below, above)
    ]


def test_refusal_without_a_hint_of_its_own_is_shown_with_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "secret", "rotate", "--grace", "soon"]) == 2

    assert "  Try: " in capsys.readouterr().err


def test_an_error_that_was_raised_from_itself_has_no_advice_of_another() -> None:
    error = OpsError("HeadBucket: Bad Request (400)")
    error.__cause__ = error
    assert advise(error, "export cloudformation") is None
