"""A damaged file, line by line: good rows become JSON lines again, in files of a bounded size, the others are counted.

Some ten times slower than DuckDB, so only what DuckDB refuses comes here. Nothing is held in memory but one line.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import IO, Any, Final, TypeAlias, cast

import msgspec

from whatschat_ops.files import reporting
from whatschat_ops.usage.engine.database import Unreadable
from whatschat_ops.usage.engine.formats import LONGEST_LINE_BYTES, Compression, Format, Kind
from whatschat_ops.usage.measured import Findings

PIECE_BYTES: Final = 256 * 1024 * 1024
"""Ours: of repaired lines, in one temporary file."""

_SHOWN_BYTES: Final = 4_096
_BLOCK_BYTES: Final = 65_536

Unwrap: TypeAlias = Callable[[bytes], bytes | str]
"""A line of a file -> the JSON object in it, or the reason why it has none."""


def as_it_is(line: bytes) -> bytes | str:
    """Lines that are JSON themselves."""
    return line


def repaired(
    path: Path, form: Format, rejects: Findings, folder: Path, unwrap: Unwrap = as_it_is
) -> Iterator[Path]:
    """Files of JSON lines with what can be used, each of which is deleted when the next one is asked for."""
    rows = _csv_rows if form.kind is Kind.CSV else _json_rows
    target = folder / "repaired.jsonl"
    with ExitStack() as stack:
        stack.callback(target.unlink, missing_ok=True)
        stack.enter_context(reporting(path))
        stream = stack.enter_context(_OPENED[form.compression](path))
        lines = rows(stream, form, rejects, unwrap)
        while True:
            with reporting(target, written=True), target.open("wb") as out:
                while out.tell() < PIECE_BYTES and (row := next(lines, None)) is not None:
                    out.write(row + b"\n")
                size_bytes = out.tell()
            if not size_bytes:
                return
            yield target


class _Frames(io.RawIOBase):
    """What is in a zstd file. Raises EOFError where a frame is cut off or damaged."""

    def __init__(self, path: Path) -> None:
        try:
            import zstandard
        except ImportError as error:
            raise Unreadable("damaged zstd files are read with zstandard, which is not installed") from error
        self.name = str(path)
        self._failure: type[Exception] = zstandard.ZstdError
        self._frame = zstandard.ZstdDecompressor().decompressobj
        self._stream, self._now, self._out, self._in = path.open("rb"), self._frame(), b"", b""
        self._is_within = False

    def readable(self) -> bool:
        """Yes."""
        return True

    def close(self) -> None:
        """Close the file, too."""
        self._stream.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        """Some of the next bytes; 0 at the end of the last frame."""
        while not self._out and (self._in or (block := self._stream.read(_BLOCK_BYTES))):
            self._expand(self._in or block)
        if not self._out and self._is_within:
            raise EOFError("it ends within a frame")
        part, self._out = self._out[: len(buffer)], self._out[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)

    def _expand(self, block: bytes) -> None:
        try:
            self._out = self._now.decompress(block)
        except self._failure as error:
            raise EOFError(str(error)) from error
        self._is_within, self._in = not self._now.eof, self._now.unused_data
        if self._now.eof:
            self._now = self._frame()


_OPENED: Final[Mapping[Compression, Callable[[Path], IO[bytes]]]] = {
    Compression.NONE: lambda path: path.open("rb"),
    Compression.GZIP: lambda path: cast(IO[bytes], gzip.GzipFile(path, "rb")),
    Compression.ZSTD: lambda path: io.BufferedReader(_Frames(path)),
}


def _lines(stream: IO[bytes], rejects: Findings) -> Iterator[bytes]:
    """Each line without its end. What is too long, and where the file is cut off, is counted."""
    is_first = True
    while True:
        try:
            line = stream.readline(LONGEST_LINE_BYTES + 1)
            if len(line) > LONGEST_LINE_BYTES:
                rejects.add("a line longer than 1 MB", _shown(line))
                while line and not line.endswith(b"\n"):
                    line = stream.readline(LONGEST_LINE_BYTES)
                continue
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            rejects.add("a compressed file that is cut off or damaged", f"{stream.name}: {error}")
            return
        if not line:
            return
        yield (line.removeprefix(b"\xef\xbb\xbf") if is_first else line).strip()
        is_first = False


def _shown(line: bytes) -> str:
    """Its start, without what a terminal would obey."""
    text = line[:_SHOWN_BYTES].decode("utf-8", "replace")
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def _json_rows(stream: IO[bytes], form: Format, rejects: Findings, unwrap: Unwrap) -> Iterator[bytes]:
    found = _lines(stream, rejects)
    for line in found if form.kind is not Kind.ARRAY else chain.from_iterable(map(_values, found)):
        if not line:
            continue
        inner = unwrap(line)
        row = inner if isinstance(inner, str) else _one_object(inner)
        if isinstance(row, bytes):
            yield row
        else:
            rejects.add(row, _shown(line))


def _values(line: bytes) -> Iterator[bytes]:
    """Those of an array that are in this line of it; the rest from the first one that is not JSON."""
    text, decode = line.decode("utf-8", "surrogateescape"), json.JSONDecoder().raw_decode
    while text := text.strip("[], \t"):
        try:
            end = decode(text)[1]
        except (ValueError, RecursionError):
            end = len(text)
        yield text[:end].encode("utf-8", "surrogateescape")
        text = text[end:]


def _one_object(line: bytes) -> bytes | str:
    """The object without what DuckDB refuses in a valid one, which is a key that is there twice. Or what is wrong.

    The first one counts: what stands behind it may come from a client (`userAgent`).
    """
    if b"\0" in line:
        return "a line with NUL bytes"
    try:
        line.decode()  # first: msgspec does not always say that this is what is wrong
        value = msgspec.json.decode(line)
    except UnicodeDecodeError:
        return "a line that is not UTF-8"
    except (ValueError, RecursionError):
        return "a line that is not JSON"
    if not isinstance(value, dict):
        return "a line that is no JSON object"
    if line.count(b'":') == len(value):
        return line
    return msgspec.json.encode(json.loads(line, object_pairs_hook=lambda pairs: dict(reversed(pairs))))


def _csv_rows(stream: IO[bytes], form: Format, rejects: Findings, _: Unwrap) -> Iterator[bytes]:
    """Rows with as many values as the header has names.

    Where a row of several lines is not one, its first line is rejected, and the next one begins a row: a quotation mark that is
    not closed costs one line.
    """
    more = (line.decode("utf-8", "surrogateescape") + "\n" for line in _lines(stream, rejects))
    lines: deque[str] = deque()
    taken: list[str] = []

    def following() -> Iterator[str]:
        while (line := lines.popleft() if lines else next(more, None)) is not None:
            taken.append(line)
            yield line

    next(csv.reader(following(), delimiter=form.delimiter), None)
    while True:
        taken.clear()
        row, reason = _row(following(), form)
        if row is None and reason is None:
            return
        if reason is not None:
            lines.extendleft(reversed(taken[1:]))
            rejects.add(reason, _shown(taken[0].strip().encode("utf-8", "surrogateescape")))
        elif row:
            values = {name: value for name, value in zip(form.fields, row, strict=True) if value}
            yield msgspec.json.encode(values)


def _row(lines: Iterator[str], form: Format) -> tuple[list[str] | None, str | None]:
    """The next row, and why it is none; neither at the end. An empty line is an empty row."""
    try:
        row = next(csv.reader(lines, delimiter=form.delimiter), None)
    except csv.Error:
        return [], "a row that is not CSV"
    return row, _row_problem(row, len(form.fields)) if row else None


def _row_problem(row: list[str], fields: int) -> str | None:
    if any("\0" in each for each in row):
        return "a row with NUL bytes"
    if any(not each.isascii() and _is_broken(each) for each in row):
        return "a row that is not UTF-8"
    return "a row with other columns than the header" if len(row) != fields else None


def _is_broken(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
