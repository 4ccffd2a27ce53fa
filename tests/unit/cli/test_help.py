"""The pages of help: what each says, how it is laid out, and that its examples work."""

from __future__ import annotations

import importlib
import inspect
import re
import shlex
from collections.abc import Callable
from typing import Any

import pytest

from whatschat_ops.cli import program
from whatschat_ops.cli.command import with_common_options
from whatschat_ops.cli.commands import COMMANDS, Command, every_command
from whatschat_ops.cli.help_pages import Page, Section, read_docstring, render
from whatschat_ops.cli.main import main
from whatschat_ops.cli.program import every_page

PAGES = dict(every_page())
COMMAND_ENTRIES = {path: entry for path, entry in every_command() if isinstance(entry, Command)}
BY_PATH = pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
Capture = pytest.CaptureFixture[str]


def words(text: str) -> str:
    """The text on one line."""
    return " ".join(text.split())


def own_commands(example: str) -> list[list[str]]:
    """The command lines of ours in an example: between pipes, and those whose output is an argument."""
    inner = re.findall(r"\$\(([^()]*)\)", example)
    outer = re.sub(r"\$\([^()]*\)", "x", example)
    lines = [*inner, *re.split(r"\||&&", outer)]
    return [shlex.split(line)[1:] for line in lines if line.strip().startswith("whatschat-ops")]


def function_of(entry: Command) -> Callable[..., None]:
    """What runs the command."""
    module, _, name = entry.function.partition(":")
    function: Callable[..., None] = getattr(importlib.import_module(f"whatschat_ops.cli.{module}"), name)
    return function


def test_there_is_a_page_for_every_command_and_group() -> None:
    assert set(PAGES) == {"whatschat-ops", *(f"whatschat-ops {path}" for path, _ in every_command())}
    assert len(PAGES) > 60


@pytest.mark.parametrize("entry", COMMAND_ENTRIES.values(), ids=COMMAND_ENTRIES)
def test_the_line_in_the_table_is_the_first_one_of_the_docstring(entry: Command) -> None:
    assert read_docstring(inspect.getdoc(function_of(entry)) or "").summary == f"{entry.summary}."


@BY_PATH
def test_the_first_line_says_in_at_most_eight_words_what_the_command_does(page: Page) -> None:
    first = render(page, 120).splitlines()[0]
    assert 2 <= len(first.split()) <= 8
    assert first.endswith(".")
    assert first[0].isupper()


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_an_example_whose_command_lines_are_right(
    path: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    parsed: list[str] = []

    def parsing_only(function: Callable[..., None]) -> Callable[..., None]:
        wrapped: Any = with_common_options(function)

        def note(**values: Any) -> None:
            parsed.append(values["ctx"].command_path)

        note.__signature__, note.__annotations__ = wrapped.__signature__, wrapped.__annotations__  # type: ignore[attr-defined]
        return note

    monkeypatch.setattr(program, "with_common_options", parsing_only)
    lines = [line for example in PAGES[path].examples for line in own_commands(example)]
    for line in lines:
        assert main(line) == 0, capsys.readouterr().err
    assert parsed
    assert any(command.startswith(path) for command in parsed)


@pytest.mark.parametrize("width", [40, 80, 120])
@BY_PATH
def test_a_page_fits_the_terminal(page: Page, width: int) -> None:
    names = {
        f"  {name}" for section in page.sections for name, _ in section.rows
    }  # what is typed is never broken
    wide = [line for line in render(page, width).splitlines() if len(line) > width and line not in names]
    assert [line for line in wide if len(shlex.split(line.removesuffix("\\"))) > 1] == []


@BY_PATH
def test_a_page_is_plain_text_with_values_that_people_know(page: Page) -> None:
    text = render(page, 120)
    assert "\x1b" not in text
    assert not re.search(r"<(list|str|int|float|path|bool)\b|\[/?(bold|dim|italic|red|green)\b", text)
    assert not re.search(r"\bNone\b|\bmay be repeated\b", text)


def test_defaults_in_texts_and_of_parameters_are_shown() -> None:
    shown = {path: words(render(page, 80)) for path, page in PAGES.items()}
    assert (
        "--lambda-ms N Duration of an invocation in ms [default: 50]" in shown["whatschat-ops cost estimate"]
    )
    assert "[default: from messages and connections]" in shown["whatschat-ops cost estimate"]
    assert "FUNCTION connect, disconnect or default [default: all]" in shown["whatschat-ops lambda deploy"]
    assert "Directory for the zip files [default: dist]" in shown["whatschat-ops lambda package"]
    assert "[default: header]" in shown["whatschat-ops ws connect"]
    assert (
        "--reconnect / --no-reconnect Reconnect when the connection is lost [default: --reconnect]"
        in shown["whatschat-ops ws connect"]
    )
    assert "[default: 5]" in shown["whatschat-ops status"]


@pytest.mark.parametrize("entry", COMMAND_ENTRIES.values(), ids=COMMAND_ENTRIES)
def test_no_default_of_a_command_is_missing_on_its_page(entry: Command) -> None:
    path = next(path for path, known in COMMAND_ENTRIES.items() if known is entry)
    text = words(render(PAGES[f"whatschat-ops {path}"], 80))
    for parameter in list(inspect.signature(function_of(entry)).parameters.values())[1:]:
        default = getattr(parameter.default, "value", parameter.default)
        if isinstance(default, (int, float)) and not isinstance(default, bool):
            assert f"[default: {default:g}]" in text
        elif isinstance(default, str) and default:
            assert f"[default: {default}]" in text


def test_options_say_what_they_need_and_where_else_they_are_read_from() -> None:
    mint = words(render(PAGES["whatschat-ops token mint"], 80))
    assert "-u, --user USER Id of the user who connects [required]" in mint
    assert "--claim KEY=VALUE Add a claim; the value may be JSON [repeatable]" in mint
    assert "-e, --env NAME Environment [default: local] [env: WHATSCHAT_ENV]" in mint
    assert "-h, --help" in mint


def test_confirmations_and_watching_are_said_the_same_way_everywhere() -> None:
    texts = {
        text
        for page in PAGES.values()
        for section in page.sections
        for name, text in section.rows
        if "--yes" in name
    }
    assert texts == {"Skip the confirmation"}
    assert "Keep watching until Ctrl-C" in words(render(PAGES["whatschat-ops status"], 80))


def test_a_group_lists_its_commands_without_importing_them() -> None:
    page = PAGES["whatschat-ops chime meeting"]
    assert page.sections[0] == Section(
        "Commands",
        (
            ("create", "Create a meeting"),
            ("get", "Show a meeting"),
            ("list", "List meetings"),
            ("delete", "Delete meetings"),
            ("sweep", "Delete meetings that tests left behind"),
        ),
    )
    assert page.usage == "whatschat-ops chime meeting COMMAND [OPTIONS]"


def test_usage_names_the_arguments() -> None:
    assert PAGES["whatschat-ops lambda invoke"].usage == "whatschat-ops lambda invoke FUNCTION [OPTIONS]"
    assert PAGES["whatschat-ops provision"].usage == "whatschat-ops provision [FILE] [OPTIONS]"
    assert (
        PAGES["whatschat-ops chime meeting delete"].usage
        == "whatschat-ops chime meeting delete [MEETING...] [OPTIONS]"
    )
    assert (
        PAGES["whatschat-ops doctor"].usage
        == "whatschat-ops doctor [websocket|chime|stack|app|all|bundle] [FILE] [OPTIONS]"
    )


def test_docstring_is_taken_apart_into_paragraphs_and_examples() -> None:
    text = read_docstring(
        """Delete it.

        A paragraph
        of two lines.

        Example:
            whatschat-ops a
            whatschat-ops b
        """
    )
    assert text == ("Delete it.", ("A paragraph of two lines.",), ("whatschat-ops a", "whatschat-ops b"))
    assert read_docstring("Do.\n\nExample: whatschat-ops c").examples == ("whatschat-ops c",)


def test_a_long_example_is_continued_between_its_words() -> None:
    example = "whatschat-ops ws broadcast --type notice 'Back in 5 minutes' --yes"
    page = Page("Do.", (), "whatschat-ops", (), (example,))
    assert render(page, 40).splitlines()[-2:] == [
        "  $ whatschat-ops ws broadcast --type \\",
        "      notice 'Back in 5 minutes' --yes",
    ]


def test_texts_stand_beside_their_names_where_there_is_room() -> None:
    page = Page(
        "Do.", (), "whatschat-ops", (Section("Options", (("-y, --yes", "Skip the confirmation"),)),), ()
    )
    assert "  -y, --yes  Skip the confirmation" in render(page, 80)
    assert "  -y, --yes  Skip the confirmation" in render(page, 40)


@pytest.mark.parametrize(("columns", "longest"), [("20", 40), ("60", 60), ("500", 120)])
def test_width_is_that_of_the_terminal_within_limits(
    columns: str, longest: int, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    main(["ws", "broadcast", "--help"])
    lengths = [len(line) for line in capsys.readouterr().out.splitlines() if "|" not in line]
    assert longest - 12 <= max(lengths) <= longest


@pytest.mark.parametrize(
    ("environment", "styled"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
    ids=["terminal", "NO_COLOR", "dumb terminal"],
)
def test_headings_are_bold_only_where_that_is_wanted(
    environment: dict[str, str], styled: bool, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    main(["--help"])
    assert "\x1b" not in capsys.readouterr().out  # not a terminal
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    main(["--help"])
    assert ("\x1b[1mCOMMANDS\x1b[0m" in capsys.readouterr().out) is styled


def test_every_group_of_the_table_has_commands() -> None:
    assert all(entry.commands for _, entry in every_command() if not isinstance(entry, Command))
    assert list(COMMANDS) == [name for name, _ in PAGES["whatschat-ops"].sections[0].rows]


def test_placeholders_of_a_page_are_not_taken_for_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "mint", "--help"]) == 0
    page = capsys.readouterr().out
    assert "--claim KEY=VALUE" in page
    assert '?token=$(whatschat-ops token mint --user alice)"' in page
