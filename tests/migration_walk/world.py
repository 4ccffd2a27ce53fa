"""A stack on an embedded AWS, a backend, and users with a socket each."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.in_process import Done, run
from tests.migration_walk.clients import NEW, OLD, Client, Crowd
from tests.migration_walk.old_server import OldServer, running
from tests.migration_walk.walk import Evidence, Loop, Walk, World
from whatschat_ops.choices import SocketMode
from whatschat_ops.config import Names, Settings
from whatschat_ops.load.sockets import connector
from whatschat_ops.local.own_api import advance
from whatschat_ops.local.service import LocalService
from whatschat_ops.redaction import Secret

PREFIX: Final = "walk-"


def config_text(minimum: int) -> str:
    """The settings of the walk. Everybody comes back at once here, on a machine that may be busy: neither is judged."""
    gate = {
        "interval_minutes": 1,
        "checks": 1,
        "settle_seconds": 0,
        "minimum_samples": minimum,
        "latency_floor_ms": 60_000,
        "latency_ms": 60_000,
        "reconnect_rate": 1,
        "reconnect_rate_difference": 1,
    }
    return json.dumps({"prefix": PREFIX, "migration": {"gate": gate}})


@contextmanager
def walking(
    aws: LocalService,
    client: Callable[[str], Any],
    directory: Path,
    *,
    users: int,
    minimum: int,
    backend_environment: Mapping[str, str] | None = None,
    say: Callable[[str], None] = print,
) -> Iterator[Walk]:
    """A walk that may begin. With `backend_environment` the backend is a process of its own, which has these variables."""
    config = directory / "walk.yaml"
    config.write_text(config_text(minimum), encoding="utf-8")

    def cli(*arguments: str) -> Done:
        return run("--config", str(config), *arguments)

    assert (done := cli("provision", "--yes")).code == 0, done.said
    names = Names(Settings.of({"prefix": PREFIX}))
    with ExitStack() as stack:
        loop = Loop()
        stack.callback(loop.close)
        if backend_environment is None:
            backend = _in_this_process(loop, stack, names, client)
        else:
            backend = _as_a_process(stack, names, backend_environment)
        crowd = _crowd(loop, stack, cli, backend, names, client, users)
        world = World(cli, crowd, loop, names, client, lambda seconds: _advance(aws, seconds), say)
        yield Walk(world, minimum, Evidence(users))


def _advance(aws: LocalService, seconds: float) -> None:
    advance(aws, timedelta(seconds=seconds))


def _crowd(
    loop: Loop,
    stack: ExitStack,
    cli: Callable[..., Done],
    backend: str,
    names: Names,
    client: Callable[[str], Any],
    users: int,
) -> Crowd:
    url = cli("ws", "endpoint").stdout.strip()
    parameter = client("ssm").get_parameter(Name=names.jwt_secret_parameter, WithDecryption=True)["Parameter"]
    tokens = token_maker(Secret(parameter["Value"]))
    opens = {
        OLD: connector(SocketMode.SOCKETIO, backend, lambda user: Secret(f"user:{user}")),
        NEW: connector(SocketMode.APIGATEWAY, url, tokens),
    }

    async def made() -> Crowd:
        clients = {name: Client(name, opens) for name in (f"user-{number}" for number in range(users))}
        return Crowd(backend, clients, aiohttp.ClientSession())

    crowd = loop(made())
    stack.callback(lambda: loop(crowd.http.close()))
    stack.callback(lambda: loop(crowd.close()))
    return crowd


def token_maker(secret: Secret) -> Callable[[str], Secret]:
    import uuid
    from datetime import UTC, datetime

    from whatschat_ops.sockets.tokens import mint

    return lambda user: (
        mint(user, secret, ttl=timedelta(hours=5), now=datetime.now(UTC), token_id=uuid.uuid4().hex).token
    )


def _in_this_process(loop: Loop, stack: ExitStack, names: Names, client: Callable[[str], Any]) -> str:
    server = OldServer(names.stack, names.migration_parameter, client)
    opened = AsyncExitStack()
    loop(opened.enter_async_context(running(server)))
    stack.callback(lambda: loop(opened.aclose()))
    return server.url


def _as_a_process(stack: ExitStack, names: Names, environment: Mapping[str, str]) -> str:
    command = [
        sys.executable,
        "-m",
        "tests.migration_walk.old_server",
        names.stack,
        names.migration_parameter,
    ]
    process = stack.enter_context(
        subprocess.Popen(
            command, env=dict(environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    )
    assert process.stdout is not None and process.stdin is not None
    stack.callback(process.stdin.close)
    return str(json.loads(process.stdout.readline())["url"])
