"""A log event as a line of text: when, from where, and what it says in words. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from whatschat_ops.choices import LogSource
from whatschat_ops.cli.terminal.redacting import hidden
from whatschat_ops.cli.terminal.safe_text import safe_text
from whatschat_ops.logs.parsed import AccessLine, HandlerLine, Line, Other, PlatformLine, Text
from whatschat_ops.logs.settling import Shown
from whatschat_ops.redaction import redact

LONGEST_TEXT: Final = 4_000
"""Characters of an event in a line of text; the other formats have all of it."""

_RESET: Final = "\x1b[0m"
_DIM, _RED, _YELLOW, _MARKED = "\x1b[2m", "\x1b[31m", "\x1b[33m", "\x1b[7m"
_COLOURS: Final[Mapping[LogSource, str]] = {
    LogSource.CONNECT: "\x1b[32m",
    LogSource.DISCONNECT: "\x1b[35m",
    LogSource.DEFAULT: "\x1b[36m",
    LogSource.ACCESS: "\x1b[34m",
}
_WIDTH: Final = max(map(len, LogSource))
_SAID_FIRST: Final = frozenset(
    ["level", "event", "outcome", "eventType", "routeKey", "status", "requestTime"]
)


class Words(NamedTuple):
    """What a line says. `style` is "" or the escape sequence of the whole of it."""

    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class LineFormat:
    """How lines look. Without `styled` there are no colours, and `highlight` marks nothing."""

    styled: bool = False
    highlight: re.Pattern[str] | None = None

    def line(self, shown: Shown, line: Line) -> str:
        """One event. Lines of its message after the first are indented, so that none looks like another event."""
        event = shown.event
        late = f" (late {late_words(shown.late_ms)})" if shown.late_ms else ""
        words = words_of(line)
        text = safe_text(_cut(words.text.rstrip())).replace("\n", "\n    ")
        source = f"{event.source:<{_WIDTH}}"
        if not self.styled:
            return f"{iso_time(event.time_ms)} {source}{late} {text}"
        return (
            f"{_DIM}{iso_time(event.time_ms)}{_RESET} {_COLOURS[event.source]}{source}{_RESET}{_YELLOW}{late}{_RESET} "
            f"{words.style}{self.marked(text, words.style)}{_RESET}"
        )

    def marked(self, text: str, style: str = "") -> str:
        """The text with what `highlight` finds in reverse colours; `style` is that of the text around it."""
        if self.highlight is None or not self.styled:
            return text
        return self.highlight.sub(
            lambda found: f"{_MARKED}{found[0]}{_RESET}{style}" if found[0] else "", text
        )


def words_of(line: Line) -> Words:
    """What a line says, with the most important first, and the names of its fields as they were written."""
    if isinstance(line, HandlerLine):
        return _of_handler(line)
    if isinstance(line, AccessLine):
        return _of_access(line)
    if isinstance(line, PlatformLine):
        return _of_platform(line)
    if isinstance(line, Other):
        return Words(json.dumps(line.fields, ensure_ascii=False))
    return Words(line.text)


def _of_handler(line: HandlerLine) -> Words:
    level = "" if line.level == "INFO" else f"{line.level} "
    style = {"ERROR": _RED, "WARNING": _YELLOW, "DEBUG": _DIM}.get(line.level, "")
    left_out = _SAID_FIRST if line.level in ("ERROR", "WARNING") else _SAID_FIRST | {"requestId"}
    return Words(
        f"{level}{line.fields['event']} {line.fields['outcome']}{_pairs(line.fields, left_out)}", style
    )


def _of_access(line: AccessLine) -> Words:
    said = " ".join(str(line.fields.get(name, "-")) for name in ("eventType", "routeKey", "status"))
    failed = (line.status or 0) >= 400 or line.error or line.integration_error
    left_out = _SAID_FIRST | {"requestId", "integrationRequestId"}
    style = (_RED if (line.status or 0) >= 500 else _YELLOW) if failed else ""
    return Words(f"{said}{_pairs(line.fields, left_out)}", style)


def _of_platform(line: PlatformLine) -> Words:
    figures = {
        "failure": line.failure,
        "ms": line.duration_ms,
        "billedMs": line.billed_ms,
        "initMs": line.init_ms,
        "memoryMB": f"{line.memory_used_mb}/{line.memory_mb}" if line.memory_mb else None,
        "dropped": line.dropped or None,
        "requestId": line.ids.request,
    }
    detail = f" {line.detail}" if line.detail else ""
    return Words(
        f"Lambda {line.kind}{detail}{_pairs(figures, frozenset())}",
        _RED if line.failure or line.dropped else _DIM,
    )


def _pairs(fields: Mapping[str, Any], left_out: frozenset[str]) -> str:
    """` name=value` of each field that says something."""
    shown = [
        f" {name}={value if isinstance(value, str) and ' ' not in value else json.dumps(value, ensure_ascii=False)}"
        for name, value in fields.items()
        if name not in left_out and value not in (None, "", "-")
    ]
    return "".join(shown)


def _cut(text: str) -> str:
    left = len(text) - LONGEST_TEXT
    return text if left <= 0 else f"{text[:LONGEST_TEXT]} ... ({left:,} characters more: -o raw shows them)"


def without_secrets(line: Line) -> Line:
    """The line as it may be shown. What is said of a JSON object is said from its `fields`."""
    if isinstance(line, Text):
        return replace(line, text=redact(line.text))
    if isinstance(line, PlatformLine):
        return hidden(line)
    return replace(line, fields=hidden(line.fields))


def late_words(late_ms: int) -> str:
    """`3.1 s`, or `120 ms`."""
    return f"{late_ms / 1000:.1f} s" if late_ms >= 1000 else f"{late_ms} ms"


def iso_time(time_ms: int) -> str:
    """In UTC, to the millisecond. A time that no calendar has is its number."""
    try:
        at = datetime.fromtimestamp(time_ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{time_ms} ms"
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
