"""A distributed broadcast on the embedded AWS, to rows whose connections are gone: what it takes of whom.

    python benchmarks/broadcast/distributed.py --rows 5000 50000 [--package DIRECTORY]

Prints, for each number of rows: processor time of the command for a connection, of the workers for a message, and the seconds from the start of
the command until an outcome is in S3. `--package` measures the whatschat_ops of another checkout.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import psutil

ROOT = Path(__file__).resolve().parents[2]
TABLE = "websocket-connections"
WORKER = "websocket-broadcast-worker"
CONFIGURATION = "broadcast: {distributed: {enabled: true, shard_connections: 25000, workers: 2}}\n"
PORT = "4708"


class Stack:
    """An embedded AWS with a stack, in a directory of its own."""

    def __init__(self, directory: Path, package: Path) -> None:
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(package),
            "WHATSCHAT_OPS_STATE_DIR": str(directory),
            "WHATSCHAT_LOCAL_PORT": PORT,
        }
        self.configuration = directory / "whatschat.yaml"
        self.configuration.write_text(CONFIGURATION)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "whatschat_ops", "--config", str(self.configuration), *arguments]

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            self.command(*arguments), env=self.environment, check=True, capture_output=True, text=True
        )
        return done.stdout

    def client(self, service: str) -> Any:
        lines = (
            line.removeprefix("export ").partition("=") for line in self.run("local", "env").splitlines()
        )
        variables = {name: value for name, _, value in lines}
        return boto3.client(
            service,
            endpoint_url=variables["AWS_ENDPOINT_URL"],
            region_name="us-east-1",
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        )

    def add_gone(self, rows: int) -> None:
        dynamodb, source = self.client("dynamodb"), random.Random(rows)
        row = {"userId": {"S": "ghost"}, "connectedAt": {"S": "2026-01-01T00:00:00.000Z"}}
        row["ttl"] = {"N": str(int(time.time()) + 36_000)}
        for at in range(0, rows, 25):
            names = (base64.b64encode(source.randbytes(11)).decode() for _ in range(min(25, rows - at)))
            puts = [{"PutRequest": {"Item": {**row, "connectionId": {"S": name}}}} for name in names]
            dynamodb.batch_write_item(RequestItems={TABLE: puts})

    def workers_s(self) -> float:
        """Processor time of the worker's processes so far."""
        service = json.loads((self.configuration.parent / "local" / "service.json").read_text())
        total = 0.0
        for process in psutil.Process(service["pid"]).children(recursive=True):
            with suppress(psutil.Error):
                if process.environ().get("AWS_LAMBDA_FUNCTION_NAME") == WORKER:
                    times = process.cpu_times()
                    total += times.user + times.system
        return total


def measure(stack: Stack, rows: int) -> str:
    """One broadcast, in a line of a table."""
    stack.add_gone(rows)
    before_s, started = stack.workers_s(), time.monotonic()
    process = subprocess.Popen(
        stack.command("ws", "broadcast", "--engine", "distributed", "--yes", "--json", '{"type":"notice"}'),
        env=stack.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    first: list[float] = []
    watching = threading.Thread(target=watch, args=(stack, started, first))
    watching.start()
    assert process.stdout is not None
    summary = json.loads(process.stdout.read())
    _, _, usage = os.wait4(process.pid, 0)
    took_s = time.monotonic() - started
    watching.join()
    assert summary["gone"] == rows, summary
    command_s, workers_s = usage.ru_utime + usage.ru_stime, stack.workers_s() - before_s
    return (
        f"| {rows:,} | {command_s:.2f} s | {command_s / rows * 1e6:.1f} µs | {workers_s / rows * 1e6:.0f} µs "
        f"| {first[0]:.1f} s | {took_s:.1f} s |"
    )


def watch(stack: Stack, started: float, first: list[float]) -> None:
    """When the second part of a shard is there: it has the first outcomes."""
    s3 = stack.client("s3")
    (bucket,) = (each["Name"] for each in s3.list_buckets()["Buckets"] if "broadcast" in each["Name"])
    known = {each["Key"] for page in pages(s3, bucket) for each in page}
    while not first:
        time.sleep(0.1)
        new = (each["Key"] for page in pages(s3, bucket) for each in page if each["Key"] not in known)
        if any(key.endswith("/000002.gz") for key in new):
            first.append(time.monotonic() - started)


def pages(s3: Any, bucket: str) -> Any:
    paginator = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="runs/")
    return (page.get("Contents", []) for page in paginator)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[5_000, 50_000])
    parser.add_argument("--package", type=Path, default=ROOT)
    options = parser.parse_args()
    print("| rows | command | a connection | workers, a message | first outcome | in all |")
    print("|--:|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory(prefix="distributed-") as directory:
        stack = Stack(Path(directory), options.package)
        try:
            stack.run("local", "start")
            stack.run("provision", "--yes")
            for rows in options.rows:
                print(measure(stack, rows), flush=True)
        finally:
            stack.run("local", "stop")


if __name__ == "__main__":
    main()
