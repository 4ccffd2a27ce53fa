"""The program as Typer sees it: groups that make a command when it is asked for, and pages of help of our own.

Typer would build every command of a program before it reads the command line. Here a group knows the names and lines of its
commands from the command table, and imports the module of a command only to run it, or to show its page.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, cast

import typer
from typer.core import TyperCommand, TyperGroup

from whatschat_ops import __version__
from whatschat_ops.cli import commands
from whatschat_ops.cli.command import root_callback, with_common_options
from whatschat_ops.cli.commands import Entry, Group
from whatschat_ops.cli.help_pages import (
    Page,
    Section,
    parameter_sections,
    read_docstring,
    render,
    terminal_width,
    usage,
)
from whatschat_ops.cli.terminal.lines import is_styled
from whatschat_ops.cli.terminal.redacting import set_shown
from whatschat_ops.cli.values import read_plain_values
from whatschat_ops.errors import PROGRAM

SUMMARY = "Operate the AWS side of WhatsChat."
DETAILS = (
    "Provision, operate, test, price and diagnose a WebSocket API with Lambda functions, and Chime SDK meetings.",
    "Everything runs on this machine, without an AWS account, until an environment says otherwise.",
)
EXAMPLES = (f"{PROGRAM} provision", f"{PROGRAM} ws connect --user alice")


class ProgramCommand(TyperCommand):
    """A command with a page of help in plain text."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the options (called by Typer)."""
        read_plain_values(self.get_params(ctx))
        return super().parse_args(ctx, args)

    def page(self, ctx: Any) -> Page:
        """The page of help, from the docstring and the parameters."""
        text = read_docstring(self.help or "")
        parameters = self.get_params(ctx)
        sections = parameter_sections(parameters)
        line = usage(ctx.command_path, parameters)
        return Page(text.summary, text.details, line, sections, text.examples)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page (called by Typer)."""
        formatter.write(_laid_out(self.page(ctx)))


class ProgramGroup(TyperGroup):
    """A group of the command table. Its commands are built one by one, when they are asked for."""

    about: Page
    entries: Mapping[str, Entry]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the options before the name of a command (called by Typer)."""
        read_plain_values(self.get_params(ctx))
        return super().parse_args(ctx, args)

    def page(self, ctx: Any) -> Page:
        """The page of help, from the command table."""
        lines = tuple((name, entry.summary) for name, entry in self.entries.items())
        sections = (Section("Commands", lines), *parameter_sections(self.get_params(ctx)))
        path = f"{ctx.command_path} COMMAND"
        note = f"Run '{path} --help' for the options of a command."
        return self.about._replace(usage=f"{path} [OPTIONS]", sections=sections, note=note)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page (called by Typer)."""
        formatter.write(_laid_out(self.page(ctx)))


class _Commands(Mapping[str, Any]):
    """Name -> command, built on first use."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._entries = entries
        self._built: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._built:
            self._built[name] = _build(name, self._entries[name])
        return self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def build_program() -> ProgramGroup:
    """The command line."""
    app = typer.Typer(
        name=PROGRAM,
        cls=ProgramGroup,
        no_args_is_help=True,
        add_completion=False,  # ours: `completion`
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
    )
    root_callback(app, _VersionOption)
    return _filled(app, Page(SUMMARY, DETAILS, "", (), EXAMPLES), commands.COMMANDS)


def every_page() -> Iterator[tuple[str, Page]]:
    """Path -> page of help, of the program, every group and every command: `whatschat-ops`, `whatschat-ops plan`, ..."""
    program = build_program()
    return _pages(program, typer.Context(program, info_name=PROGRAM, **program.context_settings))


def _pages(command: Any, ctx: typer.Context) -> Iterator[tuple[str, Page]]:
    yield ctx.command_path, command.page(ctx)
    for name, inner in getattr(command, "commands", {}).items():
        yield from _pages(inner, typer.Context(inner, parent=ctx, info_name=name))


def every_node() -> Iterator[tuple[str, dict[str, Any]]]:
    """Path -> what completion knows of the program (`""`), a group or a command, as `cli/completing/words.py` says."""
    program = build_program()
    common = {name for option in _options(program, program) for name in option.opts}
    for path, command in _commands(program, ""):
        own = [option for option in _options(program, command) if not path or not common & set(option.opts)]
        yield path, _node(command, own)


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, f"{path} {name}".strip())


def _options(program: Any, command: Any) -> list[Any]:
    parameters = command.get_params(typer.Context(command, **program.context_settings))
    return [each for each in parameters if each.param_type_name == "option" and not each.hidden]


def _node(command: Any, options: list[Any]) -> dict[str, Any]:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    return {
        "options": {
            name: ["" if option.is_flag else option.metavar, (option.help or "").rstrip(".")]
            for option in options
            # Click gives the names of --help as a set, in any order: long ones first
            for name in sorted(
                (*option.opts, *option.secondary_opts), key=lambda each: not each.startswith("--")
            )
        },
        "arguments": [each.metavar.removesuffix("...") for each in arguments],
        "commands": {name: entry.summary for name, entry in getattr(command, "entries", {}).items()},
    }


def _build(name: str, entry: Entry) -> Any:
    if isinstance(entry, Group):
        app = typer.Typer(
            cls=ProgramGroup,
            no_args_is_help=True,
            add_completion=False,
            rich_markup_mode=None,
            help=entry.summary,  # for completion
        )
        app.callback()(lambda: None)
        about = Page(f"{entry.summary}.", (), "", (), (f"{PROGRAM} {entry.example}",))
        group = _filled(app, about, entry.commands)
        group.name = name
        return group
    module, _, function = entry.function.partition(":")
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    run = getattr(importlib.import_module(f"whatschat_ops.cli.{module}"), function)
    app.command(name, cls=ProgramCommand)(with_common_options(run))
    return typer.main.get_command(app)


def _filled(app: typer.Typer, about: Page, entries: Mapping[str, Entry]) -> ProgramGroup:
    group = cast(ProgramGroup, typer.main.get_command(app))
    group.about = about
    group.entries = entries
    group.commands = _Commands(entries)  # type: ignore[assignment]
    return group


def _laid_out(page: Page) -> str:
    set_shown(sys.stdout, True)  # a page holds no value of this run, and `KEY=VALUE` in it is no secret
    return render(page, terminal_width(), styled=is_styled(sys.stdout)) + "\n"


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"{PROGRAM} {__version__}")
        raise typer.Exit


_VersionOption = Annotated[
    bool,
    typer.Option(
        "--version",
        callback=_print_version,
        is_eager=True,
        help="Print the version; with --json, of Python and botocore, too",
    ),
]
