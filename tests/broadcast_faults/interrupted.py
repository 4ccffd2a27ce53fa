"""A distributed broadcast that is stopped in the middle, and one whose embedded AWS is killed: real sockets."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.broadcast_faults import rows
from tests.broadcast_faults.program import Broadcast
from tests.broadcast_faults.scenario import Finding, Say
from tests.broadcast_faults.sockets import CONFIGURATION, Fleet, open_fleet, run_program
from tests.broadcast_faults.world import TABLE, program_environment
from tests.faults.world import embedded_aws, state_directory_of
from whatschat_ops.local import service
from whatschat_ops.local.service import LocalService

QUIET_S = 10.0
LIMIT_S = 600.0


@dataclass(frozen=True)
class StopEvidence:
    """How many of `clients` had it when `ws broadcasts stop` returned, and QUIET_S later; `said` is what that command printed."""

    clients: int
    rows: int
    said: Mapping[str, Any]
    then: int
    later: int
    copies: int


@dataclass(frozen=True)
class RestartEvidence:
    """What clients had when all was over, and what the resumed run says at its end."""

    clients: int
    reached: int
    copies: int
    summary: Mapping[str, Any]
    exit_code: int


def run_stop(
    directory: Path, clients: int, others: int, seed: int, rate_per_s: int, say: Say
) -> StopEvidence:
    """Stop when half of the clients have it, among `others` rows whose connections are gone."""
    common = _prepare(directory, shard_connections=25_000)
    with embedded_aws(directory / "aws") as aws:
        run_program(aws, directory, "provision", "--yes", "--quiet", *common)
    rows.fill(directory / "aws", TABLE, rows.make_ghosts(others, seed))
    with embedded_aws(directory / "aws") as aws, open_fleet(aws, directory, clients, common) as fleet:
        say(f"{clients:,} sockets open, {others:,} rows without one")
        broadcast = _broadcast(aws, directory, common, rate_per_s)
        with _running(broadcast, lambda: fleet.reached() * 2 >= clients) as run_id:
            say(f"{fleet.reached():,} clients have it: ws broadcasts stop {run_id}")
            said = json.loads(
                run_program(aws, directory, "ws", "broadcasts", "stop", run_id, "--json", *common)
            )
            then = fleet.reached()
            time.sleep(QUIET_S)
            return StopEvidence(clients, clients + others, said, then, fleet.reached(), _copies(fleet))


def judge_stop(evidence: StopEvidence) -> Iterator[Finding]:
    """Every promise of a stop."""
    said = evidence.said
    ended = said["delivered"] + said["gone"] + said["failed"]
    yield Finding(
        "It stops in the middle", f"{ended:,} of {evidence.rows:,} connections", 0 < ended < evidence.rows
    )
    yield Finding(
        "The command says how many got it",
        f"{said['delivered']:,} said, {evidence.then:,} clients of {evidence.clients:,} had it",
        said["delivered"] == evidence.then and said["ended"],
    )
    yield Finding(
        f"Nothing is sent {QUIET_S:.0f} s later",
        f"{evidence.later - evidence.then:,} clients more",
        evidence.later == evidence.then,
    )
    twice = evidence.copies - evidence.later
    yield Finding(
        "A second copy only within what is in doubt",
        f"{twice:,} of {said['in_doubt']:,}",
        twice <= said["in_doubt"],
    )


def run_restart(directory: Path, clients: int, seed: int, rate_per_s: int, say: Say) -> RestartEvidence:
    """Kill the embedded AWS, and with it every socket, when half of the clients have it; start it again and resume."""
    common = _prepare(directory, shard_connections=100)
    with embedded_aws(directory / "aws") as aws, open_fleet(aws, directory, clients, common) as fleet:
        broadcast = _broadcast(aws, directory, common, rate_per_s)
        with _running(broadcast, lambda: fleet.reached() * 2 >= clients):
            os.kill(aws.pid, signal.SIGKILL)
            say(f"kill -9 of the embedded AWS after {fleet.reached():,} clients had it")
        with state_directory_of(directory / "aws"):
            service.ensure_running(port=aws.port, say=lambda _: None)
        exit_code, summary = broadcast.run_to_end()
        return RestartEvidence(clients, fleet.reached(), _copies(fleet), summary, exit_code)


def judge_restart(evidence: RestartEvidence) -> Iterator[Finding]:
    """Every promise that holds when all sockets are closed in the middle."""
    counts = evidence.summary
    yield Finding(
        "AWS killed: who did not get it is gone, and counted",
        f"{evidence.reached:,} of {evidence.clients:,} had it, {counts['gone']:,} gone",
        evidence.reached + counts["gone"] >= evidence.clients > evidence.reached > 0,
    )
    yield Finding(
        "AWS killed: each connection has exactly one outcome",
        f"{counts['delivered']:,} delivered, {counts['gone']:,} gone, {counts['pending']:,} pending",
        counts["delivered"] + counts["gone"] == counts["connections"] == evidence.clients
        and not counts["pending"],
    )
    twice = evidence.copies - evidence.reached
    yield Finding("AWS killed: no client has it twice", f"{twice:,}", twice == 0)
    yield Finding(
        "AWS killed: the exit code says that nothing failed", str(evidence.exit_code), evidence.exit_code == 0
    )


def _prepare(directory: Path, *, shard_connections: int) -> list[str]:
    (directory / "program").mkdir(parents=True)
    configuration = directory / "whatschat.yaml"
    text = CONFIGURATION.format(distributed="true")
    configuration.write_text(
        text.replace("shard_connections: 100", f"shard_connections: {shard_connections}")
    )
    return ["--config", str(configuration)]


def _broadcast(aws: LocalService, directory: Path, common: list[str], rate_per_s: int) -> Broadcast:
    options = ["--rate", str(rate_per_s), "--engine", "distributed"]
    return Broadcast(program_environment(aws, directory), directory / "program", options, common)


@contextmanager
def _running(broadcast: Broadcast, reached: Callable[[], bool]) -> Iterator[str]:
    """The broadcast, from the moment on when so many have it; at the end its command is ended."""
    process = broadcast.start()
    try:
        until_s = time.monotonic() + LIMIT_S
        while not reached() and process.poll() is None and time.monotonic() < until_s:
            time.sleep(0.01)
        run_id = broadcast.run_id()
        assert run_id is not None and process.poll() is None, broadcast.said()
        yield run_id
    finally:
        process.kill()
        process.communicate()


def _copies(fleet: Fleet) -> int:
    return sum(map(len, fleet.received.values()))
