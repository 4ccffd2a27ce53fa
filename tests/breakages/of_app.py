"""Rows about the application's .env files, in the directory that `doctor` runs in."""

from __future__ import annotations

from typing import Final

from tests.breakages.row import Breakage, Repair
from tests.breakages.world import World

BACKEND: Final = "apps/server/.env"
FRONTEND: Final = "apps/web/.env.local"


def render(world: World, side: str, place: str) -> None:
    """The file as it should be."""
    (world.directory / place).parent.mkdir(parents=True, exist_ok=True)
    done = world.cli("env", "render", side, "--output", place, "--show-secrets", "--replace")
    assert done.code == 0, done.said


def change(world: World, place: str, variable: str, value: str) -> None:
    """Set a variable as one does in an editor."""
    file = world.directory / place
    lines = [line for line in file.read_text().splitlines() if not line.startswith(f"{variable}=")]
    file.write_text("\n".join([*lines, f"{variable}={value}", ""]))


def delete(world: World, place: str) -> None:
    (world.directory / place).unlink()


def stale_endpoint(world: World) -> None:
    render(world, "frontend", FRONTEND)
    stale = "wss://old1234567.execute-api.us-east-1.amazonaws.com/production"
    change(world, FRONTEND, "NEXT_PUBLIC_API_GATEWAY_WEBSOCKET_ENDPOINT", stale)


def other_secret(world: World) -> None:
    render(world, "backend", BACKEND)
    change(world, BACKEND, "JWT_SECRET", "another-secret-of-the-application-0123456789")


def other_table(world: World) -> None:
    render(world, "backend", BACKEND)
    change(world, BACKEND, "CONNECTIONS_TABLE", "websocket-connections-old")


ROWS: Final = (
    Breakage("The web client's file has an old endpoint", "app", stale_endpoint, "AP003"),
    Breakage(
        "The backend has another JWT secret",
        "app",
        other_secret,
        "AP004",
        Repair(
            "`env render backend --output apps/server/.env --show-secrets`",
            lambda world: render(world, "backend", BACKEND),
        ),
    ),
    Breakage("The backend's file names another table", "app", other_table, "AP003"),
)
