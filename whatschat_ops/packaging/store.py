"""Finished downloads and builds in the state directory, each under a key that says what went into it.

Takes a key and a function that makes the content; gives the content's directory. What is there is never changed:
another input has another key. An interrupted making leaves nothing that could be taken for finished.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from whatschat_ops.errors import OpsError
from whatschat_ops.state_directory import state_directory

KEPT = 20
"""Directories kept of each kind; older ones are made again when they are needed."""

UNFINISHED = ".making-"
"""Beginning of the name of a directory that is being made."""

ABANDONED_AFTER_S = 86_400


def stored(kind: str, key: str, make: Callable[[Path], None]) -> Path:
    """The directory of `key`, made by `make(directory)` unless it is there. Raises what `make` raises, OpsError."""
    found = existing(kind, key)
    if found is not None:
        return found
    folder = _folder(kind)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=folder))
    except OSError as error:
        raise OpsError(
            f"{folder} cannot be written: {error.strerror}.",
            hint="Set WHATSCHAT_OPS_STATE_DIR to a directory of yours.",
        ) from error
    try:
        make(temporary)
        target = folder / key
        _take_place(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _forget_oldest(folder)
    return target


def existing(kind: str, key: str) -> Path | None:
    """The directory of `key`, if it was made before."""
    directory = _folder(kind) / key
    if not directory.is_dir():
        return None
    with contextlib.suppress(OSError):  # read-only is enough to use it
        os.utime(directory)
    return directory


def remove(kind: str, key: str) -> None:
    """Delete what is kept under `key`, if anything."""
    shutil.rmtree(_folder(kind) / key, ignore_errors=True)


def _folder(kind: str) -> Path:
    return state_directory() / "packages" / kind


def _take_place(temporary: Path, target: Path) -> None:
    try:
        temporary.rename(target)
    except OSError:
        if not target.is_dir():  # else another process was faster, with the same content
            raise


def _forget_oldest(folder: Path) -> None:
    """Keep the directories used last, and nothing that a killed process left."""
    used_at = {entry: entry.stat().st_mtime for entry in folder.iterdir()}
    unfinished = {entry for entry in used_at if entry.name.startswith(UNFINISHED)}
    newest_first = sorted(used_at.keys() - unfinished, key=lambda entry: used_at[entry], reverse=True)
    abandoned = [entry for entry in unfinished if used_at[entry] < time.time() - ABANDONED_AFTER_S]
    for old in (*newest_first[KEPT:], *abandoned):
        shutil.rmtree(old, ignore_errors=True)
