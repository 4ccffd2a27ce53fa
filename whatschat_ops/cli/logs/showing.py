"""Shows what a tail reads, in order, until it ends or is interrupted, and counts it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from whatschat_ops.choices import LogOutput
from whatschat_ops.cli.logs.lines import LineFormat, iso_time, late_words, without_secrets
from whatschat_ops.cli.terminal.background import Background
from whatschat_ops.cli.terminal.interrupts import stop_on_interrupt
from whatschat_ops.cli.terminal.output import Output
from whatschat_ops.cli.terminal.redacting import hidden
from whatschat_ops.cli.terminal.safe_text import safe_text
from whatschat_ops.errors import Interrupted
from whatschat_ops.logs.parsed import AccessLine, HandlerLine, Line, Other, PlatformLine, json_object, parse
from whatschat_ops.logs.selecting import Selection
from whatschat_ops.logs.settling import Settling, Shown
from whatschat_ops.logs.tail import Item, Read
from whatschat_ops.plurals import counted
from whatschat_ops.redaction import redact

_STALLED_S: Final = 10.0
"""Without anything read for so long, what is held is shown as it is."""


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One event in JSON. `fields` is the message's JSON object; `message` is the message if it is none."""

    time: str
    """In UTC. A time that no calendar has is its number of milliseconds: `9000000000000000 ms`."""
    source: str
    stream: str
    id: str
    ingested_at: str
    """As `time`."""
    late_s: float | None
    fields: Any | None
    message: str | None


@dataclass(slots=True)
class Counts:
    """What was shown. `lost`: log records that Lambda reports as dropped before they were stored."""

    events: int = 0
    late: int = 0
    most_late_ms: int = 0
    lost: int = 0

    def add(self, shown: Shown, line: Line) -> None:
        """Count an event."""
        self.events += 1
        self.late += shown.late_ms > 0
        self.most_late_ms = max(self.most_late_ms, shown.late_ms)
        self.lost += line.dropped if isinstance(line, PlatformLine) else 0

    def words(self, throttled: int) -> str:
        """The closing line."""
        late = f" (up to {late_words(self.most_late_ms)})" if self.late else ""
        return f"{counted(self.events, 'event')}, {self.late:,} late{late}, {self.lost:,} lost, {throttled:,} throttled."


@dataclass(slots=True)
class Printer:
    """Prints events in one format, without secrets unless the output shows them."""

    out: Output
    output: LogOutput
    format: LineFormat
    counts: Counts = field(default_factory=Counts)

    def print(self, found: Iterable[tuple[Shown, Line]]) -> None:
        """Print events together: one write for all of them."""
        texts = []
        for shown, line in found:
            self.counts.add(shown, line)
            texts.append(self._text(shown, line))
        if texts:
            self.out.lines(texts)

    def _text(self, shown: Shown, line: Line) -> str:
        message = shown.event.message
        if self.output is LogOutput.RAW:
            message = message.rstrip("\n") if self.out.show_secrets else redact(message.rstrip("\n"))
            return self.format.marked(safe_text(message) if self.out.is_terminal else message)
        if not self.out.show_secrets:
            line = without_secrets(line)
        return self.format.line(shown, line) if self.output is LogOutput.TEXT else self._json(shown, line)

    def _json(self, shown: Shown, line: Line) -> str:
        event = shown.event
        fields = line.fields if isinstance(line, HandlerLine | AccessLine | Other) else None
        if isinstance(line, PlatformLine):
            fields = hidden(json_object(event.message))
        message = None
        if fields is None:
            message = event.message if self.out.show_secrets else redact(event.message)
        late_s = shown.late_ms / 1000 if shown.late_ms else None
        record = LogRecord(
            iso_time(event.time_ms),
            event.source,
            event.stream,
            event.id,
            iso_time(event.ingested_ms),
            late_s,
            fields,
            message,
        )
        return json.dumps(
            {name: getattr(record, name) for name in LogRecord.__slots__}, ensure_ascii=self.out.ascii_only
        )


class Show:
    """Shows the items of a tail."""

    def __init__(
        self,
        items: Iterator[Item],
        selection: Selection,
        settling: Settling,
        printer: Printer,
        *,
        endless: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._items = items
        self._endless = endless
        self._selection = selection
        self._settling = settling
        self._printer = printer
        self._clock = clock
        self._read_s = clock()

    def run(self) -> None:
        """Until the end, or until an interrupt ends what has no end. Raises Interrupted after an interrupt of what has one, and what
        the tail raises; what is held is shown before."""
        items = Background(self._items)
        with stop_on_interrupt(items.wake) as stop:
            try:
                while not stop.is_set():
                    self._take(items.next(timeout_s=1.0))
            except StopIteration:
                pass
            finally:
                self._print(self._settling.rest())
            if stop.is_set() and not self._endless:
                raise Interrupted("Interrupted.")

    def _take(self, item: Item | None) -> None:
        if item is None:
            if self._clock() - self._read_s > _STALLED_S:
                self._print(self._settling.rest())
            return
        self._read_s = self._clock()
        if isinstance(item, Read):
            self._settling.add(item.events, item.now_ms, item.arrived_s)
            if not self._selection.is_all:
                for event in item.events:
                    self._selection.learn(parse(event))
            self._print(self._settling.due(float("-inf")))
        else:
            self._print(self._settling.due(item.began_s))

    def _print(self, shown: list[Shown]) -> None:
        parsed = ((each, parse(each.event)) for each in shown)
        self._printer.print((each, line) for each, line in parsed if self._selection.wants(each.event, line))
