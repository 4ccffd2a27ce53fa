"""What is in a file, by its first bytes; the name decides only what those cannot tell."""

from __future__ import annotations

import codecs
import csv
import json
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from whatschat_ops.files import reporting
from whatschat_ops.usage.engine.database import Engine, Unreadable, name, text

_HEAD_BYTES: Final = 65_536
LONGEST_LINE_BYTES: Final = 1024 * 1024
"""CloudWatch Logs: an event has at most 1 MB (docs: cloudwatch_limits_cwl). Longer lines of files are rejected."""


class Kind(StrEnum):
    """How rows are written."""

    JSON = "JSON lines"
    ARRAY = "a JSON array"
    CSV = "CSV"
    PARQUET = "Parquet"
    TEXT = "text"
    EMPTY = "nothing"


class Compression(StrEnum):
    """As DuckDB calls it."""

    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"


@dataclass(frozen=True, slots=True)
class Format:
    """`fields` are the names of a CSV file's header, in order, or of the first object of JSON; `first` is the first line.

    `has_objects`: some line of a text begins as a JSON object does, as far as its first bytes tell.
    """

    kind: Kind
    compression: Compression = Compression.NONE
    delimiter: str = ""
    fields: tuple[str, ...] = ()
    first: bytes = b""
    has_objects: bool = False


Columns = Mapping[str, Sequence[str]]
"""Name of a column -> the names that it may have in files, in any case; the first one found counts."""


def format_of(engine: Engine, path: Path, columns: Columns) -> Format:
    """What is in the file. Raises UsageError or OpsError if it cannot be opened, `Unreadable` if it is not what it seems."""
    with reporting(path), path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    if head.startswith(b"PAR1"):
        return Format(Kind.PARQUET)
    compression = Compression.NONE
    if head.startswith(b"\x1f\x8b"):
        compression, head = Compression.GZIP, _unzipped(head)
    elif head.startswith(b"\x28\xb5\x2f\xfd"):
        compression, head = Compression.ZSTD, _first_of_zstd(engine, path)
    return _of_text(head.removeprefix(b"\xef\xbb\xbf").lstrip(), compression, columns)


def _of_text(head: bytes, compression: Compression, columns: Columns) -> Format:
    first = head.partition(b"\n")[0].rstrip(b"\r")
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise Unreadable("it is UTF-16 text: save it as UTF-8")
    if not first:
        return Format(Kind.EMPTY, compression)
    if first.startswith((b"{", b"[")):
        kind = Kind.JSON if first.startswith(b"{") else Kind.ARRAY
        return Format(kind, compression, first=first, fields=_keys(head))
    known = {alias.lower() for aliases in columns.values() for alias in aliases}
    line = first.decode("utf-8", "replace")
    delimiter = max(",;\t|", key=lambda each: len(_header(line, each, known)))
    fields = _cells(line, delimiter)
    if not _header(line, delimiter, known) or len(set(fields)) < len(fields):
        return Format(Kind.TEXT, compression, first=first, has_objects=b"\n{" in head)
    return Format(Kind.CSV, compression, delimiter, tuple(fields), first)


def _keys(head: bytes) -> tuple[str, ...]:
    """Of the first object, if it is among the first bytes."""
    try:
        found, _ = json.JSONDecoder().raw_decode(head.decode("utf-8", "replace").lstrip("[ \t\r\n"))
    except (ValueError, RecursionError):
        return ()
    return tuple(found) if isinstance(found, dict) else ()


def _capitalized(alias: str) -> str:
    return alias[:1].upper() + alias[1:]


_CASES: Final[tuple[Callable[[str], str], ...]] = (str, _capitalized, str.upper)


def spelled(form: Format, columns: Columns) -> Columns:
    """The columns under the very names of this file, which JSON needs: DuckDB finds its keys by case.

    A name that the first row does not have is in the case that most of its names are in.
    """
    found = {each.strip().lower(): each for each in form.fields}
    every = [alias for aliases in columns.values() for alias in aliases]
    cased = max(_CASES, key=lambda case: len({case(alias) for alias in every} & set(form.fields)))
    return {
        column: list(dict.fromkeys(found.get(alias.lower(), cased(alias)) for alias in aliases))
        for column, aliases in columns.items()
    }


def _header(line: str, delimiter: str, known: Collection[str]) -> set[str]:
    return {field.strip().lower() for field in _cells(line, delimiter)} & set(known)


def _cells(line: str, delimiter: str) -> list[str]:
    """The values of a line of CSV; none of what is not CSV (a bare CR, a value of over 128 KB)."""
    try:
        return next(csv.reader([line], delimiter=delimiter))
    except csv.Error:
        return []


def _unzipped(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(head, _HEAD_BYTES)
    except zlib.error:
        return b""


def _first_of_zstd(engine: Engine, path: Path) -> bytes:
    lines = engine.rows(
        f"SELECT line FROM {_lines(path)} WHERE trim(coalesce(line, '')) <> '' LIMIT 1",
    )
    return str(lines[0][0]).encode() if lines else b""


def _lines(path: Path) -> str:
    return (
        f"read_csv({text(path)}, columns = {{line: 'VARCHAR'}}, auto_detect = false, header = false, delim = '\x01', "
        f"quote = '', escape = '', max_line_size = {LONGEST_LINE_BYTES}, compression = 'zstd', strict_mode = false)"
    )


def source(
    engine: Engine, path: Path, form: Format, columns: Columns, only: Collection[str] = ()
) -> tuple[str, set[str]]:
    """A table of SQL with the wanted columns as text (NULL if the file lacks one), and those that it has.

    A list, a struct or an object is its JSON. `only`: of JSON, no more than these columns are read. Any row that is not as it should be makes a query of it `Unreadable`.
    """
    if form.kind in (Kind.JSON, Kind.ARRAY):
        columns = {each: names for each, names in spelled(form, columns).items() if not only or each in only}
        names = [alias for aliases in columns.values() for alias in aliases]
        return f"({_selected(_json(path, form, names), columns, {each: each for each in names})})", set(
            columns
        )
    table, there = _csv(path, form) if form.kind is Kind.CSV else _parquet(engine, path)
    has = {column for column, aliases in columns.items() if any(each.lower() in there for each in aliases)}
    selected = _selected(table, columns, there)
    return f"({selected if form.kind is Kind.PARQUET else _without_nul(selected, columns)})", has


def _without_nul(rows: str, columns: Columns) -> str:
    """The rows; one with a NUL byte is an error, which DuckDB does not find in CSV."""
    every = ", ".join(name(column) for column in columns)
    is_damaged = f"contains(concat({every}), chr(0))"
    return f"SELECT * FROM ({rows}) WHERE CASE WHEN {is_damaged} THEN CAST(error('NUL') AS BOOLEAN) ELSE true END"


def _selected(table: str, columns: Columns, there: Mapping[str, str]) -> str:
    """`there`: alias (in lower case unless the file is JSON) -> expression."""
    fields = []
    for column, aliases in columns.items():
        found = [there.get(each) or there.get(each.lower()) for each in aliases]
        expressions = [name(each) if each in aliases else each for each in found if each]
        texts = [
            f"CAST({each} AS VARCHAR)" for each in expressions
        ]  # before they are one: an object is JSON, which text is not
        value = f"coalesce({', '.join(texts)})" if len(texts) > 1 else [*texts, "CAST(NULL AS VARCHAR)"][0]
        fields.append(f"{value} AS {name(column)}")
    return f"SELECT {', '.join(fields)} FROM {table}"


def _json(path: Path, form: Format, names: Sequence[str]) -> str:
    fields = ", ".join(f"{text(each)}: 'VARCHAR'" for each in dict.fromkeys(names))
    layout = "newline_delimited" if form.kind is Kind.JSON else "array"
    return (
        f"read_json({text(path)}, format = '{layout}', columns = {{{fields}}}, compression = '{form.compression}', "
        f"maximum_object_size = {LONGEST_LINE_BYTES})"
    )


def _csv(path: Path, form: Format) -> tuple[str, dict[str, str]]:
    fields = ", ".join(f"{text(each)}: 'VARCHAR'" for each in form.fields)
    table = (
        f"read_csv({text(path)}, columns = {{{fields}}}, auto_detect = false, header = true, "
        f"delim = {text(form.delimiter)}, quote = '\"', escape = '\"', compression = '{form.compression}', "
        f"max_line_size = {LONGEST_LINE_BYTES}, nullstr = '')"
    )
    return table, {each.strip().lower(): f"nullif({name(each)}, '')" for each in form.fields}


def _parquet(engine: Engine, path: Path) -> tuple[str, dict[str, str]]:
    table = f"read_parquet({text(path)}, hive_partitioning = false)"
    types = engine.names(f"SELECT * FROM {table}")
    nested = ("STRUCT", "MAP", "UNION")
    return table, {
        column.lower(): f"to_json({name(column)})"
        if kind.startswith(nested) or kind.endswith("[]")
        else name(column)
        for column, kind in types.items()
    }
