"""The sessions in pages for people: what is typed, what it prints, and whether a run printed the same.

In what a page shows, `...` stands for anything: the rest of a line, or, alone on a line, any lines. What differs from run to run
(ids, times, durations) is compared by its shape.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

VARIABLE: Final = (
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
    (r"(?<![^\s=])[\w-]{15}=(?!\S)", "CONNECTION_ID"),
    (r"\b\d{8}-\d{6}-[0-9a-f]*", "RUN"),
    (r"\b[0-9a-f]{32}\b", "MESSAGE_ID"),
    (r"ws://127\.0\.0\.1:\d+/_aws/execute-api/\w+/", "ENDPOINT/"),
    (r"(https?://127\.0\.0\.1):\d+", r"\1:PORT"),
    (r"call-alice-\d+", "call-alice-MS"),
    (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?(\.\d+)?Z?", "DATE TIME"),
    (r"\b\d\d:\d\d:\d\d\b(\.\d+)?", "TIME"),
    (r"\b[\d,]+(\.\d+)? ms\b", "DURATION"),
    (r"\b\d+\.\d+( s\b|$)", r"SECONDS\1"),
    (r"\b\d+ requests", "N requests"),
    (r"\bnow\b|\b\d+ (s|min|h) ago\b|\bin \d+ h\b", "AGE"),
    (r"\S*/whatschat-ops(?= )", "whatschat-ops"),
    (r"[ \t]+", " "),
)
"""What differs from run to run; all else must be as written."""

COLUMN_PX: Final = 12.2
"""The width of a character in Rich's SVG."""
_BLOCK: Final = re.compile(
    r"(?:<!-- file: (?P<file>\S+) -->\n)?^```(?P<language>\w+)(?: (?P<terminal>\w+))?\n(?P<text>.*?)^```$",
    re.M | re.S,
)
_PROMPT: Final = re.compile(r"^\w*\$ (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Step:
    """A command that is typed, with what it prints; or (`file`) a file that is written. `terminal`: in which one, "" in the first."""

    typed: str
    prints: str = ""
    terminal: str = ""
    file: str = ""


def steps(page: Path) -> Iterator[Step]:
    """What a reader of the page does, in order: its `console` blocks, and the blocks below a comment `file: PATH`."""
    for block in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        if block["file"]:
            yield Step(block["text"], file=block["file"])
        elif block["language"] == "console":
            for typed, prints in commands_of(block["text"]):
                yield Step(typed, prints, block["terminal"] or "")


def commands_of(session: str) -> list[tuple[str, str]]:
    """(command, what it prints) of each prompt in a session."""
    parts = _PROMPT.split(session)[1:]
    return [(typed, prints.strip("\n")) for typed, prints in zip(parts[::2], parts[1::2], strict=True)]


def masked(text: str) -> list[str]:
    """The lines, with what differs from run to run replaced by its name."""
    for pattern, name in VARIABLE:
        text = re.sub(pattern, name, text, flags=re.M)
    return [line.strip() for line in text.strip().splitlines()]


def is_shown(printed: str, shown: str) -> bool:
    """Whether a run printed what the page shows."""
    pattern = "".join(
        r"(?:.*\n)*?" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*?") + r"\n"
        for line in masked(shown)
    )
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in masked(printed))) is not None


def text_of(svg: str) -> str:
    """What a screen drawn by Rich shows: its title, and its lines."""
    words = re.compile(r'<text class="[^"]*-r\d+" x="([\d.]+)" y="([\d.]+)"[^>]*>(.*?)</text>', re.DOTALL)
    lines: dict[float, str] = {}
    for x, y, text in sorted(words.findall(svg), key=lambda found: (float(found[1]), float(found[0]))):
        before = lines.get(float(y), "")
        lines[float(y)] = before.ljust(round(float(x) / COLUMN_PX)) + html.unescape(text).replace(
            "\xa0", " "
        ).strip("\n")
    title = re.search(r'-title"[^>]*>(.*?)</text>', svg)
    shown = [line.rstrip() for line in lines.values()]
    return "\n".join([html.unescape(title[1]).replace("\xa0", " "), *shown] if title else shown)
