"""How long the program takes to start, beside the AWS CLI and beside the smallest Typer program.

    python benchmarks/startup/run.py [--rounds 20] [--aws PATH]

Every round runs each command once, in a fresh process, in an order that changes from round to round, so that a busy
moment of the machine hits all alike. Prints the median, the fastest, and the ratio of medians to `import typer` and
to `aws --version`. `aws` is the one on the PATH; where that is a pyenv shim, name the program behind it
(`--aws "$(pyenv which aws)"`), else the shim is measured too.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

BASE = "python -c 'import typer'"
AWS = "aws --version"


def commands(aws: str | None) -> dict[str, list[str]]:
    """Name -> command line."""
    program = str(Path(sys.executable).with_name("whatschat-ops"))
    usage = ["--messages", "10000000", "--users", "1000", "--hours-per-day", "8"]
    found = {
        "python -c pass": [sys.executable, "-c", "pass"],
        BASE: [sys.executable, "-c", "import typer"],
        "python -c 'import boto3'": [sys.executable, "-c", "import boto3"],
        "whatschat-ops --version": [program, "--version"],
        "whatschat-ops --help": [program, "--help"],
        "whatschat-ops cost estimate": [program, "cost", "estimate", *usage],
    }
    return {**found, AWS: [aws, "--version"]} if aws else found


def measure(lines: dict[str, list[str]], rounds: int) -> dict[str, list[float]]:
    """Wall time in milliseconds of every run, after one round that fills the caches."""
    times: dict[str, list[float]] = {name: [] for name in lines}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WHATSCHAT_")}
    for number in range(rounds + 1):
        for name in random.sample(list(lines), len(lines)):
            begin = time.perf_counter()
            # No timeout: waiting with one polls, in steps of up to 50 ms.
            subprocess.run(lines[name], env=environment, stdout=subprocess.DEVNULL, check=True)
            if number:
                times[name].append((time.perf_counter() - begin) * 1000)
    return times


def report(times: dict[str, list[float]]) -> str:
    """A table of medians, minima and ratios."""
    medians = {name: statistics.median(values) for name, values in times.items()}
    rows = [f"{'':30}{'median':>10}{'fastest':>10}{'/ import typer':>16}{'/ aws --version':>17}"]
    for name, median in medians.items():
        to_aws = f"{median / medians[AWS]:.2f}" if AWS in medians else "no aws"
        rows.append(
            f"{name:30}{median:7.0f} ms{min(times[name]):7.0f} ms{median / medians[BASE]:16.2f}{to_aws:>17}"
        )
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare start-up times.")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--aws", default=shutil.which("aws"))
    arguments = parser.parse_args()
    print(report(measure(commands(arguments.aws), arguments.rounds)))


if __name__ == "__main__":
    main()
