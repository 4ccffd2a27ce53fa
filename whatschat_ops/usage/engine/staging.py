"""Files become Parquet pieces with the wanted columns, and the pieces a view. Nothing is dropped without being counted.

A file that DuckDB reads to its end is one piece. One that it refuses is repaired (`repairing.py`) into as many as it takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from whatschat_ops.usage.engine.database import Engine, Unreadable, text
from whatschat_ops.usage.engine.formats import Columns, Compression, Format, Kind, format_of, source
from whatschat_ops.usage.engine.inputs import Input
from whatschat_ops.usage.engine.repairing import Unwrap, as_it_is, repaired
from whatschat_ops.usage.measured import Findings

if TYPE_CHECKING:
    from whatschat_ops.aws import Aws

ALL: Final = "SELECT * FROM {rows}"
TEMPORARY: Final = "COMPRESSION lz4_raw, DICTIONARY_SIZE_LIMIT 1000"
"""Parquet that is written soon rather than small."""


@dataclass(frozen=True, slots=True)
class Quick:
    """SQL for files of which every row is of the most frequent shape. For any other row it must call `error()`.

    It reads fewer `columns`, and makes of rows of that shape what `Wanted.query` makes of them.
    """

    columns: tuple[str, ...]
    query: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to read of files.

    `quick`, if there is one, is tried first. `query` makes what is kept of the rows: SQL with `{rows}` in place of a table whose columns are those of `columns`, all text, and `{file}` in a literal in place of the file's name.
    A CSV or Parquet file without all of `required` is rejected. `unwrap` finds the JSON object in a line of a log.
    """

    columns: Columns
    query: str = ALL
    required: tuple[str, ...] = ()
    unwrap: Unwrap = as_it_is
    quick: Quick | None = None


@dataclass(slots=True)
class Staged:
    """What was read: pieces of Parquet, written with the options `parquet`, the rows in them, and what could not be used."""

    pieces: list[Path] = field(default_factory=list)
    rows: int = 0
    files: int = 0
    size_bytes: int = 0
    rejects: Findings = field(default_factory=Findings)
    parquet: str = TEMPORARY


def stage(
    engine: Engine, those: Sequence[Input], wanted: Wanted, view: str, aws: Aws | None = None
) -> Staged:
    """Read every file and name the result: a view that lives as long as the engine."""
    staged = Staged()
    folder = engine.folder / view
    folder.mkdir()
    for number, each in enumerate(those):
        with each.here(engine.folder, aws) as path:
            stage_file(engine, path, wanted, folder / f"{number:06}", staged, shown=each.name)
    create_view(engine, view, staged.pieces, wanted)
    return staged


def create_view(engine: Engine, view: str, pieces: Sequence[Path], wanted: Wanted) -> None:
    """A view of all pieces; without pieces, of no rows."""
    if pieces:
        query = f"SELECT * FROM read_parquet([{', '.join(text(each) for each in pieces)}])"
    else:
        columns = ", ".join(f'CAST(NULL AS VARCHAR) AS "{each}"' for each in wanted.columns)
        query = f"{wanted.query.replace('{rows}', f'(SELECT {columns} WHERE false)')}"
    engine.rows(f"CREATE OR REPLACE VIEW {view} AS {query}")


def stage_file(engine: Engine, path: Path, wanted: Wanted, stem: Path, staged: Staged, *, shown: str) -> None:
    """Add one file's pieces, called `<stem>-<n>.parquet`. A piece is whole or not there."""
    staged.files += 1
    staged.size_bytes += path.stat().st_size
    wanted = replace(wanted, query=wanted.query.replace("{file}", text(shown)[1:-1]))
    try:
        form = format_of(engine, path, wanted.columns)
        if form.kind is Kind.EMPTY:
            before = staged.rejects.total
            if form.compression is not Compression.NONE:  # it may be cut off or damaged before its first line
                _stage_repaired(engine, path, form, wanted, stem, staged)
            if before == staged.rejects.total:
                staged.rejects.add("an empty file", shown)
        elif form.kind is Kind.TEXT and wanted.required and not form.has_objects:
            raise Unreadable(
                f"its first line is no header with the column {_named(wanted.required, wanted)}, each once"
            )
        elif _is_plain(form, wanted):
            _stage_whole(engine, path, form, wanted, stem, staged)
        else:
            _stage_repaired(engine, path, form, wanted, stem, staged)
    except Unreadable as error:
        staged.rejects.add("a file that cannot be read", f"{shown}: {error}")


def _is_plain(form: Format, wanted: Wanted) -> bool:
    """Whether DuckDB may read it: no wrapped lines, as far as the first one tells."""
    if form.kind is Kind.TEXT:
        return False
    return form.kind is not Kind.JSON or wanted.unwrap(form.first) == form.first


def _named(columns: Sequence[str], wanted: Wanted) -> str:
    """As files have them."""
    return ", ".join(wanted.columns[each][0] for each in columns)


def _stage_whole(
    engine: Engine, path: Path, form: Format, wanted: Wanted, stem: Path, staged: Staged
) -> None:
    _, has = source(engine, path, form, wanted.columns)
    missing = [each for each in wanted.required if each not in has]
    if missing:
        raise Unreadable(f"it has no column {_named(missing, wanted)}")
    try:
        piece = _written(engine, path, form, wanted, stem, 0, staged)
    except Unreadable:
        if form.kind is Kind.PARQUET:
            raise
        _stage_repaired(engine, path, form, wanted, stem, staged)
        return
    _add(engine, piece, staged)


def _stage_repaired(
    engine: Engine, path: Path, form: Format, wanted: Wanted, stem: Path, staged: Staged
) -> None:
    plain = Format(Kind.JSON, fields=form.fields)
    for number, part in enumerate(repaired(path, form, staged.rejects, engine.folder, wanted.unwrap)):
        _add(engine, _written(engine, part, plain, wanted, stem, number, staged), staged)


def _written(
    engine: Engine, path: Path, form: Format, wanted: Wanted, stem: Path, number: int, staged: Staged
) -> Path:
    piece = stem.with_name(f"{stem.name}-{number:04}.parquet")
    if wanted.quick:
        with suppress(Unreadable):
            table, _ = source(engine, path, form, wanted.columns, wanted.quick.columns)
            return _copied(engine, wanted.quick.query.replace("{rows}", table), piece, staged)
    table, _ = source(engine, path, form, wanted.columns)
    return _copied(engine, wanted.query.replace("{rows}", table), piece, staged)


def _copied(engine: Engine, query: str, piece: Path, staged: Staged) -> Path:
    draft = piece.with_suffix(".part")
    try:
        engine.rows(f"COPY ({query}) TO {text(draft)} (FORMAT parquet, {staged.parquet})")
        return draft.replace(piece)
    finally:
        draft.unlink(missing_ok=True)


def _add(engine: Engine, piece: Path, staged: Staged) -> None:
    staged.pieces.append(piece)
    (rows,) = engine.one(f"SELECT count(*) FROM read_parquet({text(piece)})")
    staged.rows += rows
