"""Values of options that are read without pydantic: the same as Typer's own, in less time."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.core import TyperCommand
from typer.testing import CliRunner

from whatschat_ops.cli.values import read_plain_values


class Color(StrEnum):
    """A choice."""

    RED = "red"
    BLUE = "blue"


class _Quick(TyperCommand):
    def __init__(self, name: str | None, **options: Any) -> None:
        super().__init__(name, **options)
        read_plain_values(self.params)


def outcome(cls: type[TyperCommand], arguments: list[str]) -> tuple[int, str]:
    """What a command with an option of each kind gets, or what is said of its values."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)

    @app.command(cls=cls)
    def show(
        many: Annotated[list[str] | None, typer.Argument()] = None,
        text: Annotated[str | None, typer.Option()] = None,
        number: Annotated[int, typer.Option(min=-5, max=100)] = 7,
        share: Annotated[float | None, typer.Option(min=0.5, max=10)] = None,
        rate: Annotated[float, typer.Option()] = 3,
        file: Annotated[Path | None, typer.Option()] = None,
        folder: Annotated[Path | None, typer.Option(exists=True, file_okay=False)] = None,
        color: Annotated[Color, typer.Option()] = Color.RED,
        colors: Annotated[list[Color] | None, typer.Option()] = None,
        yes: Annotated[bool, typer.Option("--yes")] = False,
    ) -> None:
        typer.echo(repr((many, text, number, share, rate, file, folder, color, colors, yes)))

    done = CliRunner().invoke(app, arguments)
    return done.exit_code, done.output


@pytest.mark.parametrize(
    "line",
    [
        "",
        "a b --yes",
        "--text 5 --number 5 --share 5 --file 5",
        "--number -5 --share 0.5",
        "--number 100 --share 10 --rate -0.25",
        f"--number {'9' * 5000}",
        f"--rate {'9' * 5000}",
        "--number 101", "--number -6", "--share 0.4", "--share 10.1",
        "--number 1.0", "--number 1_0", "--number ٣", "--number x", "--number ''", "--share 1e1", "--share nan", "--share .5",
        "--share 5.", "--share 1.2.3", "--share -", "--rate inf", "--number 0007", "--number +5",
        "--file /nowhere/x", "--file .", "--folder .", "--folder /nowhere", "--folder /etc/hostname",
        "--color blue", "--color BLUE", "--color green", "--colors red --colors blue", "--colors green",
    ],
)  # fmt: skip
def test_every_value_is_read_as_typer_reads_it(line: str) -> None:
    arguments = [word.strip("'") for word in line.split()]
    assert outcome(_Quick, arguments) == outcome(TyperCommand, arguments)


def test_a_value_that_is_wrong_is_still_refused() -> None:
    code, said = outcome(_Quick, ["--number", "101"])
    assert code == 2
    assert "--number" in said
