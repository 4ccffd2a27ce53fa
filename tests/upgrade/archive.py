"""The files of an older version: what is in an archive, and how it is made to fit the machine that it is unpacked on.

state/           WHATSCHAT_OPS_STATE_DIR: the embedded AWS and the journals
whatschat.yaml   the settings it was provisioned with
changed.yaml     other settings
memory.plan      a saved plan, from the first to the second
made-at          when it was made, in seconds since the epoch
"""

from __future__ import annotations

import re
import shutil
import sqlite3
import tarfile
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

ARCHIVES: Final = Path(__file__).parents[1] / "fixtures" / "upgrade"
PORT: Final = 4566
"""Where the embedded AWS of every archive listened."""
MADE_AT: Final = "made-at"

DIRECTORY: Final = "/home/user/whatschat"
"""Where it was unpacked, as far as its files know."""

_EPOCH_S = re.compile(r"(?<![\w.])1\d{9}(?=\D)")
_ISO = re.compile(r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\b")
"""Of the state alone: a plan is sealed."""


def unpack(archive: Path, directory: Path, port: int) -> None:
    """Unpack into `directory`, as if it had just been made there, by an embedded AWS that listened on `port`."""
    with tarfile.open(archive) as packed:
        packed.extractall(directory, filter="data")
    age_s = int(time.time()) - int((directory / MADE_AT).read_text())
    replace(directory, {f"127.0.0.1:{PORT}": f"127.0.0.1:{port}", DIRECTORY: str(directory)})
    for path in texts(directory):
        text = _EPOCH_S.sub(lambda found: str(int(found[0]) + age_s), path.read_text())
        path.write_text(text if path.suffix == ".plan" else _ISO.sub(partial(_later, age_s), text))


def _later(age_s: int, found: re.Match[str]) -> str:
    return (datetime.fromisoformat(found[0]) + timedelta(seconds=age_s)).isoformat()


def replace(directory: Path, words: Mapping[str, str]) -> None:
    """Replace these words in all files and journals."""
    for path in texts(directory):
        text = path.read_text()
        for old, new in words.items():
            text = text.replace(old, new)
        path.write_text(text)
    for path in journals(directory):
        for old, new in words.items():
            edit(path, "UPDATE run SET callback_url = replace(callback_url, ?, ?)", (old, new))


def edit(journal: Path, statement: str, values: tuple[str, ...]) -> None:
    """Change a journal, and leave it as a killed process does: with its write-ahead log."""
    copy = journal.with_suffix(".copy")
    with closing(sqlite3.connect(journal, isolation_level=None)) as database:
        database.execute("PRAGMA wal_autocheckpoint = 0")
        database.execute(statement, values)
        shutil.copy(journal, copy)
        shutil.copy(f"{journal}-wal", f"{copy}-wal")  # closing the database deletes it
    copy.rename(journal)
    Path(f"{copy}-wal").rename(f"{journal}-wal")


def texts(directory: Path) -> list[Path]:
    """The files with text in them: the state of the embedded AWS, and the plan."""
    return [*sorted((directory / "state" / "local").rglob("*.json")), *directory.glob("*.plan")]


def journals(directory: Path) -> list[Path]:
    """The journals of broadcasts."""
    return sorted((directory / "state" / "broadcasts").glob("*.sqlite"))
