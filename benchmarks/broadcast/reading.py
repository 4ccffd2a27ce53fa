"""What commands that read the whole connections table take of the processor for a row: python benchmarks/broadcast/reading.py

    python benchmarks/broadcast/reading.py [--rows 200000] [--package DIRECTORY]

The whole command is measured with a table of `--rows` rows and with one of 5,000 (a fast stand-in for DynamoDB); the difference is the rows'.
`--package` measures the whatschat_ops of another checkout.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import run
from servers import HERE, stand_in

FEW = 5_000
COMMANDS = {
    "ws connections stats": ("ws", "connections", "stats", "--json"),
    "ws prune --dry-run": ("ws", "prune", "--dry-run", "--json"),
    "ws disconnect --all --dry-run": ("ws", "disconnect", "--all", "--dry-run", "--json"),
}


def cpu_s(arguments: tuple[str, ...], rows: int, package: Path, scratch: Path) -> float:
    """Processor time of one command for a table of so many rows."""
    with stand_in([sys.executable, str(HERE / "fake_aws.py"), str(rows)]) as (port, _):
        variables = run.environment(scratch, port, "http://127.0.0.1:9/production", None)
        process = subprocess.Popen(
            [sys.executable, "-m", "whatschat_ops", *arguments],
            env={**variables, "PYTHONPATH": str(package)},
            cwd=scratch,
            stdout=subprocess.DEVNULL,
        )
        _, found_s, _ = run.wait(process, 0.0)
    if process.returncode:
        sys.exit(f"{' '.join(arguments)} ended with {process.returncode}")
    return found_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--package", type=Path, default=run.ROOT)
    asked = parser.parse_args()
    print(f"Load average {os.getloadavg()[0]:.1f}.\n\n| command | processor time of a row |\n|---|--:|")
    with tempfile.TemporaryDirectory() as scratch:
        for name, arguments in COMMANDS.items():
            few, many = (cpu_s(arguments, rows, asked.package, Path(scratch)) for rows in (FEW, asked.rows))
            print(f"| `{name}` | {(many - few) / (asked.rows - FEW) * 1e6:.1f} µs |")


if __name__ == "__main__":
    main()
