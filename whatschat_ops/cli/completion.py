"""`completion`: the script that teaches a shell the commands, options and values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from whatschat_ops.cli.run import Run


class CompletedShell(StrEnum):
    """A shell that there is a script for."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"
    powershell = "powershell"


@dataclass(frozen=True, slots=True)
class Script:
    """What the shell is to read."""

    shell: CompletedShell
    script: str


def completion(
    run: Run, shell: Annotated[CompletedShell, typer.Argument(help="The shell", show_default=False)]
) -> None:
    """Print the completion script of a shell.

    Load it in the shell's start file: it completes commands, options and values, also users, connections and meetings of the
    stack. Those are read in the background, at most once a minute, and kept in the user's cache directory.

    Example:
        source <(whatschat-ops completion bash)
        source <(whatschat-ops completion zsh)
        whatschat-ops completion fish | source
        whatschat-ops completion powershell | Out-String | Invoke-Expression
    """
    from whatschat_ops.cli.completing.shells import SCRIPTS

    run.out.result(Script(shell, SCRIPTS[shell.value]), lambda result: result.script)
