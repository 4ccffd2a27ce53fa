"""The same through real sockets: clients on the embedded AWS, each of which keeps what it received.

With `distributed`, Lambda functions post, and every kill ends the command and one of them. Then the journal is lost, and two operators
resume the run at once on machines that know its id only.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import websockets
from botocore.exceptions import ClientError

from tests.broadcast_faults import rows
from tests.broadcast_faults.program import PACKAGE_ROOT, Broadcast
from tests.broadcast_faults.scenario import Finding, Say
from tests.broadcast_faults.world import TABLE, client, program_environment
from tests.faults.world import embedded_aws
from whatschat_ops.local.layout import Options
from whatschat_ops.local.service import LocalService
from whatschat_ops.redaction import Secret
from whatschat_ops.sockets.tokens import mint

JWT_SECRET = "a-secret-of-the-broadcast-sockets-" + "x" * 16
HANDSHAKES_AT_ONCE = 32
GHOST_SHARE = 0.05
"""Rows whose socket is gone, for this share of the sockets."""
LAST_MESSAGES_S = 10.0
CONFIGURATION = """\
broadcast:
  distributed: {{enabled: {distributed}, shard_connections: 100, workers: 4}}
"""
LAG_S = 3.0
"""For so long, Step Functions does not show what was just started or redriven."""
WORKER = "websocket-broadcast-worker"


@dataclass
class Fleet:
    """Open sockets, in an event loop of a thread of its own. `received` is by client, the messages as parsed."""

    url: str
    received: dict[int, list[Mapping[str, Any]]] = field(default_factory=dict)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop, repr=False)
    _sockets: list[websockets.ClientConnection] = field(default_factory=list, repr=False)
    _readers: list[asyncio.Task[None]] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._loop.run_forever, name="fleet", daemon=True)

    def reached(self) -> int:
        """Clients that have received something."""
        return sum(map(bool, list(self.received.values())))

    def open(self, number: int) -> None:
        """Connect `number` clients, each as a user of its own."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(number), self._loop).result(timeout=300)

    def close(self) -> None:
        """Close every socket and end the thread."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(timeout=60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    async def _open(self, number: int) -> None:
        gate = asyncio.Semaphore(HANDSHAKES_AT_ONCE)
        await asyncio.gather(*(self._connect(index, gate) for index in range(number)))

    async def _connect(self, index: int, gate: asyncio.Semaphore) -> None:
        token = mint(
            f"user-{index}",
            Secret(JWT_SECRET),
            ttl=timedelta(hours=1),
            now=datetime.now(UTC),
            token_id=str(index),
        ).token.reveal()
        async with gate:
            socket = await websockets.connect(
                f"{self.url}?token={token}", open_timeout=120, compression=None, ping_interval=None
            )
        self.received[index] = []
        self._sockets.append(socket)
        self._readers.append(asyncio.create_task(self._read(index, socket)))

    async def _read(self, index: int, socket: websockets.ClientConnection) -> None:
        with suppress(websockets.ConnectionClosedError):  # the embedded AWS was killed
            async for text in socket:
                self.received[index].append(json.loads(text))

    async def _close(self) -> None:
        await asyncio.gather(*(socket.close() for socket in self._sockets))
        await asyncio.gather(*self._readers)


@dataclass(frozen=True)
class SocketEvidence:
    """What the promises are judged by."""

    clients: int
    kills: int
    received: Mapping[int, Sequence[Mapping[str, Any]]]
    ghosts: rows.Items
    before: rows.Items
    after: rows.Items
    summary: Mapping[str, Any]
    exit_code: int


@contextmanager
def open_fleet(aws: LocalService, directory: Path, clients: int, common: Sequence[str]) -> Iterator[Fleet]:
    """A provisioned stack and its connected clients."""
    run_program(aws, directory, "provision", "--yes", "--quiet", *common)
    fleet = Fleet(run_program(aws, directory, "ws", "endpoint", *common).strip())
    try:
        fleet.open(clients)
        yield fleet
    finally:
        fleet.close()


def run_program(aws: LocalService, directory: Path, *arguments: str) -> str:
    """Run one command to its end; its standard output."""
    environment = {
        **program_environment(aws, directory),
        "JWT_SECRET": JWT_SECRET,
        "PYTHONPATH": str(PACKAGE_ROOT),
    }
    command = [sys.executable, "-m", "whatschat_ops", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise AssertionError(f"{' '.join(arguments)} failed: {done.stdout}{done.stderr}")
    return done.stdout


def run_sockets(
    directory: Path,
    clients: int,
    kills: int,
    seed: int,
    rate_per_s: int,
    say: Say,
    *,
    distributed: bool = False,
    aborts: bool = False,
) -> SocketEvidence:
    """Open the sockets, broadcast with kills, resume, and wait for the last messages. `aborts`: let Step Functions abort what is left, too."""
    state_directory = directory / "program"
    state_directory.mkdir(parents=True)
    configuration = directory / "whatschat.yaml"
    configuration.write_text(CONFIGURATION.format(distributed=str(distributed).lower()))
    common = ["--config", str(configuration)]
    engine = ["--engine", "distributed"] if distributed else []
    options = Options(step_functions_lag_s=LAG_S if distributed else 0.0)
    with (
        embedded_aws(directory / "aws", options) as aws,
        open_fleet(aws, directory, clients, common) as fleet,
    ):
        dynamodb = client(aws, "dynamodb")
        ghosts = rows.make_ghosts(max(1, int(clients * GHOST_SHARE)), seed)
        rows.write_rows(dynamodb, TABLE, ghosts)
        before = rows.read_rows(dynamodb, TABLE)
        say(f"{clients:,} sockets open, {len(ghosts):,} rows without one")
        broadcast = Broadcast(
            program_environment(aws, directory), state_directory, ["--rate", str(rate_per_s), *engine], common
        )
        for share in kill_points(seed, kills):
            wanted = int(clients * share)
            broadcast.run_and_kill(lambda wanted=wanted: fleet.reached() >= wanted)  # type: ignore[misc]
            say(f"kill -9 after {wanted:,} clients had it")
            if distributed:
                say(f"kill -9 of a worker, process {kill_worker(aws)}")
        if distributed:
            if aborts:
                say(f"aborted: {_abort(aws, broadcast)}")
            say(f"Step Functions answers {LAG_S:.0f} s late, and throttles: {throttle(aws)} calls")
        ended = [broadcast.run_to_end()] if not distributed else _resume_elsewhere(broadcast, directory)
        exit_code, summary = max(code for code, _ in ended), ended[0][1]
        _until_received(fleet, clients)
        after = rows.read_rows(dynamodb, TABLE)
        received = {index: list(messages) for index, messages in fleet.received.items()}
    return SocketEvidence(clients, kills, received, ghosts, before, after, summary, exit_code)


def _abort(aws: LocalService, broadcast: Broadcast) -> str:
    """Let the shards that are left fail: workers may not write any more. What the command says, to the Map Run that is aborted."""
    iam = client(aws, "iam")
    (role,) = (
        each["RoleName"] for each in iam.list_roles()["Roles"] if "broadcast-worker" in each["RoleName"]
    )
    denied = {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [denied]})
    iam.put_role_policy(RoleName=role, PolicyName="deny", PolicyDocument=document)
    process = broadcast.start()
    process.communicate(timeout=broadcast.time_limit_s)
    iam.delete_role_policy(RoleName=role, PolicyName="deny")
    assert process.returncode == 1, f"exit code {process.returncode}: {broadcast.said()}"
    return " ".join(broadcast.said().split()).partition(" The run is kept")[0][-160:]


def throttle(aws: LocalService) -> int:
    """Use up what the account may ask about Map Runs; the number of calls."""
    states = client(aws, "stepfunctions")
    arn = "arn:aws:states:us-east-1:000000000000:{}:absent:absent"
    asks: tuple[tuple[Callable[[], Any], int], ...] = (
        (lambda: states.list_map_runs(executionArn=arn.format("execution")), 100),
        (lambda: states.describe_map_run(mapRunArn=arn.format("mapRun")), 200),
    )
    for ask, bucket in asks:
        for _ in range(bucket):
            with suppress(ClientError):  # there is no such thing, which counts
                ask()
    return sum(bucket for _, bucket in asks)


def _resume_elsewhere(lost: Broadcast, directory: Path) -> list[tuple[int, dict[str, Any]]]:
    """What two operators get who resume the run on machines without its journal."""
    machines = [
        replace(
            lost,
            environment={**lost.environment, "WHATSCHAT_OPS_STATE_DIR": str(state_directory)},
            state_directory=state_directory,
            known_id=lost.run_id(),
        )
        for state_directory in (directory / "one", directory / "other")
    ]
    for machine in machines:
        machine.state_directory.mkdir()
    processes = [machine.start() for machine in machines]
    return [machine.ended(process) for machine, process in zip(machines, processes, strict=True)]


def kill_worker(aws: LocalService) -> int:
    """Kill one of the functions that post, in the middle of its shard. Its process id."""
    for process in psutil.Process(aws.pid).children(recursive=True):
        with suppress(psutil.Error):
            if process.environ().get("AWS_LAMBDA_FUNCTION_NAME") == WORKER:
                process.kill()
                return process.pid
    raise AssertionError("no worker is running")


def kill_points(seed: int, kills: int) -> list[float]:
    """Shares of the clients that have the message when the program is killed."""
    source = random.Random(seed)
    return [(number + source.uniform(0.2, 0.8)) / kills for number in range(kills)]


def _until_received(fleet: Fleet, clients: int) -> None:
    """Wait for messages that are on their way; who has none then did not get it."""
    pause = threading.Event()
    for _ in range(int(LAST_MESSAGES_S / 0.1)):
        if fleet.reached() == clients:
            break
        pause.wait(0.1)
    pause.wait(0.5)  # a second copy may come right after the first


def judge_sockets(evidence: SocketEvidence) -> Iterator[Finding]:
    """Every promise, kept or not."""
    summary, copies = evidence.summary, Counter(map(len, evidence.received.values()))
    reached = sum(number for size, number in copies.items() if size)
    yield Finding(
        "Every client received the message",
        f"{reached:,} of {evidence.clients:,}",
        reached == evidence.clients == len(evidence.received),
    )
    twice = sum((size - 1) * number for size, number in copies.items() if size)
    in_doubt = int(summary["in_doubt"])
    yield Finding(
        "A second copy only after a kill, within what the journal counts as in doubt",
        f"{twice:,} of at most {in_doubt:,} in doubt",
        twice <= in_doubt and (evidence.kills > 0 or twice == 0),
    )
    ids = {str(message["id"]) for messages in evidence.received.values() for message in messages}
    yield Finding("Every copy has the same id", ", ".join(sorted(ids)), ids == {str(summary["message_id"])})
    expected = {name: row for name, row in evidence.before.items() if name not in evidence.ghosts}
    yield Finding(
        "Rows without a socket are deleted, all others are what they were",
        f"{len(evidence.before):,} before, {len(evidence.after):,} after",
        evidence.after == expected,
    )
    wanted = {
        "connections": evidence.clients + len(evidence.ghosts),
        "delivered": evidence.clients,
        "gone": len(evidence.ghosts),
        "failed": 0,
        "pending": 0,
        "pruned": len(evidence.ghosts),
    }
    found = {name: summary[name] for name in wanted}
    yield Finding(
        "Each connection has exactly one outcome",
        ", ".join(f"{name} {value:,}" for name, value in found.items()),
        found == wanted,
    )
    yield Finding("The exit code says that nothing failed", str(evidence.exit_code), evidence.exit_code == 0)
