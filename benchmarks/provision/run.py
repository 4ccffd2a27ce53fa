"""Create, no-op, one-field update and destroy of the stack: this program beside other tools, on one embedded AWS.

    python benchmarks/provision/run.py [--runs 3] [--venv DIR] [--write]

Per row and tool: wall time, API calls (at a counting proxy that all of them go through) and peak memory, the median of N
runs, the tools taking turns. Then what a no-op plan reads. `--write` puts the tables into docs/benchmarks.md. `--venv` is
where chalice is, or will be, installed; without it, in a directory that is deleted. Everything that is started is stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
from counting_proxy import CountingProxy, counting_proxy
from tools import CLI, ROWS, Tool, chalice, cloudformation, ours

BUCKET = "code"
DOCUMENT = Path(__file__).parents[2] / "docs" / "benchmarks.md"


@dataclass(frozen=True)
class Figures:
    """One run of one row."""

    seconds: float
    calls: int
    peak_mb: float


def environment(state: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "WHATSCHAT_"))}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    return {**kept, "WHATSCHAT_OPS_STATE_DIR": state, "WHATSCHAT_LOCAL_PORT": port, "NO_COLOR": "1"}


@contextmanager
def embedded(state: str) -> Iterator[dict[str, str]]:
    """A running embedded AWS; the standard variables that lead any client to it."""
    base = environment(state)
    subprocess.run([*CLI, "local", "start"], env=base, cwd=state, check=True, stdout=subprocess.DEVNULL)
    try:
        made = subprocess.run(
            [*CLI, "local", "env"], env=base, cwd=state, check=True, capture_output=True, text=True
        )
        yield {**base, **dict(re.findall(r"^export (\w+)=[\"']?(.*?)[\"']?$", made.stdout, re.MULTILINE))}
    finally:
        subprocess.run([*CLI, "local", "stop"], env=base, cwd=state, check=True, stdout=subprocess.DEVNULL)


def measure(tool: Tool, row: str, variables: dict[str, str], proxy: CountingProxy) -> Figures:
    """Run one row. Exits with the tool's own words when it fails."""
    tool.prepare(row)
    proxy.reset()
    peak_kb = 0
    started = time.perf_counter()
    for command in tool.commands[row]:
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                command, cwd=tool.directory, env=variables, stdout=output, stderr=subprocess.STDOUT
            )
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            peak_kb = max(peak_kb, usage.ru_maxrss)
            if process.returncode:
                output.seek(0)
                sys.exit(f"{tool.name} {row}: {' '.join(command)}\n{output.read().decode()}")
    seconds = time.perf_counter() - started
    return Figures(seconds, sum(proxy.reset().values()), peak_kb / 1024)


def run_all(
    tools: list[Tool], runs: int, variables: dict[str, str], proxy: CountingProxy
) -> dict[tuple[str, str], list[Figures]]:
    found: dict[tuple[str, str], list[Figures]] = {(tool.name, row): [] for tool in tools for row in ROWS}
    for run in range(runs):
        for tool in (tool for tool in tools if run < tool.most_runs):
            for row in ROWS:
                figures = measure(tool, row, variables, proxy)
                found[tool.name, row].append(figures)
                print(f"run {run + 1}: {tool.name:20} {row:8} {figures.seconds:6.2f} s {figures.calls:4} calls {figures.peak_mb:5.0f} MB", file=sys.stderr)  # fmt: skip
    return found


def table(tools: list[Tool], found: dict[tuple[str, str], list[Figures]]) -> str:
    first, *others = tools
    lines = [f"| | {first.name} | {' | '.join(f'{other.name} | ratio' for other in others)} |"]
    lines.append("|---" * (2 + 2 * len(others)) + "|")
    for row in ROWS:
        for what, form in (("seconds", "{:.2f} s"), ("calls", "{:.0f} calls"), ("peak_mb", "{:.0f} MB")):
            medians = [statistics.median(getattr(f, what) for f in found[tool.name, row]) for tool in tools]
            cells = [form.format(medians[0])]
            for median in medians[1:]:
                cells += [form.format(median), f"{median / medians[0]:.2f}×"]
            lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join(lines)


def no_op_reads(tool: Tool, variables: dict[str, str], proxy: CountingProxy) -> str:
    """What a plan without changes reads: calls by operation, and how many resources there are."""
    provision = tool.commands["create"][0]
    subprocess.run(provision, cwd=tool.directory, env=variables, check=True, stdout=subprocess.DEVNULL)
    proxy.reset()
    plan = [*provision[: provision.index("provision")], "plan", "--json"]
    made = subprocess.run(plan, cwd=tool.directory, env=variables, check=True, capture_output=True, text=True)
    calls: Counter[str] = proxy.reset()
    resources = len(json.loads(made.stdout)["steps"])
    subprocess.run(
        tool.commands["destroy"][0], cwd=tool.directory, env=variables, check=True, stdout=subprocess.DEVNULL
    )
    total = sum(calls.values())
    lines = [
        f"A plan without changes of {resources} resources makes {total} calls, {total / resources:.2f} for each:",
        "",
        "| call | times |",
        "|---|---|",
    ]
    return "\n".join([*lines, *(f"| `{name}` | {count} |" for name, count in sorted(calls.items()))])


def write(text: str) -> None:
    old = DOCUMENT.read_text(encoding="utf-8")
    marked = re.compile(r"(<!-- provision -->\n).*?(<!-- /provision -->)", re.DOTALL)
    DOCUMENT.write_text(marked.sub(lambda match: f"{match[1]}{text}\n{match[2]}", old), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--venv", type=Path, help="where chalice is installed, or will be")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as scratch,
        embedded(scratch) as direct,
        counting_proxy(int(direct["WHATSCHAT_LOCAL_PORT"])) as proxy,
    ):
        variables = {**direct, "AWS_ENDPOINT_URL": proxy.url, "AWS_DEFAULT_REGION": direct["AWS_REGION"]}
        text = compare(Path(scratch), arguments.venv, arguments.runs, variables, proxy)
    print(text)
    if arguments.write:
        write(text)


def compare(
    scratch: Path, venv: Path | None, runs: int, variables: dict[str, str], proxy: CountingProxy
) -> str:
    """Set up what none of the tools is timed for, then time them."""
    mine = ours(scratch / "ours")
    session = {
        "endpoint_url": variables["AWS_ENDPOINT_URL"],
        "region_name": variables["AWS_REGION"],
        "aws_access_key_id": variables["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": variables["AWS_SECRET_ACCESS_KEY"],
    }
    boto3.client("s3", **session).create_bucket(Bucket=BUCKET)
    for row in ("create", "destroy"):  # leaves the Region's log role behind, which all runs then find
        measure(mine, row, variables, proxy)
    peers = [
        cloudformation(scratch / "cloudformation", variables, mine.directory, BUCKET),
        chalice(scratch / "chalice", (venv or scratch / "venv").resolve()),
    ]
    tools = [mine, *(peer for peer in peers if peer is not None)]
    reads = no_op_reads(mine, variables, proxy)
    found = run_all(tools, runs, variables, proxy)
    counts = ", ".join(f"{tool.name} {min(runs, tool.most_runs)}" for tool in tools)
    header = f"Medians; runs: {counts}. The ratio is the peer's figure divided by ours."
    return "\n\n".join([header, table(tools, found), reads])


if __name__ == "__main__":
    main()
