"""What a run costs beside the posting: list, journal, claims, results, pruning marks and the closing count.

    python benchmarks/broadcast/journal.py [--connections 1000000]

A source makes rows, an engine answers at once, one connection in twenty is gone. The processor time of making the rows and
the results alone is measured first and taken off. boto3 is imported, because a real run has it in memory. Needs no network.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import boto3

from whatschat_ops.broadcast.audience.targets import Page, Row
from whatschat_ops.broadcast.journal.gone import GoneRow
from whatschat_ops.broadcast.journal.journal import Journal
from whatschat_ops.broadcast.journal.record import RunRecord, new_run_id, timestamp
from whatschat_ops.broadcast.journal.summary import Pruning
from whatschat_ops.broadcast.run import run_broadcast
from whatschat_ops.sender.model import Outcome, Result, Snapshot, Target

BATCH = 300
PAGE = 1_000
GONE_EVERY = 20
CONNECTED_AT = '{"S":"2026-11-23T10:11:12.123Z"}'


class Rows:
    """Rows as a table has them."""

    def __init__(self, connections: int) -> None:
        self._connections = connections

    def pages(self, position: str | None) -> Iterator[Page]:
        """All of them; a benchmark is not resumed."""
        del position
        for start in range(0, self._connections, PAGE):
            end = min(start + PAGE, self._connections)
            yield Page(
                [Row(f"L0SM9cOFvH{i:09}=", f"user-{i:09}", CONNECTED_AT) for i in range(start, end)], str(end)
            )


class AnswersAtOnce:
    """An engine whose posts take no time."""

    def run(self, journal: Journal, should_stop: Callable[[], bool]) -> None:
        """Until there are no more."""
        del should_stop
        while (targets := journal.claim(BATCH)) is not None:
            if targets:
                journal.record_results(results_of(targets))
            else:
                time.sleep(0.001)

    def snapshot(self) -> Snapshot:
        """Nothing to tell."""
        return Snapshot()

    def detail(self) -> str:
        """Nothing to add."""
        return ""


def results_of(targets: Sequence[Target]) -> list[Result]:
    """One in twenty is gone."""
    delivered, gone = Outcome.DELIVERED, Outcome.GONE
    return [
        Result(number, delivered if number % GONE_EVERY else gone, "", 1, 0.0123) for number, _ in targets
    ]


def prune(rows: Sequence[GoneRow]) -> Sequence[Pruning]:
    """All are deleted, in no time."""
    return [Pruning.PRUNED] * len(rows)


def record() -> RunRecord:
    """Any run."""
    message = b"x" * 200
    place = ("local", "whatschat-local", "websocket-connections", "us-east-1", "http://127.0.0.1/production")
    return RunRecord(
        new_run_id(), timestamp(), *place, message, "m", "{}", "{}", "local", "arn:aws:iam::0:user/o"
    )


def cpu_s() -> float:
    """Processor time of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def cost_of_making(connections: int) -> float:
    """Processor time of the rows and results alone."""
    before_s = cpu_s()
    for _page in Rows(connections).pages(None):
        pass
    for start in range(0, connections, BATCH):
        results_of([Target(number, "") for number in range(start, start + BATCH)])
    return cpu_s() - before_s


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--connections", type=int, default=1_000_000)
    connections = parser.parse_args().connections
    boto3.client("dynamodb", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    making_s = cost_of_making(connections)
    with tempfile.TemporaryDirectory() as directory:
        journal = Journal.create(Path(directory), record())
        began_s, before_s = time.perf_counter(), cpu_s()
        summary = run_broadcast(journal, Rows(connections), AnswersAtOnce(), prune)
        took_s, used_s = time.perf_counter() - began_s, cpu_s() - before_s
        size_mb = journal.path.stat().st_size / 1e6
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes there, in KiB elsewhere
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    print(f"{summary.connections:,} connections, {summary.delivered:,} delivered, {summary.pruned:,} pruned")
    print(f"{(used_s - making_s) / connections * 1e6:.2f} µs of CPU for each, {connections / took_s:,.0f}/s")
    print(f"{peak_mb:.0f} MB at most in memory, {size_mb:.0f} MB on disk")


if __name__ == "__main__":
    main()
