"""Create, no-op, one-field update and destroy of the stack: this program beside other tools, on one embedded AWS.

    python benchmarks/provision/run.py [--runs 3] [--venv DIR] [--write]

Per row and tool: wall time, processor time of the tool (the emulator's is not in it) and peak memory, the median of N runs, the
tools taking turns; API calls, in one more run in which all of them go through a counting proxy (which takes time for every call,
so that nothing is timed there). Then what a plan without changes reads. `--write` puts the tables into docs/benchmarks.md. `--venv`
is where the AWS CLI and chalice are, or will be, installed; without it, in a directory that is deleted. Everything that is
started is stopped.
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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
from counting_proxy import CountingProxy, counting_proxy
from tools import CLI, ROWS, Tool, chalice, cloudformation, install, ours

BUCKET = "code"
FORMS = {
    "seconds": "{:.2f} s",
    "processor_s": "{:.2f} s of processor",
    "peak_mb": "{:.0f} MB",
}
DOCUMENT = Path(__file__).parents[2] / "docs" / "benchmarks.md"


@dataclass(frozen=True)
class Figures:
    """One run of one row."""

    seconds: float
    processor_s: float
    peak_mb: float


def environment(state: str) -> dict[str, str]:
    # An installed program is compiled; so is this checkout, from its first run on.
    left_out = ("AWS_", "WHATSCHAT_", "PYTHONDONTWRITEBYTECODE")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
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


def measure(tool: Tool, row: str, variables: dict[str, str]) -> Figures:
    """Run one row. Exits with the tool's own words when it fails."""
    tool.prepare(row)
    time.sleep(1.1)  # `aws cloudformation deploy` names its change set after the second
    peak_kb, processor_s = 0, 0.0
    started = time.perf_counter()
    for command in tool.commands[row]:
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                command, cwd=tool.directory, env=variables, stdout=output, stderr=subprocess.STDOUT
            )
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            peak_kb = max(peak_kb, usage.ru_maxrss)
            processor_s += usage.ru_utime + usage.ru_stime
            if process.returncode:
                output.seek(0)
                sys.exit(f"{tool.name} {row}: {' '.join(command)}\n{output.read().decode()}")
    seconds = time.perf_counter() - started
    return Figures(seconds, processor_s, peak_kb / 1024)


def count_calls(
    tools: list[Tool], variables: dict[str, str], proxy: CountingProxy
) -> dict[tuple[str, str], int]:
    """The calls of each tool and row; `variables` lead to the proxy."""
    calls = {}
    for tool in tools:
        for row in ROWS:
            proxy.reset()
            measure(tool, row, variables)
            calls[tool.name, row] = sum(proxy.reset().values())
    return calls


def run_all(tools: list[Tool], runs: int, variables: dict[str, str]) -> dict[tuple[str, str], list[Figures]]:
    found: dict[tuple[str, str], list[Figures]] = {(tool.name, row): [] for tool in tools for row in ROWS}
    for run in range(runs):
        for tool in (tool for tool in tools if run < tool.most_runs):
            for row in ROWS:
                figures = measure(tool, row, variables)
                found[tool.name, row].append(figures)
                print(f"run {run + 1}: {tool.name:20} {row:8} {figures.seconds:6.2f} s ({figures.processor_s:.2f} s processor) {figures.peak_mb:5.0f} MB", file=sys.stderr)  # fmt: skip
    return found


def table(
    tools: list[Tool], found: dict[tuple[str, str], list[Figures]], calls: dict[tuple[str, str], int]
) -> str:
    first, *others = tools
    lines = [f"| | {first.name} | {' | '.join(f'{other.name} | ratio' for other in others)} |"]
    lines.append("|---" * (2 + 2 * len(others)) + "|")
    for row in ROWS:
        for what, form in FORMS.items():
            medians = [statistics.median(getattr(f, what) for f in found[tool.name, row]) for tool in tools]
            lines.append(line(row, form, medians))
        lines.append(line(row, "{:.0f} calls", [calls[tool.name, row] for tool in tools]))
    return "\n".join(lines)


def line(row: str, form: str, figures: Sequence[float]) -> str:
    cells = [form.format(figures[0])]
    for figure in figures[1:]:
        cells += [form.format(figure), f"{figure / figures[0]:.2f}×"]
    return f"| {row} | {' | '.join(cells)} |"


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
    parser.add_argument("--venv", type=Path, help="where the peers are installed, or will be")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as scratch,
        embedded(scratch) as direct,
        counting_proxy(int(direct["WHATSCHAT_LOCAL_PORT"])) as proxy,
    ):
        direct["AWS_DEFAULT_REGION"] = direct["AWS_REGION"]
        text = compare(Path(scratch), arguments.venv, arguments.runs, direct, proxy)
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
        measure(mine, row, variables)
    venv = (venv or scratch / "venv").resolve()
    install(venv)
    tools = [
        mine,
        cloudformation(scratch / "cloudformation", venv, variables, mine.directory, BUCKET),
        chalice(scratch / "chalice", venv),
    ]
    counted = {**variables, "AWS_ENDPOINT_URL": proxy.url}
    reads = no_op_reads(mine, counted, proxy)
    found, calls = run_all(tools, runs, variables), count_calls(tools, counted, proxy)
    counts = ", ".join(f"{tool.name} {min(runs, tool.most_runs)}" for tool in tools)
    header = f"Medians; runs: {counts}. The ratio is the peer's figure divided by ours."
    return "\n\n".join([header, table(tools, found, calls), reads])


if __name__ == "__main__":
    main()
