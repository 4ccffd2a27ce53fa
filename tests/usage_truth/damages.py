"""Each source damaged in five ways: what the measurement, or the reading of the bill, then says of it. Files are copied first."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from tests.usage_truth import sources
from tests.usage_truth.doing import NAMES
from tests.usage_truth.metrics_damages import of_metrics
from tests.usage_truth.proof import CALLS, World
from whatschat_ops.broadcast.journal.file import SUFFIX
from whatschat_ops.broadcast.journal.past_runs import runs_directory

Damage = Callable[[Path], int]
"""Damages a copy, and says how many rows or files it damaged."""


@dataclass(frozen=True)
class Counted:
    """A damage: how much there is, the reason under which it was counted, and how often."""

    source: str
    damage: str
    done: int
    reason: str
    counted: int

    @property
    def is_equal(self) -> bool:
        """Whether everything was counted."""
        return self.done == self.counted > 0


def all_of(world: World) -> Iterator[Counted]:
    """Files first, then what is in AWS: that is not undone."""
    yield from _of_files(world, "logs", "all", LOGS, lambda path: world.actual(f"logs={path}")[0])
    yield from _of_files(world, "calls", CALLS, CALLS_DAMAGES, lambda path: world.actual(f"calls={path}")[0])
    usage = {"websocket_messages": Decimal(world.truth.units), "lambda_requests": Decimal(7)}
    sources.bill(usage, world.truth.since, world.folder.parent / BILL)
    yield from _of_files(world, "bill", BILL, BILLS, lambda path: _bill(world, path))
    for said, remark, counted in of_metrics(world):
        yield Counted("cloudwatch", said, 1, remark, counted)
    yield from _of_journals(world)
    yield from _of_ledger(world)


def _of_files(
    world: World,
    source: str,
    name: str,
    damages: Mapping[str, tuple[Damage, str]],
    read: Callable[[Path], Mapping[str, Any]],
) -> Iterator[Counted]:
    whole = world.folder / name if (world.folder / name).exists() else world.folder.parent / name
    for number, (said, (damage, reason)) in enumerate(damages.items()):
        copy = world.folder.parent / f"damaged-{source}-{number}" / name
        copy.parent.mkdir()
        (shutil.copytree if whole.is_dir() else shutil.copy)(whole, copy)
        done = damage(copy)
        yield Counted(source, said, done, reason, counts(read(copy)).get(reason, 0))


def counts(measured: Mapping[str, Any]) -> dict[str, int]:
    """Reason -> rows, of what was rejected and what was handled."""
    return {each["reason"]: each["count"] for kind in ("rejects", "handled") for each in measured[kind]}


def _bill(world: World, path: Path) -> Mapping[str, Any]:
    found: Mapping[str, Any] = world.cli.json("cost", "reconcile", "--bill", str(path))
    return found


def changed(change: Callable[[list[bytes]], tuple[list[bytes], int]], name: str = "") -> Damage:
    """A damage of the lines of a file, of one in a folder, zipped or not."""

    def damage(path: Path) -> int:
        file = path / name if name else path
        zipped = file.suffix == ".gz"
        data = gzip.decompress(file.read_bytes()) if zipped else file.read_bytes()
        lines, done = change(data.splitlines(keepends=True))
        data = b"".join(lines)
        file.write_bytes(gzip.compress(data, mtime=0) if zipped else data)
        return done

    return damage


def cut(name: str = "") -> Damage:
    """The end of a zipped file is missing."""

    def damage(path: Path) -> int:
        file = path / name if name else path
        file.write_bytes(file.read_bytes()[:-12])
        return 1

    return damage


BILL: Final = "cur2.csv.gz"
ACCESS: Final = "000000.gz"
DEFAULT: Final = "000003.gz"


def _without_ends(lines: list[bytes]) -> tuple[list[bytes], int]:
    kept = [line for line in lines if b'"eventType":"DISCONNECT"' not in line]
    return kept, len(lines) - len(kept)


def _twice(lines: list[bytes]) -> tuple[list[bytes], int]:
    return [line for line in lines for _ in range(2)], len(lines)


def _broken(lines: list[bytes]) -> tuple[list[bytes], int]:
    return [*lines, *(line.rstrip()[:-9] + b"\n" for line in lines[:3])], 3


def _sizes(lines: list[bytes]) -> tuple[list[bytes], int]:
    found = [line for line in lines if b'"event": "ping"' in line]
    return [line.replace(b'"bytesIn": ', b'"bytesIn": -') if line in found else line for line in lines], len(found)  # fmt: skip


LOGS: Final[Mapping[str, tuple[Damage, str]]] = {
    "a file that is cut off": (cut(ACCESS), "a compressed file that is cut off or damaged"),
    "no line of any disconnection": (
        changed(_without_ends, ACCESS),
        "a connection without an end: until 2 hours after its start at most",
    ),
    "every line twice": (changed(_twice, ACCESS), "a line that is there more than once: counted once"),
    "lines that end too early": (changed(_broken, ACCESS), "a line that is not JSON"),
    "negative sizes": (
        changed(_sizes, DEFAULT),
        "a line of a function whose sizes are not numbers: without them",
    ),
}


def rows_of_csv(change: Callable[[dict[str, str]], dict[str, str]]) -> Damage:
    """One row more, a changed copy of the first."""

    def damage(path: Path) -> int:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        rows.append(change(dict(rows[0])))
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return 1

    return damage


CALLS_DAMAGES: Final[Mapping[str, tuple[Damage, str]]] = {
    "an attendance twice": (rows_of_csv(lambda row: row), "the same attendance again: counts once"),
    "no end": (
        rows_of_csv(lambda row: {**row, "attendee": "dan", "left_at": ""}),
        "without an end: counts from nothing to its latest possible end",
    ),
    "an end before the beginning": (
        rows_of_csv(lambda row: {**row, "left_at": "2020-01-01T00:00:00Z"}),
        "ends before it begins",
    ),
    "words in place of a time": (
        rows_of_csv(lambda row: {**row, "joined_at": "yesterday"}),
        "a time that cannot be read",
    ),
    "no meeting": (rows_of_csv(lambda row: {**row, "meeting_id": ""}), "no meeting"),
}


def _append(line: bytes) -> Callable[[list[bytes]], tuple[list[bytes], int]]:
    return lambda lines: ([*lines, line], 1)


def _not_a_number(lines: list[bytes]) -> tuple[list[bytes], int]:
    place = lines[0].split(b",").index(b"line_item_unblended_cost")
    fields = lines[1].split(b",")
    fields[0], fields[place] = b"other", b"free"
    return [*lines, b",".join(fields)], 1


BILLS: Final[Mapping[str, tuple[Damage, str]]] = {
    "a file that is cut off": (cut(), "a compressed file that is cut off or damaged"),
    "fewer columns": (changed(_append(b"1,2,3\r\n")), "a row with other columns than the header"),
    "NUL bytes": (changed(_append(b"\0\0\0\r\n")), "a row with NUL bytes"),
    "a cost that is a word": (changed(_not_a_number), "a cost that is not a number"),
    "lines that were delivered twice": (
        changed(lambda lines: ([*lines, *lines[1:]], len(lines) - 1)),
        "a line that was delivered more than once: it counts once",
    ),
}


def _of_journals(world: World) -> Iterator[Counted]:
    """The journal of the broadcast, and four more that cannot be read."""
    folder = runs_directory(world.aws.state_directory)
    journal = next(folder.glob(f"*{SUFFIX}"))
    whole = journal.read_bytes()
    contents = {
        "an empty journal": b"",
        "words": b"no journal",
        "the first half": whole[: len(whole) // 2],
        "zeros": bytes(len(whole)),
        "a damaged header": b"x" * 100 + whole[100:],
    }
    reason = "a journal of a broadcast that cannot be read"
    for number, (said, content) in enumerate(contents.items()):
        path = journal.with_name(f"2000-damaged-{number}{journal.suffix}")
        path.write_bytes(content)
        found = counts(world.actual(f"logs={world.folder / 'all'}")[0])
        path.unlink()
        yield Counted("journals", said, 1, reason, found.get(reason, 0))


def _of_ledger(world: World) -> Iterator[Counted]:
    """Events of meetings as they must not be."""
    logs, group = world.aws.client("logs"), NAMES.chime_event_log_group
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
    events = [event for page in pages for event in page["events"]]
    joined = next(event for event in events if "AttendeeJoined" in event["message"])
    for said, change, reason in LEDGER:
        before = counts(world.actual("ledger")[0]).get(reason, 0)
        message = change(json.loads(joined["message"]))
        stream = f"damaged-{time.time_ns()}"
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
        at = round(datetime.now(UTC).timestamp() * 1000)
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[{"timestamp": at, "message": message}])  # fmt: skip
        after = counts(world.actual("ledger")[0]).get(reason, 0)
        yield Counted("ledger", said, 1, reason, after - before)


def _event(name: str, **detail: str) -> Callable[[dict[str, Any]], str]:
    def change(event: dict[str, Any]) -> str:
        event["id"] = str(uuid.uuid4())
        event["detail"] |= {
            "eventType": f"chime:{name}",
            "attendeeId": str(uuid.uuid4()),
            "externalUserId": "dan",
        } | detail
        return json.dumps(event)

    return change


def _without(*names: str) -> Callable[[dict[str, Any]], str]:
    def change(event: dict[str, Any]) -> str:
        for name in names:
            del event["detail"][name]
        return json.dumps(event)

    return change


LEDGER: Final = (
    ("an event that is not JSON", lambda _: "{", "an event that cannot be read"),
    ("an event without details", lambda event: json.dumps({**event, "id": str(uuid.uuid4()), "detail": 5}), "an event that cannot be read"),
    ("an event without a meeting", _without("meetingId"), "an event that cannot be read"),
    ("an end without a beginning", _event("AttendeeLeft"), "an end without its beginning"),
    ("a beginning without an end", _event("AttendeeJoined"), "without an end: counts from nothing to its latest possible end"),
)  # fmt: skip
