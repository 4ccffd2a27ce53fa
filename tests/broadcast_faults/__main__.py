"""python -m tests.broadcast_faults: one run, and a table of what it promised and what was found."""

# ruff: noqa: T201 - this is a command of its own
from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from tests.broadcast_faults import scenario, sockets
from tests.broadcast_faults.fates import PER_MILLE, SLOW_ANSWER_S, SLOW_SHARDS
from tests.broadcast_faults.scenario import Evidence, Finding
from tests.broadcast_faults.world import faulty_world

DEFAULTS = {"endpoint": (200_000, 3), "sockets": (1_000, 1), "distributed": (1_000, 1)}
SOCKET_RATE_PER_S = 400
"""Slow enough that the kill comes in the middle."""


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 if every promise was kept, 1 if one was not."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that a terminated run stops its AWS, too
    connections, kills = DEFAULTS[options.against]
    connections = options.connections or connections
    kills = kills if options.kills is None else options.kills
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="broadcast-faults-") as scratch:
        if options.against != "endpoint":
            rate, distributed = options.rate or SOCKET_RATE_PER_S, options.against == "distributed"
            found = sockets.run_sockets(
                Path(scratch), connections, kills, options.seed, rate, _say, distributed=distributed
            )
            findings = list(sockets.judge_sockets(found))
        else:
            with faulty_world(Path(scratch), connections, options.seed) as world:
                _say(f"{len(world.own):,} rows written in {time.monotonic() - started:.0f} s")
                evidence = scenario.run_scenario(world, options.seed, kills, options.rate, _say)
            _print_faults(evidence)
            findings = list(scenario.judge(evidence))
    _print_findings(findings)
    print(
        f"\n{connections:,} connections, {kills} kill -9, seed {options.seed}; {time.monotonic() - started:.0f} s"
    )
    return 0 if all(finding.kept for finding in findings) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.broadcast_faults", description=__doc__)
    parser.add_argument("against", nargs="?", choices=list(DEFAULTS), default="endpoint")
    parser.add_argument("--connections", type=int, help="default: 200,000, or 1,000 sockets")
    parser.add_argument("--kills", type=int, help="default: 3, or 1 for sockets")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=int, help="posts per second (default: the account's limit)")
    return parser


def _say(text: str) -> None:
    print(text, flush=True)


def _print_faults(evidence: Evidence) -> None:
    total = evidence.report.attempts.total()
    print(f"\n{total:,} POSTs arrived.\n\n| answer | POSTs | planned for |\n|---|---|---|")
    shares = {str(fate): share for fate, share in PER_MILLE}
    for answer, number in sorted(evidence.report.answers.items()):
        planned = f"{shares[answer] / 10:g}% of the connections" if answer in shares else ""
        print(f"| {answer} | {number:,} | {planned} |")
    print(f"\nOne shard in {SLOW_SHARDS} answers after {SLOW_ANSWER_S * 1000:.0f} ms.")


def _print_findings(findings: Iterable[Finding]) -> None:
    print("\n| promise | found | |\n|---|---|---|")
    for finding in findings:
        print(f"| {finding.promise} | {finding.figures} | {'kept' if finding.kept else '**BROKEN**'} |")


if __name__ == "__main__":
    sys.exit(main())
