"""`cost usage import`: logs become Parquet once, in a folder that later commands and Athena read.

    DIR/usage-import.json             what this folder is
    DIR/imported/<file>.json          which pieces a file of a version became; written when they are whole
    DIR/lines/<file>-<n>.parquet      rows of `lines.py`; what could not be read is in them, too, as rejected rows

A file is imported once. What a process left that was killed has no entry in `imported/`, and is made again. A file that has
changed since replaces what it was. So an import may be ended at any time and repeated with the same command.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from whatschat_ops.errors import OpsError, UsageError
from whatschat_ops.files import reporting, write_whole
from whatschat_ops.usage.engine.database import Engine, text
from whatschat_ops.usage.engine.inputs import Input
from whatschat_ops.usage.engine.staging import Staged, Wanted, stage_file
from whatschat_ops.usage.logs.lines import OF_LAMBDA, TYPES
from whatschat_ops.usage.logs.questions import IS_UNIQUE
from whatschat_ops.usage.measured import Finding, Findings

if TYPE_CHECKING:
    from whatschat_ops.aws import Aws

_T = TypeVar("_T")

MARK: Final = "usage-import.json"
LINES: Final = "lines"
PARQUET: Final = "COMPRESSION zstd"
_IMPORTED: Final = "imported"
_FORMAT: Final = 2
_PROBE: Final = "SELECT CAST(hash('L0SM9cOFvHcCIhw=') >> 1 AS BIGINT)"
"""Other versions of DuckDB may have another hash: the ids of one folder must come from the same."""


class _Mark(msgspec.Struct, frozen=True):
    """Of a folder."""

    format: int
    probe: int


class _Entry(msgspec.Struct, frozen=True):
    """Of a file that is imported. `pieces` are names of files in `lines/`; its lines are of `first_ms` to `last_ms`."""

    name: str
    version: str
    rows: int
    size_bytes: int
    pieces: tuple[str, ...]
    is_unique: bool = False
    """Each event has one line in it: no duplicates among them, and no lines of both API Gateway and functions."""
    first_ms: int = 0
    last_ms: int = 0


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import came to. `skipped` files were imported before. Sizes in bytes, of the files read and of all in the folder."""

    folder: str
    files: int
    skipped: int
    replaced: int
    rows: int
    read_bytes: int
    folder_bytes: int
    rejects: tuple[Finding, ...]


def import_logs(
    engine: Engine,
    those: Sequence[Input],
    wanted: Wanted,
    folder: Path,
    *,
    flag: str,
    aws: Aws | None = None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Imported:
    """Import what is not yet there. Raises UsageError for a folder that holds anything else, OpsError for one in use."""
    with _held(engine, folder, flag):
        entries = {entry.name: entry for entry in _entries(folder)}
        _delete_leftovers(folder, entries.values())
        new = [each for each in those if not _is_imported(each, entries, folder)]
        rejects, staged_rows, read_bytes = Findings(), 0, 0
        for number, each in enumerate(new):
            progress(number, len(new))
            staged = _import_one(engine, each, wanted, folder, aws)
            for found in staged.rejects.found:
                rejects.add(found.reason, *found.samples, count=found.count)
            staged_rows, read_bytes = staged_rows + staged.rows, read_bytes + each.size_bytes
        _delete_leftovers(folder, _entries(folder))
        return Imported(
            str(folder),
            len(new),
            len(those) - len(new),
            sum(each.name in entries for each in new),
            staged_rows,
            read_bytes,
            sum(piece.stat().st_size for piece in pieces_of(folder) if piece.is_file()),
            _rejected_rows(engine, new, folder, rejects),
        )


def is_import(path: str) -> bool:
    """Whether the path is a folder that an import made."""
    return (Path(path) / MARK).is_file()


def without_imports(those: Sequence[Input]) -> Sequence[Input]:
    """The files. Raises UsageError if an import is among them: its lines are read as such only where its folder is named."""
    for each in those:
        folder, _, name = each.name.rpartition("/")
        if name == MARK:
            raise UsageError(
                f"{folder} is an import of logs, not logs.",
                hint="Name its folder by itself with --from logs=DIR, on this machine or with --engine athena in S3.",
            )
    return those


def pieces_of(folder: Path) -> list[Path]:
    """Every piece of every file that is imported."""
    return [folder / LINES / piece for entry in _entries(folder) for piece in entry.pieces]


@contextmanager
def _held(engine: Engine, folder: Path, flag: str) -> Iterator[None]:
    from whatschat_ops.broadcast.journal import lock

    with reporting(folder, flag=flag, written=True):
        folder.mkdir(parents=True, exist_ok=True)
        mark, (probe,) = folder / MARK, engine.one(_PROBE)
        if not mark.exists():
            if any(folder.iterdir()):
                raise UsageError(f"{folder} holds other files.", hint=f"Name a new folder with {flag}.")
            (folder / LINES).mkdir()
            (folder / _IMPORTED).mkdir()
            write_whole(mark, msgspec.json.encode(_Mark(_FORMAT, probe)))
        if _read(mark, _Mark) != _Mark(_FORMAT, probe):
            raise OpsError(
                f"{folder} was imported by another version of this program or of DuckDB.",
                hint=f"Import into a new folder with {flag}.",
            )
    held = lock.hold(mark)
    if held is None:
        raise OpsError(
            f"{folder} is being imported into by another process.", hint="Wait until it has ended."
        )
    with closing(held):
        yield


def _is_imported(each: Input, entries: dict[str, _Entry], folder: Path) -> bool:
    """In this version, with all of its pieces."""
    entry = entries.get(each.name)
    if entry is None or entry.version != each.version:
        return False
    return all((folder / LINES / piece).is_file() for piece in entry.pieces)


def _import_one(engine: Engine, each: Input, wanted: Wanted, folder: Path, aws: Aws | None) -> Staged:
    key = hashlib.sha256(f"{each.name}\n{each.version}".encode()).hexdigest()[:24]
    staged = Staged(parquet=PARQUET)
    with each.here(engine.folder, aws) as path:
        stage_file(engine, path, wanted, folder / LINES / key, staged, shown=each.name)
    if staged.rejects.found:
        staged.pieces.append(
            _write_rejects(engine, staged.rejects, folder / LINES / f"{key}-rejects.parquet")
        )
    names = tuple(piece.name for piece in staged.pieces)
    facts = _facts(engine, staged.pieces)
    entry = _Entry(each.name, each.version, staged.rows, each.size_bytes, names, *facts)
    write_whole(folder / _IMPORTED / f"{_entry_key(each.name)}.json", msgspec.json.encode(entry))
    return staged


def _facts(engine: Engine, pieces: Sequence[Path]) -> tuple[bool, int, int]:
    if not pieces:
        return True, 0, 0
    lines = f"read_parquet([{', '.join(text(piece) for piece in pieces)}])"
    (is_unique,) = engine.one(IS_UNIQUE.sql.replace("{lines}", lines))
    first, last, timed, used = engine.one(
        f"SELECT min(t_ms), max(t_ms), count(t_ms), count(kind) FROM {lines} WHERE kind IS NOT NULL"
    )
    return bool(is_unique) and timed == used, first or 0, last or 0


def is_unique(folder: Path) -> bool:
    """Whether it is known that each event has one line: in each file, and no two files have lines of the same time.

    The lines of an event that is there twice have the same time.
    """
    entries = sorted(_entries(folder), key=lambda entry: entry.first_ms)
    apart = all(first.last_ms < second.first_ms for first, second in pairwise(entries))
    return apart and all(entry.is_unique for entry in entries)


def _entry_key(name: str) -> str:
    """One entry for each file: that of a new version takes the place of the old one's at once."""
    return hashlib.sha256(name.encode()).hexdigest()[:24]


def _write_rejects(engine: Engine, rejects: Findings, piece: Path) -> Path:
    """Rows that say what could not be read, as often as there were."""
    values = ", ".join(
        f"({text(found.reason)}, {text('; '.join(found.samples))}, {found.count})" for found in rejects.found
    )
    of_note = {"note": "reason", "sample": "sample"}
    columns = ", ".join(
        f"{of_note.get(name, f'CAST(NULL AS {_TYPES[kind]})')} AS {name}" for name, kind in TYPES.items()
    )
    draft = piece.with_suffix(".part")
    engine.rows(
        f"COPY (SELECT {columns} FROM (SELECT *, unnest(range(times)) FROM (VALUES {values}) AS found(reason, sample, times))) "
        f"TO {text(draft)} (FORMAT parquet, {PARQUET})"
    )
    return draft.replace(piece)


_TYPES: Final = {"string": "VARCHAR", "bigint": "BIGINT", "int": "INTEGER"}


def _rejected_rows(
    engine: Engine, new: Sequence[Input], folder: Path, rejects: Findings
) -> tuple[Finding, ...]:
    """With the rows that were read and are no lines of the API, of the files that were imported now; without Lambda's own."""
    names = {each.name for each in new}
    pieces = [
        text(folder / LINES / piece)
        for entry in _entries(folder)
        if entry.name in names
        for piece in entry.pieces
        if not piece.endswith("-rejects.parquet")
    ]
    if pieces:
        rows = engine.rows(
            f"SELECT note, count(*), min(sample) FROM read_parquet([{', '.join(pieces)}]) WHERE kind IS NULL GROUP BY 1"
        )
        for note, count, sample in rows:
            rejects.add(note, sample, count=count)
    rejects.take(OF_LAMBDA)
    return rejects.found


def _entries(folder: Path) -> list[_Entry]:
    with reporting(folder):
        return [_read(path, _Entry) for path in sorted((folder / _IMPORTED).glob("*.json"))]


def _delete_leftovers(folder: Path, entries: Iterable[_Entry]) -> None:
    """Pieces of no entry: of a file that changed, or of a process that was killed."""
    named = {piece for entry in entries for piece in entry.pieces}
    with reporting(folder, written=True):
        for path in (folder / LINES).iterdir():
            if path.name not in named:
                path.unlink()


def _read(path: Path, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (ValueError, RecursionError) as error:
        raise OpsError(f"{path} is damaged: {error}.", hint="Import into a new folder.") from error
