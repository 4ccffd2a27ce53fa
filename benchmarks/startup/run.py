"""How long the program takes to start, beside the AWS CLI and beside the smallest Typer program.

    python benchmarks/startup/run.py [--rounds 20] [--aws PATH] [--write]

Every round runs each command once, in a fresh process, in an order that changes from round to round, so that a busy
moment of the machine hits all alike. Prints the median and the fastest time, the median of the processor time, and the
ratio of medians to `import typer` (with its goal) and to `aws --version` (goal: at most 0.5). `aws` is the one on the
PATH; where that is a pyenv shim, name the program behind it (`--aws "$(pyenv which aws)"`), else the shim is measured
too. `--write` puts the table into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

DOCUMENT = Path(__file__).parents[2] / "docs" / "benchmarks.md"
BASE = "python -c 'import typer'"
AWS = "aws --version"
GOALS = {
    "--version": 0.6,
    "--help": 1.5,
    "ws --help": 1.5,
    "chime meeting --help": 1.5,
    "cost estimate": 2.5,
    "config show": 2.5,
}
"""Command -> the most that it may take, times `import typer`. `ws` is the largest group."""
AWS_GOAL = 0.5
USAGE = ("--messages", "10000000", "--users", "1000", "--hours-per-day", "8")


class Times(NamedTuple):
    """Of every run of one command, in milliseconds."""

    wall_ms: list[float]
    processor_ms: list[float]


def commands(aws: str | None) -> dict[str, list[str]]:
    """Name -> command line."""
    program = str(Path(sys.executable).with_name("whatschat-ops"))
    found = {
        "python -c pass": [sys.executable, "-c", "pass"],
        BASE: [sys.executable, "-c", "import typer"],
        "python -c 'import boto3'": [sys.executable, "-c", "import boto3"],
        **{f"whatschat-ops {line}": [program, *line.split()] for line in GOALS},
    }
    found["whatschat-ops cost estimate"] += USAGE
    return {**found, AWS: [aws, "--version"]} if aws else found


def measure(lines: dict[str, list[str]], rounds: int) -> dict[str, Times]:
    """The times of every run, after one round that fills the caches."""
    times = {name: Times([], []) for name in lines}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WHATSCHAT_")}
    for number in range(rounds + 1):
        for name in random.sample(list(lines), len(lines)):
            begin = time.perf_counter()
            # No timeout: waiting with one polls, in steps of up to 50 ms.
            process = subprocess.Popen(lines[name], env=environment, stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise subprocess.CalledProcessError(process.returncode, lines[name])
            if number:
                times[name].wall_ms.append((time.perf_counter() - begin) * 1000)
                times[name].processor_ms.append((usage.ru_utime + usage.ru_stime) * 1000)
    return times


def report(times: dict[str, Times]) -> str:
    """A table of medians, minima and ratios."""
    medians = {name: statistics.median(each.wall_ms) for name, each in times.items()}
    rows = [
        f"{'':36}{'median':>8}{'fastest':>9}{'processor':>11}{'/ import typer':>16}{'goal':>6}{'/ aws --version':>17}"
    ]
    for name, median in medians.items():
        goal = GOALS.get(name.removeprefix("whatschat-ops "))
        to_aws = f"{median / medians[AWS]:.2f}" if AWS in medians else "no aws"
        rows.append(
            f"{name:36}{median:5.0f} ms{min(times[name].wall_ms):6.0f} ms"
            f"{statistics.median(times[name].processor_ms):8.0f} ms{median / medians[BASE]:16.2f}"
            f"{goal or '':>6}{to_aws:>17}"
        )
    return "\n".join(rows)


def missed(times: dict[str, Times]) -> list[str]:
    """The commands that take longer than their goals."""
    medians = {name: statistics.median(each.wall_ms) for name, each in times.items()}
    return [
        line
        for line, goal in GOALS.items()
        if (median := medians[f"whatschat-ops {line}"]) > goal * medians[BASE]
        or median > AWS_GOAL * medians.get(AWS, float("inf"))
    ]


def write(text: str) -> None:
    """Put the table into the page."""
    old = DOCUMENT.read_text(encoding="utf-8")
    marked = re.compile(r"(<!-- startup -->\n).*?(<!-- /startup -->)", re.DOTALL)
    DOCUMENT.write_text(
        marked.sub(lambda match: f"{match[1]}```\n{text}\n```\n{match[2]}", old), encoding="utf-8"
    )


def main() -> int:
    """Measure, print, and fail if a goal is missed."""
    parser = argparse.ArgumentParser(description="Compare start-up times.")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--aws", default=shutil.which("aws"))
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    arguments = parser.parse_args()
    times = measure(commands(arguments.aws), arguments.rounds)
    text = report(times)
    print(text)
    if arguments.write:
        write(text)
    for line in missed(times):
        print(f"missed: whatschat-ops {line}", file=sys.stderr)
    return 1 if missed(times) else 0


if __name__ == "__main__":
    sys.exit(main())
