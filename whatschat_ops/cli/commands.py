"""The commands of the program: each name at the top level, and the module whose `register(app)` brings it.

Imports nothing: what a command line needs is decided from this table before anything else is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

_PACKAGE: Final = "whatschat_ops.cli"

COMMANDS: Final[Mapping[str, str]] = {
    "provision": f"{_PACKAGE}.stack.provision",
    "plan": f"{_PACKAGE}.stack.provision",
    "status": f"{_PACKAGE}.stack.provision",
    "destroy": f"{_PACKAGE}.stack.provision",
    "unlock": f"{_PACKAGE}.stack.provision",
    "config": f"{_PACKAGE}.config",
    "local": f"{_PACKAGE}.local",
    "table": f"{_PACKAGE}.stack.table",
    "lambda": f"{_PACKAGE}.stack.functions",
    "iam": f"{_PACKAGE}.stack.iam",
    "token": f"{_PACKAGE}.token",
    "ws": f"{_PACKAGE}.ws.group",
    "chime": f"{_PACKAGE}.chime.group",
    "cost": f"{_PACKAGE}.cost.group",
    "env": f"{_PACKAGE}.env",
    "doctor": f"{_PACKAGE}.doctor",
    "export": f"{_PACKAGE}.stack.export",
}
"""In the order of `--help`."""

MODULES: Final = tuple(dict.fromkeys(COMMANDS.values()))
PLACED_COMMANDS: Final = tuple(name for name in COMMANDS if name != "local")
"""Commands that mean an environment: all but `local`."""

_WITH_VALUE: Final = ("--env", "-e", "--config", "--profile", "--region")


def modules_for(arguments: Sequence[str]) -> tuple[str, ...]:
    """The modules that a command line needs: the one of its command, all of them when that is not plain.

    >>> modules_for(["-e", "staging", "token", "mint"])
    ('whatschat_ops.cli.token',)
    """
    rest = iter(arguments)
    for argument in rest:
        if argument in _WITH_VALUE:
            next(rest, None)
        elif not argument.startswith("--"):
            return (COMMANDS[argument],) if argument in COMMANDS else MODULES
    return MODULES
