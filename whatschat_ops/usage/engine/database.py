"""One DuckDB in memory, with a limit of memory and a folder for what does not fit. The only module that imports duckdb.

DuckDB documentation, "Tuning Workloads": aggregations, joins and sorts that exceed `memory_limit` go to `temp_directory`; without
`preserve_insertion_order` files of any size are read in little memory.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from whatschat_ops.errors import OpsError

if TYPE_CHECKING:
    import duckdb

MEMORY_MB: Final = 600
"""Ours: of DuckDB's buffers. With Python, its libraries and what DuckDB does not count, a process stays under 1 GB."""

MOST_THREADS: Final = 4
"""Ours: each takes buffers of its own."""

Rows: TypeAlias = list[tuple[Any, ...]]


@dataclass(slots=True)
class Engine:
    """A database, and a folder of its own for temporary files. Not for several threads."""

    _connection: duckdb.DuckDBPyConnection = field(repr=False)
    folder: Path

    def rows(self, sql: str, values: Sequence[object] = ()) -> Rows:
        """Run one statement. Raises `Unreadable` for data that cannot be read, OpsError for what is beyond the machine."""
        import duckdb

        try:
            return self._connection.execute(sql, values or None).fetchall()
        except (duckdb.OutOfMemoryException, duckdb.InternalException) as error:
            raise OpsError(
                f"Usage cannot be computed in {MEMORY_MB} MB of memory and the free space of {self.folder}: "
                f"{first_line(error)}",
                hint="Free some space there, or set TMPDIR to a folder with more.",
            ) from error
        except duckdb.Error as error:
            raise Unreadable(first_line(error)) from error

    def one(self, sql: str, values: Sequence[object] = ()) -> tuple[Any, ...]:
        """The only row of an answer."""
        (row,) = self.rows(sql, values)
        return row

    def names(self, sql: str, values: Sequence[object] = ()) -> dict[str, str]:
        """The columns of a query with their types, in order."""
        return {row[0]: row[1] for row in self.rows(f"DESCRIBE {sql}", values)}


class Unreadable(Exception):
    """DuckDB cannot read the data, or not as it was told; the text is its own."""


@contextmanager
def engine(*, memory_mb: int = MEMORY_MB, threads: int | None = None) -> Iterator[Engine]:
    """A database that lives as long as the block. Raises OpsError if the extra `usage` is not installed."""
    duckdb = _duckdb()
    folder = Path(tempfile.mkdtemp(prefix="whatschat-ops-usage-"))
    settings = {
        "memory_limit": f"{memory_mb}MB",
        "threads": threads or min(os.cpu_count() or 1, MOST_THREADS),
        "temp_directory": str(folder / "spilled"),
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,  # nothing is fetched from the internet
        "autoload_known_extensions": False,
    }
    try:
        with duckdb.connect(config=settings) as connection:
            connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
            yield Engine(connection, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _duckdb() -> Any:
    try:
        import duckdb
    except ImportError as error:
        from whatschat_ops.installation import extra_command

        raise OpsError(
            "Files are read with DuckDB, which is not installed.", hint=extra_command("usage")
        ) from error
    return duckdb


def text(value: object) -> str:
    """A value as a literal of SQL."""
    return "'" + str(value).replace("'", "''") + "'"


def name(column: str) -> str:
    """A column's name in SQL."""
    return '"' + column.replace('"', '""') + '"'


def first_line(error: Exception) -> str:
    """What DuckDB says, without its advice."""
    return re.sub(r"^[\w ]+ Error: ", "", str(error)).partition("\n")[0].strip()[:300]
