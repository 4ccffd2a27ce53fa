"""`schema`: the JSON Schema of what a command prints with --json. The schemas are files of this package."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Annotated, Any

import typer

from whatschat_ops.choices import did_you_mean
from whatschat_ops.cli.run import Run
from whatschat_ops.errors import Hint, Missing

_SCHEMAS = files("whatschat_ops") / "schemas"


def schema(
    run: Run,
    command: Annotated[
        list[str] | None, typer.Argument(help="A command, `error` or `version`; without one, lists them")
    ] = None,
) -> None:
    """Print the JSON Schema of a command's --json.

    What may change in it is in docs/stability.md. `error` is what a command prints instead of its result, `version` is
    `--version --json`. Asks AWS nothing.

    Example:
        whatschat-ops schema ws broadcast
        whatschat-ops schema error
    """
    if not command:
        run.out.result(_known(), "\n".join)
        return
    run.out.result(_read(" ".join(command)), lambda found: json.dumps(found, indent=2))


def _known() -> list[str]:
    """The commands that have a schema."""
    from whatschat_ops.cli.commands import Command, every_command

    return ["error", "version", *(path for path, entry in every_command() if isinstance(entry, Command))]


def _read(command: str) -> Any:
    if command not in _known():
        raise Missing(
            f"No command {command!r} has a schema.{did_you_mean(command, _known())}",
            hint=Hint(("schema",), "List the commands that have one"),
        )
    return json.loads((_SCHEMAS / f"{command.replace(' ', '-')}.json").read_text(encoding="utf-8"))
