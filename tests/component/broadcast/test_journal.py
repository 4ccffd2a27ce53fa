"""A journal and the processes that share it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.broadcast.broadcast_fakes import let_go, new_journal  # noqa: F401 - let_go is a fixture
from whatschat_ops.broadcast.journal import file
from whatschat_ops.broadcast.journal.lock import hold


def test_another_process_is_kept_out_whoever_asked_before(tmp_path: Path) -> None:
    """On POSIX a process that closes any file descriptor of a file loses its locks on it."""
    journal = new_journal(tmp_path, rows=1)
    assert hold(journal.path, timeout_s=0) is None
    asking = "import sys; from pathlib import Path; from whatschat_ops.broadcast.journal.lock import hold; "
    found = subprocess.run(
        [sys.executable, "-c", asking + "print(hold(Path(sys.argv[1]), 0))", str(journal.path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == "None\n"


def test_what_a_kill_in_the_middle_of_a_write_left_is_undone_by_who_only_reads(tmp_path: Path) -> None:
    """SQLite's rollback journal: a reader may not undo, and would refuse the file for ever."""
    path = tmp_path / "run.sqlite"
    script = f"""
import os, sqlite3
database = sqlite3.connect({str(path)!r}, isolation_level=None)
database.execute("CREATE TABLE run (format)")
database.execute("INSERT INTO run VALUES ({file.FORMAT})")
database.execute("PRAGMA cache_size = 5")
database.execute("BEGIN IMMEDIATE")
for number in range(1000):
    database.execute("INSERT INTO run VALUES (?)", ("x" * 500,))
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", script], check=False, timeout=60)
    assert path.with_name("run.sqlite-journal").stat().st_size > 0
    with closing(file.open_to_read(path)) as database:
        assert database.execute("SELECT count(*) FROM run").fetchone() == (1,)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            database.execute("DELETE FROM run")
