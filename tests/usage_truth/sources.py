"""What AWS and the application kept of the traffic, as files: lines of log groups, attendances, and a bill of the same usage."""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from tests import bills
from tests.local.conftest import EmbeddedAws
from tests.local.program import eventually
from tests.usage_truth.doing import NAMES, Truth

SHORT: Final = ("connect", "disconnect", "default")


def export(aws: EmbeddedAws, truth: Truth, folder: Path) -> Path:
    """All lines of the stack's log groups, as an export of CloudWatch Logs has them; those of our own sockets apart."""
    lines: dict[str, list[str]] = {}

    def complete() -> bool:
        lines.update({group: _lines(aws, group) for group in _groups()})
        access = [json.loads(line.partition(" ")[2]) for line in lines[NAMES.access_log_group]]
        ends = [line for line in access if line["eventType"] == "DISCONNECT"]
        return len(ends) >= truth.connections and sum(map(_is_message, access)) >= truth.inbound

    eventually(complete)
    folder.mkdir()
    for number, found in enumerate(lines.values()):
        _write(folder / "all" / f"{number:06}.gz", found)
        own = [line for line in found if any(id_ in line for id_ in truth.sockets_s)]
        _write(folder / "own" / f"{number:06}.gz", own)
    return folder


def _groups() -> Iterable[str]:
    yield NAMES.access_log_group
    yield from (f"/aws/lambda/{NAMES.function(short)}" for short in SHORT)


def _is_message(line: Mapping[str, Any]) -> bool:
    return bool(line["eventType"] == "MESSAGE")


def _lines(aws: EmbeddedAws, group: str) -> list[str]:
    pages = aws.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
    return [
        f"{datetime.fromtimestamp(event['timestamp'] / 1000, UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3]
        + f"Z {event['message'].strip()}"
        for page in pages
        for event in page["events"]
    ]


def _write(path: Path, lines: Iterable[str]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0))


def lasted_ms(folder: Path) -> dict[str, int]:
    """Connection -> how long it was open, by the access lines alone: this test's own arithmetic."""
    found: defaultdict[str, int] = defaultdict(int)
    for path in (folder / "all").iterdir():
        for line in gzip.decompress(path.read_bytes()).decode().splitlines():
            text = line.partition(" ")[2]
            fields = json.loads(text) if text.startswith("{") else {}
            if fields.get("eventType") == "DISCONNECT":
                found[fields["connectionId"]] += int(fields["requestTime"]) - int(fields["connectedAt"])
    return dict(found)


def billed_gb_seconds(folder: Path) -> Decimal:
    """Of every invocation, by what Lambda reported: this test's own arithmetic."""
    mb_ms = 0
    for path in (folder / "all").iterdir():
        text = gzip.decompress(path.read_bytes()).decode()
        for billed, memory in re.findall(r"REPORT .*Billed Duration: (\d+) ms\tMemory Size: (\d+) MB", text):
            mb_ms += int(billed) * int(memory)
        for report in re.findall(r'\{.*"platform\.report".*\}', text):
            metrics = json.loads(report)["record"]["metrics"]
            mb_ms += metrics["billedDurationMs"] * metrics["memorySizeMB"]
    return Decimal(mb_ms) / 1024 / 1000


def attendances(truth: Truth, path: Path) -> Path:
    """A CSV file of the application's, with what the simulator said."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["meeting_id", "attendee", "joined_at", "left_at"])
        writer.writerows((each.meeting, each.user, each.joined, each.left) for each in truth.attendances)
    return path


def bill(quantities: Mapping[str, Decimal], day: datetime, path: Path) -> Path:
    """A day's bill of these quantities, made by this test's own arithmetic."""
    usage = {key: amount for key, amount in quantities.items() if key in bills.SOLD and amount}
    return bills.write(bills.rows(usage, day.date()), path)
