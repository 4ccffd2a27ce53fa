"""`service.json`: the running process, and what it could not save.

The file has its full size from the start, so that it can be overwritten when the disk is full or its directory is
read-only. A process that ends with changes that it could not save leaves the file behind.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from whatschat_ops.local.layout import write_private

SIZE_BYTES = 4096
MAX_UNSAVED_CHARACTERS = 600


class ServiceProcess(Struct, frozen=True):
    """A process, as recorded in the file. `unsaved` is what it could not save, and why; None if it saved everything."""

    pid: int
    port: int
    unsaved: str | None = None
    arguments: tuple[str, ...] = ()
    """Of the options that it was started with."""


def read(path: Path) -> ServiceProcess | None:
    """The process in the file, which may have ended; None if there is none."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        unsaved, arguments = document.get("unsaved"), tuple(document.get("arguments", ()))
        return ServiceProcess(
            int(document["pid"]), int(document["port"]), unsaved and str(unsaved), arguments
        )
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return None


class ProcessFile:
    """The file of this process."""

    def __init__(self, path: Path, port: int, version: str, arguments: Sequence[str] = ()) -> None:
        self._path = path
        self._fields: dict[str, Any] = {
            "pid": os.getpid(),
            "port": port,
            "version": version,
            "arguments": list(arguments),
        }

    def create(self) -> None:
        """Write it. Raises OSError."""
        write_private(self._path, self._text())

    def is_ours(self) -> bool:
        """Whether it is there and names this process."""
        found = read(self._path)
        return found is not None and found.pid == os.getpid()

    def report(self, unsaved: str | None) -> None:
        """Record what cannot be saved, and why; None when everything is saved again."""
        self._fields["unsaved"] = unsaved and unsaved[:MAX_UNSAVED_CHARACTERS]
        if self.is_ours():
            with contextlib.suppress(OSError), self._path.open("r+", encoding="utf-8") as file:
                file.write(self._text())
                file.truncate()

    def remove(self) -> None:
        """Delete it, unless it tells what was not saved."""
        if self.is_ours() and not self._fields.get("unsaved"):
            self._path.unlink()

    def _text(self) -> str:
        return json.dumps(self._fields, indent=2).ljust(SIZE_BYTES - 1) + "\n"
