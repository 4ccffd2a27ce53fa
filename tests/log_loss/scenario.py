"""Writes events to the four log groups of an embedded AWS while `logs tail --follow` reads them through a proxy that refuses requests.

What is written follows from a seed. Most events are of the last second; one batch in `LATE_EVERY` is of up to a minute ago, in its
stream and behind what was shown already. Streams are new when they are first written to. After all of those have been shown, some
more are written that are older than everything that was shown: each of them must be marked.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.faults.calls import Call
from tests.faults.proxy import Fault, Proxy, Recording
from whatschat_ops.config import Settings
from whatschat_ops.local.service import LocalService
from whatschat_ops.logs.groups import LogGroup, log_groups

PREFIX: Final = "loss-"
REGION: Final = "us-east-1"
BATCH: Final = 50
LATE_EVERY: Final = 25
LATE_S: Final = (5.0, 60.0)
LIMIT_S: Final = 300.0
"""Longer than any machine needs to show what was written."""


@dataclass(frozen=True)
class Load:
    """What is written: events at a rate, and the late ones at the end, in streams of each group."""

    events: int = 200_000
    late_at_the_end: int = 500
    streams: int = 50
    rate_per_s: float = 2_000.0
    refused_every: int = 7
    """One FilterLogEvents in so many is answered with ThrottlingException."""
    seed: int = 1


@dataclass
class Refusing(Recording):
    """Every n-th FilterLogEvents is refused."""

    every: int = 7
    refused: int = 0

    def arrive(self, call: Call) -> bool:
        """Count a call. Whether it is refused."""
        self.counts[call] += 1
        hit = call.operation == "FilterLogEvents" and self.counts[call] % self.every == 0
        self.refused += hit
        return hit


@dataclass
class Output:
    """What the command has printed so far. `changed` tells of each line."""

    lines: list[str] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def read(self, stream: Iterator[str]) -> None:
        """Take all lines of a stream."""
        for line in stream:
            with self.changed:
                self.lines.append(line)
                self.changed.notify_all()

    def until(self, number: int) -> bool:
        """Wait until so many lines were printed."""
        with self.changed:
            return self.changed.wait_for(lambda: len(self.lines) >= number, LIMIT_S)


@dataclass(frozen=True)
class Evidence:
    """What was written (by number, with its time in ms), what was shown, and how the command ended."""

    written: Mapping[int, int]
    late: Sequence[int]
    """Numbers of the events that were older than all that was shown when they were written."""
    shown: Sequence[Mapping[str, Any]]
    closing: str
    code: int
    refused: int
    requests: int
    streams: int
    write_s: float
    behind_s: float
    """From the last steady event written to the last one shown."""

    @property
    def numbers(self) -> Counter[int]:
        """How often each event was shown."""
        return Counter(record["fields"]["n"] for record in self.shown)


class Writer:
    """Writes batches, and remembers what it wrote."""

    def __init__(self, client: Any, groups: Sequence[LogGroup], load: Load) -> None:
        self.written: dict[int, int] = {}
        self.streams: set[tuple[str, str]] = set()
        self._client = client
        self._groups = groups
        self._load = load
        self._random = random.Random(load.seed)
        for group in groups:
            client.create_log_group(logGroupName=group.name)

    def steady(self) -> None:
        """All events of the load but those of the end, at its rate."""
        started = time.monotonic()
        for number, size in enumerate(_sizes(self._load.events - self._load.late_at_the_end)):
            time.sleep(max(0.0, started + number * BATCH / self._load.rate_per_s - time.monotonic()))
            ago_s = self._random.uniform(*LATE_S) if number % LATE_EVERY == LATE_EVERY - 1 else 0.0
            self.batch(size, ago_s)

    def late(self) -> list[int]:
        """The events of the end, of a time before all others."""
        before = len(self.written)
        for size in _sizes(self._load.late_at_the_end):
            self.batch(size, 150.0)
        return list(range(before, len(self.written)))

    def batch(self, size: int, ago_s: float) -> None:
        """Events of up to a second before `ago_s` ago, in one stream."""
        group = self._random.choice(self._groups).name
        stream = f"stream-{self._random.randrange(self._load.streams)}"
        if (group, stream) not in self.streams:
            self.streams.add((group, stream))
            self._client.create_log_stream(logGroupName=group, logStreamName=stream)
        now_ms = int((time.time() - ago_s) * 1000)
        events = []
        for time_ms in sorted(now_ms - self._random.randrange(1000) for _ in range(size)):
            number = len(self.written)
            self.written[number] = time_ms
            events.append({"timestamp": time_ms, "message": _message(number)})
        self._client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def run(
    aws: LocalService, load: Load, client: Any, say: Callable[[str], object] = lambda _: None
) -> Evidence:
    """Write the load, and what `logs tail --follow` made of it."""
    settings = Settings.of({"prefix": PREFIX})
    writer, proxy = Writer(client, log_groups(settings), load), Proxy(aws.port)
    proxy.recording = recording = Refusing(fault=Fault.THROTTLE, every=load.refused_every)
    output = Output()
    with _tail(aws, proxy.endpoint_url) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        reading = threading.Thread(target=output.read, args=(process.stdout,))
        reading.start()
        try:
            started = time.monotonic()
            writer.steady()
            write_s = time.monotonic() - started
            say(f"{len(writer.written):,} events written in {write_s:.0f} s")
            output.until(len(writer.written))
            behind_s = time.monotonic() - started - write_s
            late = writer.late()
            output.until(len(writer.written))
        finally:
            process.send_signal(signal.SIGINT)
            closing = process.stderr.read()
            reading.join(LIMIT_S)
            process.wait(LIMIT_S)
            proxy.close()
    assert proxy.errors == []
    return Evidence(
        writer.written,
        late,
        [json.loads(line) for line in output.lines],
        closing,
        process.returncode,
        recording.refused,
        recording.counts[Call("logs", "FilterLogEvents")],
        len(writer.streams),
        write_s,
        behind_s,
    )


def _tail(aws: LocalService, endpoint_url: str) -> subprocess.Popen[str]:
    environment = {
        **{
            name: os.environ[name]
            for name in ("PATH", "HOME", "WHATSCHAT_OPS_STATE_DIR")
            if name in os.environ
        },
        "WHATSCHAT_PREFIX": PREFIX,
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": aws.access_key_id,
        "AWS_SECRET_ACCESS_KEY": aws.secret_access_key.reveal(),
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_COLOR": "1",
    }
    command = [sys.executable, "-m", "whatschat_ops", "logs", "tail", "--follow", "-o", "json"]
    return subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def _sizes(events: int) -> Iterator[int]:
    yield from (min(BATCH, events - done) for done in range(0, events, BATCH))


def _message(number: int) -> str:
    line = {
        "level": "INFO", "event": "message", "outcome": "sent", "requestId": f"request-{number}",
        "connectionId": f"connection-{number % 997}", "userId": f"user-{number % 991}", "route": "$default", "latencyMs": 12.5,
        "bytesIn": 120, "bytesOut": 130, "n": number,
    }  # fmt: skip
    return json.dumps(line)
