"""The embedded AWS with a provisioned stack, the command line in front of it, and what watches it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

from tests.broadcast_faults.program import PACKAGE_ROOT
from tests.broadcast_faults.world import TABLE, client, program_environment
from tests.faults.proxy import Proxy
from tests.faults.world import embedded_aws, state_directory_of
from tests.in_process import Done, run
from tests.migration_walk.walk import Loop
from tests.migration_walk.world import token_maker
from tests.soak.crowd import LIMIT_S, Crowd
from whatschat_ops.choices import SocketMode
from whatschat_ops.config import Names, Settings
from whatschat_ops.load.sockets import connector
from whatschat_ops.local import service
from whatschat_ops.local.service import LocalService
from whatschat_ops.redaction import Secret

PROGRAM: Final = (sys.executable, "-m", "whatschat_ops")
STOP_S: Final = 60.0


def until(check: Callable[[], bool], limit_s: float = LIMIT_S) -> bool:
    """Wait for it. Whether it came."""
    deadline = time.monotonic() + limit_s
    while not (found := check()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


@dataclass
class World:
    """`processes` are the ids of all that was started."""

    aws: LocalService
    directory: Path
    environment: dict[str, str]
    proxy: Proxy
    loop: Loop
    url: str
    token: Callable[[str], Secret]
    crowd: Crowd
    names: Names
    processes: set[int] = field(default_factory=set)
    _clients: dict[str, Any] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        """The state directory of the embedded AWS."""
        return self.directory / "aws" / "local"

    def client(self, name: str) -> Any:
        """A boto3 client."""
        if name not in self._clients:
            self._clients[name] = client(self.aws, name)
        return self._clients[name]

    def cli(self, *arguments: str) -> Done:
        """A command, in this process."""
        return run(*arguments)

    def start(
        self, *arguments: str, output: Path | None = None, proxied: bool = False
    ) -> subprocess.Popen[bytes]:
        """A command as a process; with `proxied`, behind the proxy that injects faults."""
        environment = {**self.environment, "PYTHONPATH": str(PACKAGE_ROOT)}
        if proxied:
            environment["AWS_ENDPOINT_URL"] = self.proxy.endpoint_url
        target = output or self.directory / "output.txt"
        with target.open("wb") as stdout, (self.directory / "stderr.txt").open("ab") as stderr:
            process = subprocess.Popen(
                [*PROGRAM, *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
        self.processes.add(process.pid)
        return process

    def rows(self) -> int:
        """Of the connections table."""
        found = self.client("dynamodb").scan(TableName=TABLE, Select="COUNT", ConsistentRead=True)
        return int(found["Count"])

    def has_rows(self, number: int | None = None) -> bool:
        """Wait until there is a row for each open socket. The doctor's own sockets come and go beside them."""
        wanted = len(self.crowd.open) if number is None else number
        return until(lambda: self.rows() == wanted)

    def restart(self) -> None:
        """Stop the embedded AWS and start it on its port."""
        port = self.aws.port
        with state_directory_of(self.directory / "aws"):
            service.stop()
            self.aws = service.ensure_running(port=port, say=lambda _: None)
        self._clients.clear()
        self.processes.add(self.aws.pid)

    def workers(self) -> list[psutil.Process]:
        """The processes of the functions."""
        found = []
        for process in psutil.Process(self.aws.pid).children(recursive=True):
            with suppress(psutil.Error):
                if "AWS_LAMBDA_FUNCTION_NAME" in process.environ():
                    found.append(process)
        self.processes |= {process.pid for process in found}
        return found


def ended(process: subprocess.Popen[bytes]) -> int | None:
    """End a command as a scheduler does. Its exit code; None when it had ended before."""
    if process.poll() is not None:
        return None
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(STOP_S)
    finally:
        process.kill()


@contextmanager
def soaked_stack(directory: Path) -> Iterator[World]:
    """All of it started, and stopped at the end. This process has the environment of the commands meanwhile."""
    (directory / "program").mkdir()
    with ExitStack() as stack:
        aws = stack.enter_context(embedded_aws(directory / "aws"))
        environment = program_environment(aws, directory)
        stack.enter_context(_environment(environment))
        assert (done := run("provision", "--yes")).code == 0, done.said
        names = Names(Settings.of({}))
        secret = client(aws, "ssm").get_parameter(Name=names.jwt_secret_parameter, WithDecryption=True)
        token = token_maker(Secret(secret["Parameter"]["Value"]))
        url = run("ws", "endpoint").stdout.strip()
        crowd = Crowd(connector(SocketMode.APIGATEWAY, url, token))
        loop, proxy = Loop(), Proxy(aws.port)
        stack.callback(loop.close)
        stack.callback(proxy.close)
        yield World(aws, directory, environment, proxy, loop, url, token, crowd, names, {aws.pid})
        loop(crowd.leave(len(crowd.open)))


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ |= variables
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before


def holder(world: World, number: int) -> subprocess.Popen[str]:
    """A process of its own, with so many open sockets."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.soak.holder"],
        env={**world.environment, "PYTHONPATH": str(PACKAGE_ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    world.processes.add(process.pid)
    assert process.stdin is not None and process.stdout is not None
    tokens = [world.token(f"held-{index}").reveal() for index in range(number)]
    process.stdin.write(json.dumps({"url": world.url, "tokens": tokens}) + "\n")
    process.stdin.flush()
    assert process.stdout.readline().strip() == str(number)
    return process
