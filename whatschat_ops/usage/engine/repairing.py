"""A damaged file, line by line: good rows become JSON lines again, in files of a bounded size, the others are counted.

Some ten times slower than DuckDB, so only what DuckDB refuses comes here. Nothing is held in memory but one line.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Final, TypeAlias, cast

import msgspec

from whatschat_ops.files import reporting
from whatschat_ops.usage.engine.formats import LONGEST_LINE_BYTES, Compression, Format, Kind
from whatschat_ops.usage.measured import Findings

PIECE_BYTES: Final = 256 * 1024 * 1024
"""Ours: of repaired lines, in one temporary file."""

_SHOWN_BYTES: Final = 4_096

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
        opened = gzip.open if form.compression is Compression.GZIP else open
        stream = stack.enter_context(opened(path, "rb"))
        lines = rows(cast(IO[bytes], stream), form, rejects, unwrap)
        while True:
            with reporting(target, written=True), target.open("wb") as out:
                while out.tell() < PIECE_BYTES and (row := next(lines, None)) is not None:
                    out.write(row + b"\n")
                size_bytes = out.tell()
            if not size_bytes:
                return
            yield target


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


def _json_rows(stream: IO[bytes], _: Format, rejects: Findings, unwrap: Unwrap) -> Iterator[bytes]:
    for line in _lines(stream, rejects):
        if not line:
            continue
        found = unwrap(line)
        row = found if isinstance(found, str) else _one_object(found)
        if isinstance(row, bytes):
            yield row
        else:
            rejects.add(row, _shown(line))


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
    """Rows with as many values as the header has names."""
    text = (line.decode("utf-8", "surrogateescape") + "\n" for line in _lines(stream, rejects))
    reader = csv.reader(text, delimiter=form.delimiter, strict=False)
    next(reader, None)
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            rejects.add("a row that is not CSV", str(error))
            continue
        if row is None:
            return
        reason = _row_problem(row, len(form.fields)) if row else None
        if reason is not None:
            shown = io.StringIO()
            csv.writer(shown).writerow([each[:80] for each in row[:20]])
            rejects.add(reason, shown.getvalue().strip())
        elif row:
            values = {name: value for name, value in zip(form.fields, row, strict=True) if value}
            yield msgspec.json.encode(values)


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
