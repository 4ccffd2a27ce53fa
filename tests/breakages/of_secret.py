"""Rows about the secret that signs tokens, and its rotation."""

from __future__ import annotations

import json
import time
from typing import Final

from tests.breakages.row import Breakage
from tests.breakages.world import World

PEM: Final = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----"


def put(world: World, value: str, *, rotation: bool = False) -> None:
    """Write the parameter, as an administrator does by hand."""
    names = world.names
    name = names.jwt_secret_rotation_parameter if rotation else names.jwt_secret_parameter
    world.client("ssm").put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)


def secret(world: World) -> str:
    answer = world.client("ssm").get_parameter(Name=world.names.jwt_secret_parameter, WithDecryption=True)
    return str(answer["Parameter"]["Value"])


def delete(world: World) -> None:
    world.client("ssm").delete_parameter(Name=world.names.jwt_secret_parameter)


def interrupt_rotation(world: World) -> None:
    """The second parameter is written, and the first is not."""
    ends = int(time.time()) + 3600
    put(
        world,
        json.dumps({"secrets": [secret(world), "b" * 20 + secret(world)], "until": ends}),
        rotation=True,
    )


ROWS: Final = (
    Breakage("The secret was deleted", "secret", delete, "WS030"),
    Breakage("A rotation of the secret was interrupted", "secret", interrupt_rotation, "WS036", warns=True),
    Breakage("The secret is a public key", "secret", lambda world: put(world, PEM), "WS030"),
    Breakage("The secret is short", "secret", lambda world: put(world, "hunter2"), "WS034", warns=True),
    Breakage(
        "The secret is long and can be guessed",
        "secret",
        lambda world: put(world, "password" * 6),
        "WS034",
        warns=True,
    ),
    Breakage(
        "The rotation's parameter was overwritten",
        "secret",
        lambda world: put(world, "{}", rotation=True),
        "WS036",
    ),
)
