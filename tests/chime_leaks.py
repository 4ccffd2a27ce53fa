"""python -m tests.chime_leaks: create meetings, crash on the way, sweep, and compare the ledger with the service.

Every command is a process of its own, between which and the embedded AWS there is a proxy: a crash is a SIGKILL when a certain
call arrives (or when it has had its effect), never at a certain time. What exists is read from the service's own file.
"""

# ruff: noqa: T201 - this is a command of its own
from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import cycle, zip_longest
from pathlib import Path
from typing import Any, Final

import boto3

from tests.chime_state import stored_meetings
from tests.faults.calls import Call
from tests.faults.program import Ended, Program
from tests.faults.proxy import Fault, Point, Proxy, Recording
from tests.faults.world import REGION, embedded_aws
from whatschat_ops.local.own_api import advance
from whatschat_ops.local.service import LocalService
from whatschat_ops.quotas import CHIME_API

TABLE: Final = "chime-meetings"
MOST_ALIVE: Final = 250
OPEN: Final = ("pending", "created")

CREATION: Final = (
    Call("dynamodb", "PutItem"),
    Call("chime-sdk-meetings", "CreateMeeting"),
    Call("dynamodb", "TransactWriteItems"),
)
"""The calls of `chime meeting create`, each made once."""
SWEEP: Final = (
    Call("dynamodb", "Scan"),
    Call("chime-sdk-meetings", "GetMeeting"),
    Call("chime-sdk-meetings", "DeleteMeeting"),
    Call("dynamodb", "UpdateItem"),
)
KILLS: Final = (Fault.KILL_BEFORE, Fault.KILL_AFTER)
LOSSES: Final = (Fault.DROP_AFTER, Fault.OUTAGE, Fault.THROTTLE, Fault.ERROR_503)


@dataclass
class Tally:
    """One run: what was done, and what was found. `problems` is empty when the ledger forgot nothing."""

    created: int = 0
    injected: Counter[str] = field(default_factory=Counter)
    killed: int = 0
    ended_with: Counter[int] = field(default_factory=Counter)
    most_alive: int = 0
    ever: dict[str, str] = field(default_factory=dict)
    """Meetings that existed between two commands, with their request tokens. (A sweep may find a meeting and delete it.)"""
    rows: int = 0
    problems: list[str] = field(default_factory=list)


class Leaks:
    """The program, the proxy and the embedded AWS with a ledger."""

    def __init__(self, aws: LocalService, directory: Path) -> None:
        self._aws = aws
        self._file = directory / "state" / "local" / "chime.sqlite3"
        self._dynamodb = _ledger(aws)
        self.tally = Tally()
        self._proxy = Proxy(aws.port)
        self._program = Program(_environment(aws, self._proxy, directory), directory)
        self._program.until_ready()

    def close(self) -> None:
        """End the program's server and the proxy."""
        with ExitStack() as stack:
            stack.callback(self._proxy.close)
            stack.callback(self._program.close)

    def create(self, number: int, target: Point | None = None, fault: Fault | None = None) -> None:
        """Run `chime meeting create`, with at most one fault."""
        self._run(["chime", "meeting", "create", "--user", f"user-{number}"], target, fault)
        self.tally.created += 1
        alive = self.alive()
        self.tally.ever |= alive
        self.tally.most_alive = max(self.tally.most_alive, len(alive))

    def sweep(self, target: Point | None = None, fault: Fault | None = None) -> None:
        """Run `chime meeting sweep`, with at most one fault."""
        self._refill()
        self._run(["chime", "meeting", "sweep", "--yes"], target, fault)
        self.tally.ever |= self.alive()

    def compare(self) -> None:
        """Ask for the list, after which each meeting that exists has an open row, and no row is pending.

        (A deletion whose row a crash prevented is an open row until Chime's "not found" is certain, after 30 seconds.)
        """
        self._refill()
        self._run(["chime", "meeting", "list"], None, None)
        alive, rows = self.alive(), self._rows()
        self.tally.ever |= alive
        self._same(
            "without an open row after list",
            {key for key in alive if rows.get(key, ("", ""))[0] != "created"},
            set(),
        )
        self._same("pending after list", {key for key in rows if rows[key][0] == "pending"}, set())

    def finish(self) -> None:
        """After a sweep: nothing exists, no row is open, and the request of every meeting that ever existed has a row.

        (A meeting that ended by itself before its pending row was asked for has given its row to the one that was made then.)
        """
        rows = self._rows()
        self.tally.rows = len(rows)
        self._same(
            "open rows after sweep", {key for key, (status, _) in rows.items() if status in OPEN}, set()
        )
        self._same("meetings after sweep", set(self.alive()), set())
        known = {token for _, token in rows.values()}
        self._same("requests without a row", set(self.tally.ever.values()) - known, set())

    def alive(self) -> dict[str, str]:
        """The meetings that exist, as the service's file says, with their request tokens."""
        return stored_meetings(self._file) if self._file.exists() else {}

    def _run(self, arguments: Sequence[str], target: Point | None, fault: Fault | None) -> Ended:
        recording = Recording(target, fault)
        self._proxy.recording = recording

        def started(pid: int) -> None:
            recording.pid = pid

        ended = self._program.run(arguments, {}, started)
        self._proxy.until_idle()
        if self._proxy.errors:
            raise RuntimeError("the proxy failed") from self._proxy.errors[0]
        if fault is not None:
            self.tally.injected[fault.value] += recording.fired
            self.tally.killed += ended.killed
            if not recording.fired:
                self.tally.problems.append(
                    f"{target} of {' '.join(arguments)} was not reached: {ended.output}"
                )
        elif ended.code != 0:
            self.tally.problems.append(f"{' '.join(arguments)} ended with {ended.code}: {ended.output}")
        self.tally.ended_with[ended.code] += 1
        return ended

    def _refill(self) -> None:
        """Let Chime's clock reach the time when its bursts are full again: what a command before took is not this one's matter."""
        advance(self._aws, timedelta(seconds=CHIME_API.burst / CHIME_API.rate_per_s))

    def _rows(self) -> dict[str, tuple[str, str]]:
        """Id -> status and request token."""
        pages = self._dynamodb.get_paginator("scan").paginate(TableName=TABLE, ConsistentRead=True)
        items = (item for page in pages for item in page["Items"])
        return {item["meetingId"]["S"]: (item["status"]["S"], item["requestToken"]["S"]) for item in items}

    def _same(self, when: str, one: set[str], other: set[str]) -> None:
        if one != other:
            self.tally.problems.append(f"{when}: {sorted(one ^ other)[:5]}, {len(one ^ other)} differ")


def rounds(leaks: Leaks, meetings: int, alive: int, kills: int, losses: int) -> None:
    """Create meetings, `alive` at a time, with faults spread evenly over them and over the sweeps between."""
    count = -(-meetings // alive)
    in_sweeps = min(kills // 2, 2 * count)
    faults = _spread(meetings, kills - in_sweeps, losses)
    sweep_points = cycle((call, fault) for fault in KILLS for call in SWEEP)
    for begin in range(0, meetings, alive):
        for number in range(begin, min(meetings, begin + alive)):
            leaks.create(number, *faults.get(number, ()))
        round_ = begin // alive
        for _ in range(in_sweeps * (round_ + 1) // count - in_sweeps * round_ // count):
            call, fault = next(sweep_points)
            leaks.sweep(Point(call, 1), fault)
        leaks.compare()
        leaks.sweep()
        leaks.finish()


def _spread(meetings: int, kills: int, losses: int) -> Mapping[int, tuple[Point, Fault]]:
    """Number of a meeting -> what happens to its creation. Every call is killed before and after its effect."""
    kinds = cycle((Point(call, 1), fault) for call in CREATION for fault in KILLS)
    other = cycle((Point(call, 1), fault) for fault in LOSSES for call in CREATION)
    pairs = zip_longest((next(kinds) for _ in range(kills)), (next(other) for _ in range(losses)))
    mixed = [each for pair in pairs for each in pair if each is not None]
    return {meetings * index // len(mixed): what for index, what in enumerate(mixed)}


def _ledger(aws: LocalService) -> Any:
    dynamodb = boto3.client(
        "dynamodb",
        endpoint_url=aws.endpoint_url,
        region_name=REGION,
        aws_access_key_id=aws.access_key_id,
        aws_secret_access_key=aws.secret_access_key.reveal(),
    )
    dynamodb.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "meetingId", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "meetingId", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return dynamodb


def _environment(aws: LocalService, proxy: Proxy, directory: Path) -> Mapping[str, str]:
    return {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        "WHATSCHAT_OPS_STATE_DIR": str(directory / "unused"),
        "AWS_ENDPOINT_URL": proxy.endpoint_url,
        "AWS_ACCESS_KEY_ID": aws.access_key_id,
        "AWS_SECRET_ACCESS_KEY": aws.secret_access_key.reveal(),
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": str(directory / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(directory / "none"),
        "NO_COLOR": "1",
        "TEST_BACKOFF_DIVISOR": "4",  # Chime's own rate is met, as on AWS: commands that follow each other have to wait
    }


@contextmanager
def world(directory: Path) -> Iterator[Leaks]:
    """Everything, started and stopped."""
    with embedded_aws(directory / "state") as aws:
        leaks = Leaks(aws, directory)
        try:
            yield leaks
        finally:
            leaks.close()


def table(tally: Tally, seconds: float) -> str:
    """What docs/chime.md shows."""
    injected = ", ".join(f"{name} {count}" for name, count in sorted(tally.injected.items()))
    rows = (
        ("`chime meeting create` run", f"{tally.created:,}"),
        ("meetings seen between commands", f"{len(tally.ever):,}, at most {tally.most_alive} at once"),
        ("processes killed (SIGKILL)", str(tally.killed)),
        ("faults", injected),
        ("meetings left in the service", "0" if not tally.problems else "see below"),
        ("rows of the ledger", f"{tally.rows:,}, none open"),
        ("differences between ledger and service", str(len(tally.problems))),
        ("time", f"{seconds:.0f} s"),
    )
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 if nothing was forgotten, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m tests.chime_leaks", description=__doc__)
    parser.add_argument("--meetings", type=int, default=1000)
    parser.add_argument("--alive", type=int, default=200, help=f"{MOST_ALIVE} at most")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--losses", type=int, default=50, help="lost answers, outages, throttling, 503")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="leaks-") as directory, world(Path(directory)) as leaks:
        rounds(leaks, options.meetings, min(options.alive, MOST_ALIVE - 10), options.kills, options.losses)
    print(table(leaks.tally, time.monotonic() - started))
    for problem in leaks.tally.problems:
        print(json.dumps(problem))
    return 1 if leaks.tally.problems else 0


if __name__ == "__main__":
    sys.exit(main())
