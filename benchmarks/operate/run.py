"""`logs tail` beside `aws logs tail` and awslogs, on the same log groups of one embedded AWS.

    python benchmarks/operate/run.py [--aws COMMAND] [--awslogs COMMAND] [--seconds 20] [--rate 2000] [--write]

AWS CLI 2 is Debian's package awscli (version 1 of PyPI has no such command). Without installing it:

    apt-get download awscli && dpkg-deb -x awscli_*.deb root
    python -m venv venv && venv/bin/pip install awscrt colorama docutils distro 'prompt_toolkit<3.0.39' 'ruamel.yaml<0.18' \\
        python-dateutil jmespath 'urllib3<1.27' cryptography awslogs
    --aws 'env PYTHONPATH=root/usr/lib/python3/dist-packages venv/bin/python root/usr/bin/aws' --awslogs venv/bin/awslogs

First each reads what is there: one group, and all four (the peers: four times, not merged). Then each follows while events are
written; the peers, which read one group, have that group's share. Processor times are those of the client alone. `--write` puts
the table into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import boto3

from whatschat_ops.config import Settings
from whatschat_ops.local import service
from whatschat_ops.local.service import LocalService
from whatschat_ops.logs.groups import log_groups

DOCUMENT = Path(__file__).parents[2] / "docs" / "benchmarks.md"
REGION = "us-east-1"
PREFIX = "bench-"
GROUPS = [group.name for group in log_groups(Settings.of({"prefix": PREFIX}))]
STORED = 5_000
BATCH = 100
NUMBER = re.compile(r'"n": (\d+)')
WAIT_S = 15.0
"""After the last event was written, before a tool that follows is stopped."""


class Used(NamedTuple):
    """What a run took, and how many events it showed: different ones, and all."""

    wall_s: float
    processor_s: float
    shown: int
    lines: int


class Tool(NamedTuple):
    """`read` and `follow` are its command lines for these groups; `merges`: it reads several groups."""

    name: str
    merges: bool
    read: list[str]
    follow: list[str]


def tools(aws: LocalService, options: argparse.Namespace) -> list[Tool]:
    """The tools that are there. A peer's `{group}` is the group's name."""
    ours = [
        str(Path(sys.executable).with_name("whatschat-ops")),
        "logs",
        "tail",
        "--since",
        "1h",
        "-o",
        "raw",
    ]
    found = [Tool("whatschat-ops logs tail", True, ours, [*ours, "--follow"])]
    if options.aws:
        tail = [
            *shlex.split(options.aws),
            "--endpoint-url",
            aws.endpoint_url,
            "logs",
            "tail",
            "{group}",
            "--since",
            "1h",
        ]
        found.append(Tool("aws logs tail", False, tail, [*tail, "--follow"]))
    if options.awslogs:
        get = [
            *shlex.split(options.awslogs),
            "get",
            "{group}",
            "ALL",
            "--aws-endpoint-url",
            aws.endpoint_url,
            "--aws-region",
            REGION,
            "--start",
            "1h",
        ]
        found.append(Tool("awslogs get", False, get, [*get, "--watch"]))
    return found


def put(client: Any, group: str, first: int, size: int) -> None:
    """A batch of events like those of the built-in functions."""
    now_ms = time.time_ns() // 1_000_000
    lines = [
        json.dumps({"level": "INFO", "event": "message", "outcome": "delivered", "requestId": f"{number:036}", "connectionId": "R0oXAdfD0kwCH6w=",
                    "userId": "alice", "route": "$default", "latencyMs": 12.5, "bytesIn": 120, "n": number})
        for number in range(first, first + size)
    ]  # fmt: skip
    events = [{"timestamp": now_ms, "message": line} for line in lines]
    client.put_log_events(logGroupName=group, logStreamName="s", logEvents=events)


def write_events(client: Any, groups: Sequence[str], first: int, rate: float, seconds: float) -> int:
    """Events at a rate, to the groups by turns. How many."""
    started, batches = time.monotonic(), round(rate * seconds / BATCH)
    for number in range(batches):
        time.sleep(max(0.0, started + number * BATCH / rate - time.monotonic()))
        put(client, groups[number % len(groups)], first + number * BATCH, BATCH)
    return batches * BATCH


def ended(process: subprocess.Popen[bytes], output: Path, since: int, started: float) -> Used:
    """Wait for the end of a process."""
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    numbers = [int(found) for found in NUMBER.findall(output.read_text(encoding="utf-8", errors="replace"))]
    new = [number for number in numbers if number >= since]
    return Used(time.monotonic() - started, usage.ru_utime + usage.ru_stime, len(set(new)), len(new))


@contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str], output: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """The process, whose output goes to a file."""
    with output.open("wb") as file:
        yield subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.DEVNULL)


def read_once(tool: Tool, groups: Sequence[str], environment: Mapping[str, str], output: Path) -> Used:
    """Read what is there: at once, or group by group."""
    used = Used(0, 0, 0, 0)
    sources = (
        [[]] if tool.merges and len(groups) > 1 else [["--function", "connect"]] if tool.merges else None
    )
    lines = (
        [[*tool.read, *more] for more in sources]
        if sources
        else [[each.format(group=group) for each in tool.read] for group in groups]
    )
    for line in lines:
        started = time.monotonic()
        with running(line, environment, output) as process:
            one = ended(process, output, 0, started)
        used = Used(
            used.wall_s + one.wall_s,
            used.processor_s + one.processor_s,
            used.shown + one.shown,
            used.lines + one.lines,
        )
    return used


def follow(
    tool: Tool,
    client: Any,
    first: int,
    environment: Mapping[str, str],
    output: Path,
    options: argparse.Namespace,
) -> tuple[Used, int]:
    """Follow while events are written. Also: how many were written."""
    groups = GROUPS if tool.merges else GROUPS[:1]
    started = time.monotonic()
    with running([each.format(group=GROUPS[0]) for each in tool.follow], environment, output) as process:
        time.sleep(WAIT_S)  # it has read what was there before
        share = options.rate * len(groups) / len(GROUPS)
        written = write_events(client, groups, first, share, options.seconds)
        time.sleep(WAIT_S)
        process.send_signal(signal.SIGINT)
        return ended(process, output, first, started), written


def main() -> int:
    """Measure and print."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-operate-") as scratch:
        os.environ["WHATSCHAT_OPS_STATE_DIR"] = scratch
        aws = service.ensure_running(port=options.port, say=lambda _: None)
        try:
            table = measure(aws, options, Path(scratch))
        finally:
            service.stop()
    print(table)
    if options.write:
        old = DOCUMENT.read_text(encoding="utf-8")
        marked = re.compile(r"(<!-- operate -->\n).*?(<!-- /operate -->)", re.DOTALL)
        DOCUMENT.write_text(marked.sub(lambda match: f"{match[1]}{table}\n{match[2]}", old), encoding="utf-8")
    return 0


def measure(aws: LocalService, options: argparse.Namespace, scratch: Path) -> str:
    """The table."""
    keys = {"AWS_ACCESS_KEY_ID": aws.access_key_id, "AWS_SECRET_ACCESS_KEY": aws.secret_access_key.reveal()}
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(scratch),
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        **keys,
    }
    ours = {**environment, "WHATSCHAT_PREFIX": PREFIX, "AWS_ENDPOINT_URL": aws.endpoint_url}
    client = boto3.client(
        "logs",
        endpoint_url=aws.endpoint_url,
        region_name=REGION,
        **{name.lower(): value for name, value in keys.items()},
    )
    for group in GROUPS:
        client.create_log_group(logGroupName=group)
        client.create_log_stream(logGroupName=group, logStreamName="s")
    number = 0
    for group in GROUPS:
        for _ in range(STORED // BATCH):
            put(client, group, number, BATCH)
            number += BATCH
    base: dict[str, float] = {}
    output = scratch / "output.txt"
    rows = {tool.name: list[str]() for tool in tools(aws, options)}
    # All read before anything is added, so that all read the same.
    for tool in tools(aws, options):
        where = ours if tool.merges else environment
        cells = rows[tool.name]
        for groups in (GROUPS[:1], GROUPS):
            used = read_once(tool, groups, where, output)
            us = base.setdefault(str(len(groups)), used.processor_s)
            cells.append(
                f"{used.processor_s:.2f} s ({used.processor_s / us:.2f}), {used.shown:,} of {STORED * len(groups):,}"
            )
    for tool in tools(aws, options):
        where = ours if tool.merges else environment
        used, written = follow(tool, client, number, where, output, options)
        number += written
        for_each_ms = 1000 * used.processor_s / max(1, used.shown)
        us = base.setdefault("follow", for_each_ms)
        rows[tool.name].append(
            f"{written / options.seconds:,.0f}/s: {used.shown:,} of {written:,}, {used.lines - used.shown:,} twice; {for_each_ms:.2f} ms an event ({for_each_ms / us:.2f})"
        )
    head = "| | one group | four groups, the peers one after the other | following |\n|---|---|---|---|"
    return "\n".join([head, *(f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items())])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Compare readers of logs.")
    parser.add_argument("--aws", default="", help="command of AWS CLI 2")
    parser.add_argument("--awslogs", default="", help="command of awslogs")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rate", type=float, default=2_000)
    parser.add_argument("--port", type=int, default=4702)
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    return parser


if __name__ == "__main__":
    sys.exit(main())
