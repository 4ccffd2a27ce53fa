"""Rows about the functions."""

from __future__ import annotations

import io
import zipfile
from typing import Any, Final

from tests.breakages.row import FIX, Breakage
from tests.breakages.world import World


def _lambda(world: World) -> Any:
    return world.client("lambda")


def delete_function(world: World) -> None:
    """The default function, with all its versions."""
    _lambda(world).delete_function(FunctionName=world.names.function("default"))


def delete_alias(world: World) -> None:
    """What API Gateway invokes."""
    _lambda(world).delete_alias(FunctionName=world.names.function("default"), Name="live")


def deploy_other_code(world: World) -> None:
    """A zip with nothing in it that Lambda could run."""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("other.py", "")
    _lambda(world).update_function_code(
        FunctionName=world.names.function("disconnect"), ZipFile=code.getvalue()
    )


def _configure(world: World, short: str, **changes: Any) -> None:
    _lambda(world).update_function_configuration(FunctionName=world.names.function(short), **changes)


def name_wrong_handler(world: World) -> None:
    """A module that is not in the zip."""
    _configure(world, "connect", Handler="index.handler")


def use_old_runtime(world: World) -> None:
    """One without support."""
    _configure(world, "disconnect", Runtime="python3.9")


def shorten(world: World) -> None:
    """The function's time-out."""
    _configure(world, "default", Timeout=1)


def change_variable(world: World) -> None:
    """The table that the connect function writes to."""
    name = world.names.function("connect")
    found = _lambda(world).get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    _configure(world, "connect", Environment={"Variables": {**found, "CONNECTIONS_TABLE": "elsewhere"}})


def move_alias_back(world: World) -> None:
    """To the version before the one that runs."""
    name = world.names.function("disconnect")
    _configure(world, "disconnect", MemorySize=512)
    _lambda(world).get_waiter("function_updated_v2").wait(FunctionName=name)
    made = _lambda(world).publish_version(FunctionName=name)["Version"]
    world.cli("provision", "--yes")
    _lambda(world).update_alias(FunctionName=name, Name="live", FunctionVersion=made)


def switch_off(world: World) -> None:
    """As one stops a function that runs wild."""
    _lambda(world).put_function_concurrency(
        FunctionName=world.names.function("connect"), ReservedConcurrentExecutions=0
    )


ROWS: Final = (
    Breakage("The default function was deleted", "functions", delete_function, "WS010"),
    Breakage("The alias of the default function was deleted", "functions", delete_alias, "WS010"),
    Breakage("The disconnect function has other code", "functions", deploy_other_code, "WS014"),
    Breakage("The connect function has a handler that is not in its zip", "functions", name_wrong_handler, "WS015"),
    Breakage("The disconnect function has a runtime without support", "functions", use_old_runtime, "WS015"),
    Breakage("The default function has a time-out of 1 s", "functions", shorten, "WS015", FIX),
    Breakage("The connect function writes to another table", "functions", change_variable, "WS016"),
    Breakage("The alias of the disconnect function was moved back", "functions", move_alias_back, "WS017"),
    Breakage("The connect function was switched off", "functions", switch_off, "WS018", FIX),
)  # fmt: skip
