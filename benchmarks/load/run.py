"""`ws load` beside the load tests that one writes by hand: with Python's `websockets`, and with Node's `ws`.

    python benchmarks/load/run.py [--sockets 1000] [--runs 3] [--node-modules DIR] [--write]

Two targets: the embedded AWS (the whole path, at a rate that it can answer), and a bare server that only answers pings, at
2,000 pings a second (the tool's own cost). Each tool opens the same sockets at the same rate and sends the same pings on the
same schedule; medians of N runs, the tools taking turns. `--node-modules` is where `ws` is, or will be, installed; without it,
in a directory that is deleted; without Node, that peer is left out. `--write` puts the table into docs/benchmarks.md.

The peers are what people write when they need to know: the same work with the usual client of either language, without
messages between users, loss, duplicates, percentiles per second, bounds or a report.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "benchmarks.md"
CLI = [sys.executable, "-m", "whatschat_ops"]
CONNECT_RATE = 150
SETTLE_S = 5
"""The server is still busy with the goodbyes of the last tool."""


@dataclass(frozen=True)
class Figures:
    """One run of one tool."""

    opened_per_s: float
    round_trips_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_s: float
    peak_mb: float


NAMES = {
    "opened_per_s": ("sockets opened per second", "{:.0f}"),
    "round_trips_per_s": ("round trips per second", "{:.0f}"),
    "p50_ms": ("round trip, median (ms)", "{:.2f}"),
    "p99_ms": ("round trip, 99th percentile (ms)", "{:.1f}"),
    "cpu_s": ("processor time of the tool, start included (s)", "{:.2f}"),
    "peak_mb": ("peak memory of the tool (MB)", "{:.0f}"),
}


@dataclass(frozen=True)
class Target:
    """Where to, and how much."""

    name: str
    url: str
    token: str
    sockets: int
    interval_s: float
    duration_s: float


@dataclass(frozen=True)
class Tool:
    """A load generator: its command for a target, and how to read what it prints."""

    name: str
    command: Callable[[Target], list[str]]
    read: Callable[[Any, Target], tuple[float, float, float, float]]
    directory: Path


def ours(directory: Path) -> Tool:
    def command(target: Target) -> list[str]:
        return [
            *CLI, "ws", "load", "--json", "--quiet", "--url", target.url, "--traffic", "ping", "--sockets", str(target.sockets),
            "--connect-rate", str(CONNECT_RATE), "--interval", str(target.interval_s), "--duration", str(target.duration_s),
        ]  # fmt: skip

    def read(found: Any, target: Target) -> tuple[float, float, float, float]:
        ping = found["ping"]
        if found["sockets"]["opened"] < target.sockets or ping["lost"]:
            sys.exit(f"ws load: {found['sockets']}, {ping['lost']} lost")
        latency = ping["latency"]
        return (
            found["sockets"]["opened_per_s"],
            ping["arrived"] / target.duration_s,
            latency["p50_ms"],
            latency["p99_ms"],
        )

    return Tool("ws load", command, read, directory)


def by_hand(name: str, program: list[str], directory: Path) -> Tool:
    def command(target: Target) -> list[str]:
        figures = (target.sockets, CONNECT_RATE, target.interval_s, target.duration_s)
        return [*program, target.url, target.token, *map(str, figures)]

    def read(found: Any, target: Target) -> tuple[float, float, float, float]:
        if found["failed"]:
            sys.exit(f"{name}: {found['failed']} failed")
        times = sorted(found["times"])
        opened_per_s = found["opened"] / found["ramp_s"]
        return (
            opened_per_s,
            len(times) / target.duration_s,
            statistics.median(times),
            times[int(len(times) * 0.99)],
        )

    return Tool(name, command, read, directory)


def measure(tool: Tool, target: Target, environment: dict[str, str]) -> Figures:
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            tool.command(target), cwd=tool.directory, env=environment, stdout=output, stderr=errors
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        if process.returncode:
            errors.seek(0)
            sys.exit(f"{tool.name} failed: {errors.read().decode()}{output.read().decode()[:500]}")
        found = json.loads(output.read())
    return Figures(*tool.read(found, target), usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def compare(tools: list[Tool], target: Target, environment: dict[str, str], runs: int) -> str:
    found: dict[str, list[Figures]] = {tool.name: [] for tool in tools}
    for run in range(runs):
        for tool in tools[run % len(tools) :] + tools[: run % len(tools)]:
            figures = measure(tool, target, environment)
            time.sleep(SETTLE_S)
            found[tool.name].append(figures)
            print(f"run {run + 1}: {target.name}: {tool.name}: {figures}", file=sys.stderr)
    first, *others = tools
    lines = [
        f"{target.name}: {target.sockets:,} sockets, one ping each {target.interval_s:g} s, {target.duration_s:g} s:",
        "",
        f"| | {first.name} | {' | '.join(f'{other.name} | ratio' for other in others)} |",
        "|---" * (2 + 2 * len(others)) + "|",
    ]
    for field in fields(Figures):
        title, form = NAMES[field.name]
        medians = [statistics.median(getattr(one, field.name) for one in found[tool.name]) for tool in tools]
        cells = [form.format(medians[0])]
        for median in medians[1:]:
            cells += [form.format(median), f"{median / medians[0]:.2f}×"]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def run_cli(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [*CLI, *arguments], env=environment, capture_output=True, text=True, timeout=180, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} failed: {done.stdout}{done.stderr}")
    return done.stdout.strip()


@contextmanager
def embedded(state: str) -> Iterator[dict[str, str]]:
    """A running embedded AWS with the stack in it."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "WHATSCHAT_"))}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    environment = {**kept, "WHATSCHAT_OPS_STATE_DIR": state, "WHATSCHAT_LOCAL_PORT": port}
    try:
        run_cli(environment, "provision", "--yes", "--quiet")
        yield environment
    finally:
        run_cli(environment, "local", "stop", "--quiet")


@contextmanager
def bare_server() -> Iterator[str]:
    server = subprocess.Popen(
        [sys.executable, str(HERE / "pong_server.py")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        yield f"ws://127.0.0.1:{int(server.stdout.readline())}/"
    finally:
        server.terminate()
        server.wait(20)


def tools_in(scratch: Path, node_modules: Path | None) -> list[Tool]:
    found = [
        ours(scratch),
        by_hand("Python websockets, by hand", [sys.executable, str(HERE / "by_hand.py")], scratch),
    ]
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        print("Without Node and npm the second peer is left out.", file=sys.stderr)
        return found
    home = (node_modules or scratch / "node").resolve()
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "node_modules" / "ws").exists():
        subprocess.run([npm, "install", "--no-audit", "--no-fund", "--silent", "ws@8"], cwd=home, check=True)
    return [*found, by_hand("Node ws, by hand", [node, str(HERE / "by_hand.mjs")], home)]


def write(text: str) -> None:
    old = DOCUMENT.read_text(encoding="utf-8")
    marked = re.compile(r"(<!-- load -->\n).*?(<!-- /load -->)", re.DOTALL)
    DOCUMENT.write_text(marked.sub(lambda match: f"{match[1]}{text}\n{match[2]}", old), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sockets", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--node-modules", type=Path, help="where ws is installed, or will be")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, embedded(scratch) as environment, bare_server() as bare:
        tools = tools_in(Path(scratch), arguments.node_modules)
        token = run_cli(environment, "token", "mint", "--user", "bench", "--ttl-minutes", "600")
        url = run_cli(environment, "ws", "endpoint")
        targets = [
            Target("The embedded AWS", url, token, arguments.sockets, 10.0, 10.0),
            Target("A bare server", bare, token, arguments.sockets, arguments.sockets / 2000, 10.0),
        ]
        tables = [compare(tools, target, environment, arguments.runs) for target in targets]
    text = "\n\n".join(
        [f"Medians of {arguments.runs} runs; the ratio is the peer's figure divided by ours.", *tables]
    )
    print(text)
    if arguments.write:
        write(text)


if __name__ == "__main__":
    main()
