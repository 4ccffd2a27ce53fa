"""Lines that are piped in: where they end, byte-order marks, and what is no line of text."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from whatschat_ops.cli.terminal.terminal_lines import MAX_LINE_BYTES, TerminalLines
from whatschat_ops.errors import UsageError


async def read_all() -> tuple[list[str], Exception | None]:
    source, queue = TerminalLines(editing=False), asyncio.Queue[str | None](2)
    source.start(queue)
    found = []
    while (line := await asyncio.wait_for(queue.get(), 60)) is not None:
        found.append(line)
    await source.stop()
    return found, source.failure


def piped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: bytes) -> tuple[list[str], Exception | None]:
    path = tmp_path / "piped"
    path.write_bytes(data)
    with path.open(encoding="utf-8") as opened:
        monkeypatch.setattr(sys, "stdin", opened)
        return asyncio.run(read_all())


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"a\nb", ["a", "b"]),
        (b"a\r\n\r\nb\r\n", ["a", "", "b"]),
        ("\ufeffa\n\ufeffb\n".encode(), ["a", "\ufeffb"]),
        ("é😀\n".encode(), ["é😀"]),
        (b"x" * 200_000 + b"\ny", ["x" * 200_000, "y"]),
    ],
)
def test_line_is_what_stands_between_line_ends(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: bytes, lines: list[str]
) -> None:
    assert piped(monkeypatch, tmp_path, data) == (lines, None)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"good\n\xff\nlater\n", "Standard input, line 2: it is not UTF-8 text."),
        (b"good\nx\xe9", "Standard input, line 2: it is not UTF-8 text."),
        (b"good\n" + b"x" * (MAX_LINE_BYTES + 1), "line 2: it is longer than 1,048,576 bytes."),
    ],
)
def test_what_is_no_line_of_text_ends_the_input_and_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: bytes, why: str
) -> None:
    lines, failure = piped(monkeypatch, tmp_path, data)

    assert lines == ["good"]
    assert isinstance(failure, UsageError)
    assert why in failure.message
    assert failure.hint
