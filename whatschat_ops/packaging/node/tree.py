"""The files that Node.js would see: a zip's, and with `on_disk` also this machine's around them.

Paths are absolute, with forward slashes. A zip's files lie below `root`: `/var/task` in Lambda, or the folder that the zip was made
of, so that what it lacks is found as in the folder.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final, Literal

from whatschat_ops.packaging.archive import SYMBOLIC_LINK
from whatschat_ops.packaging.content import ZipContent

TASK_ROOT: Final = "/var/task"
"""Where Lambda unpacks a function's zip (docs.aws.amazon.com/lambda, `LAMBDA_TASK_ROOT`)."""

Sort = Literal["file", "directory"]


class Tree:
    """Files, directories and links by their paths."""

    def __init__(self, content: ZipContent, root: str = TASK_ROOT, *, on_disk: bool = False) -> None:
        self.root = root
        self._content = content
        self._on_disk = on_disk
        self._links = {
            path: content.files[path].decode("utf-8", "replace")
            for path, mode in content.modes.items()
            if mode == SYMBOLIC_LINK
        }
        self._directories = _directories(content.files)
        self.sort = cache(self._sort)
        self.real = cache(self._real)

    def read(self, path: str) -> bytes:
        """The content of a file whose path has no links in it."""
        inner = self.inner(path)
        if inner is not None and inner in self._content.files:
            return self._content.files[inner]
        return Path(path).read_bytes()

    def inner(self, path: str) -> str | None:
        """The path below the root; None for what is outside of it."""
        return path[len(self.root) + 1 :] if path.startswith(f"{self.root}/") else None

    def packed(self, path: str) -> bool:
        """Does the zip itself have this file or directory?"""
        inner = self.inner(path)
        return inner is not None and (inner in self._content.files or inner in self._directories)

    def _sort(self, path: str) -> Sort | None:
        path = self.real(path)
        inner = self.inner(path)
        if inner in self._content.files:
            return "file"
        if inner in self._directories:
            return "directory"
        if not self._on_disk:
            return None
        return "file" if Path(path).is_file() else "directory" if Path(path).is_dir() else None

    def _real(self, path: str) -> str:
        """The path without links; itself when it leads nowhere."""
        followed = self._followed(path) if self._links else path
        return _posix(os.path.realpath(followed)) if self._on_disk and not self.packed(followed) else followed

    def _followed(self, path: str, most: int = 40) -> str:
        inner = self.inner(path)
        parts = inner.split("/") if inner is not None else []
        for length in range(1, len(parts) + 1):
            head = "/".join(parts[:length])
            if head in self._links and most:
                target = posixpath.join(
                    self.root, posixpath.dirname(head), self._links[head], *parts[length:]
                )
                return self._followed(posixpath.normpath(target), most - 1)
        return path


def _posix(path: str) -> str:
    return path.replace(os.sep, "/")


def _directories(files: Mapping[str, bytes]) -> set[str]:
    found: set[str] = set()
    for path in files:
        parent = posixpath.dirname(path)
        while parent and parent not in found:
            found.add(parent)
            parent = posixpath.dirname(parent)
    return found
