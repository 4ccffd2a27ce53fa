"""What the embedded AWS uses, and what its directory holds."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Usage:
    """At the end of a round. `memory_mb` is the service's resident memory without its workers."""

    memory_mb: float
    workers: int
    open_files: int
    files: int
    size_mb: float


def usage(pid: int, directory: Path) -> Usage:
    """Of a service and its state directory."""
    service = psutil.Process(pid)
    with service.oneshot():
        memory, workers, open_files = service.memory_info().rss, service.children(), service.num_fds()
    sizes = []
    for folder, _, names in os.walk(directory):
        for name in names:
            with suppress(FileNotFoundError):  # replaced at this moment
                sizes.append((Path(folder) / name).stat().st_size)
    return Usage(round(memory / 2**20, 1), len(workers), open_files, len(sizes), round(sum(sizes) / 2**20, 2))
