"""The embedded AWS compared with ministack alone, on the same machine, with the same stack and the same clients.

    python benchmarks/local/run.py [--sockets 1000] [--messages 2000] [--only embedded|ministack]

For each: provision the stack, then time (1) the handshakes of N connections, 32 at a time, (2) the warm ping round
trip of one connection, (3) messages per second through the `default` function from 32 connections, and (4) the memory
of the service with N idle connections. Loopback only; every wait is bounded; everything that is started is stopped.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
import psutil
import websockets

CLI = [sys.executable, "-m", "whatschat_ops"]
HANDSHAKES_AT_ONCE = 32
PING = json.dumps({"type": "ping"})


@dataclass(frozen=True)
class Target:
    """A running AWS with the stack in it."""

    name: str
    url: str
    token: str
    pid: int


@dataclass(frozen=True)
class Figures:
    """What was measured."""

    handshakes_s: float
    handshake_errors: int
    ping_median_ms: float
    ping_p99_ms: float
    messages_per_s: float
    service_mb: float
    with_workers_mb: float


def run_cli(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [*CLI, *arguments], env=environment, capture_output=True, text=True, timeout=180, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} failed: {done.stdout}{done.stderr}")
    return done.stdout.strip()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def clean_environment(state: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "WHATSCHAT_"))}
    return {**kept, "WHATSCHAT_OPS_STATE_DIR": state, "WHATSCHAT_LOCAL_PORT": str(free_port())}


@contextmanager
def embedded() -> Iterator[Target]:
    with tempfile.TemporaryDirectory() as state:
        environment = clean_environment(state)
        try:
            run_cli(environment, "provision", "--yes", "--quiet")
            status = json.loads(run_cli(environment, "local", "status", "--json"))
            url = run_cli(environment, "ws", "endpoint")
            yield Target(
                "embedded AWS", url, run_cli(environment, "token", "mint", "--user", "bench"), status["pid"]
            )
        finally:
            run_cli(environment, "local", "stop", "--quiet")


@contextmanager
def ministack() -> Iterator[Target]:
    with tempfile.TemporaryDirectory() as state:
        port = free_port()
        server_environment = {
            "PATH": os.environ["PATH"], "HOME": state, "TMPDIR": state, "GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1",
            "IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0", "LAMBDA_EXECUTOR": "local", "LOG_LEVEL": "ERROR",
        }  # fmt: skip
        server = subprocess.Popen(
            [sys.executable, "-m", "ministack"],
            env=server_environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        environment = clean_environment(state) | {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        try:
            wait_for_port(port)
            run_cli(environment, "provision", "--yes", "--quiet")
            api_id = json.loads(run_cli(environment, "ws", "endpoint", "--json"))["api_id"]
            base = f"http://127.0.0.1:{port}/_aws/execute-api/{api_id}/production"
            post_back_to(base, environment)
            url = base.replace("http", "ws", 1)
            yield Target(
                "ministack alone", url, run_cli(environment, "token", "mint", "--user", "bench"), server.pid
            )
        finally:
            for process in (*psutil.Process(server.pid).children(recursive=True), server):
                process.kill()
            server.wait(20)


def post_back_to(endpoint: str, environment: dict[str, str]) -> None:
    """Give the `default` function an endpoint that every resolver knows; ministack's own is below .localhost."""
    client = boto3.client(
        "lambda",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    name = "websocket-default"
    variables = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    variables["API_GATEWAY_ENDPOINT"] = endpoint
    client.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    client.get_waiter("function_updated_v2").wait(FunctionName=name)
    version = client.publish_version(FunctionName=name)["Version"]
    client.update_alias(FunctionName=name, Name="live", FunctionVersion=version)


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    sys.exit(f"Nothing listens on port {port}.")


async def measure(target: Target, sockets: int, messages: int) -> Figures:
    gate = asyncio.Semaphore(HANDSHAKES_AT_ONCE)

    async def open_one() -> websockets.ClientConnection | None:
        async with gate:
            try:
                return await websockets.connect(
                    f"{target.url}?token={target.token}", open_timeout=120, compression=None
                )
            except (websockets.InvalidHandshake, OSError, TimeoutError):
                return None

    warm = await open_one()
    started = time.perf_counter()
    opened = await asyncio.gather(*(open_one() for _ in range(sockets)))
    handshakes_s = time.perf_counter() - started
    connections = [connection for connection in opened if connection is not None]
    service_mb, with_workers_mb = memory_mb(target.pid)
    assert warm is not None
    pings = [await ping_ms(warm) for _ in range(220)][20:]
    rate = await throughput(connections[:32], messages)
    await asyncio.gather(*(connection.close() for connection in [warm, *connections]))
    return Figures(
        handshakes_s, sockets - len(connections), statistics.median(pings), statistics.quantiles(pings, n=100)[98],
        rate, service_mb, with_workers_mb,
    )  # fmt: skip


async def ping_ms(connection: websockets.ClientConnection) -> float:
    started = time.perf_counter()
    await connection.send(PING)
    await asyncio.wait_for(connection.recv(), 30)
    return (time.perf_counter() - started) * 1000


async def throughput(connections: list[websockets.ClientConnection], messages: int) -> float:
    """Messages answered per second: every connection sends its share, four in flight, for at most 60 s."""
    share = max(1, messages // len(connections))
    deadline = time.perf_counter() + 60
    answered = 0

    async def drive(connection: websockets.ClientConnection) -> None:
        nonlocal answered
        sent = received = 0
        while received < share and time.perf_counter() < deadline:
            while sent < share and sent - received < 4:
                await connection.send(PING)
                sent += 1
            await asyncio.wait_for(connection.recv(), 60)
            received += 1
            answered += 1

    started = time.perf_counter()
    await asyncio.gather(*(drive(connection) for connection in connections))
    return answered / (time.perf_counter() - started)


def memory_mb(pid: int) -> tuple[float, float]:
    service = psutil.Process(pid)
    own = service.memory_info().rss
    workers = sum(child.memory_info().rss for child in service.children(recursive=True))
    return own / 1e6, (own + workers) / 1e6


def report(rows: dict[str, Figures]) -> str:
    lines = ["| | " + " | ".join(rows) + " |", "|---|" + "---|" * len(rows)]
    labels = {
        "handshakes_s": "handshakes, all (s)",
        "handshake_errors": "handshakes that failed",
        "ping_median_ms": "ping round trip, median (ms)",
        "ping_p99_ms": "ping round trip, 99th percentile (ms)",
        "messages_per_s": "messages answered per second",
        "service_mb": "memory of the service, sockets idle (MB)",
        "with_workers_mb": "memory with its Lambda workers (MB)",
    }
    for field, label in labels.items():
        lines.append(
            f"| {label} | "
            + " | ".join(f"{getattr(figures, field):,.1f}" for figures in rows.values())
            + " |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sockets", type=int, default=1000)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--only", choices=("embedded", "ministack"))
    options = parser.parse_args()
    targets = {"embedded": embedded, "ministack": ministack}
    rows: dict[str, Figures] = {}
    for name, start in targets.items():
        if options.only in (None, name):
            with start() as target:
                rows[target.name] = asyncio.run(measure(target, options.sockets, options.messages))
    print(report(rows))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    main()
