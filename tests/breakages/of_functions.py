"""Rows about the functions."""

from __future__ import annotations

from typing import Final

from tests.breakages.row import Breakage
from tests.breakages.world import World


def delete_function(world: World) -> None:
    """The default function, with all its versions."""
    world.client("lambda").delete_function(FunctionName=world.names.function("default"))


ROWS: Final = (Breakage("The default function was deleted", "functions", delete_function, "WS010"),)
