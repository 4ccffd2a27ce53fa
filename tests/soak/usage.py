"""What the embedded AWS uses, and what its directory holds."""

from __future__ import annotations

import gc
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Usage:
    """At the end of a round. `memory_mb` is the service's resident memory without its workers; `doctor_*` and `watch_*` are those of the commands beside it."""

    memory_mb: float
    workers: int
    open_files: int
    files: int
    size_mb: float
    doctor_mb: float
    doctor_files: int
    watch_mb: float
    watch_files: int


def usage(pid: int, directory: Path, doctor: int, watch: int) -> Usage:
    """Of a service, its state directory, and the commands beside it: by process ids."""
    gc.collect()  # commands that ran in this process keep connections open that would count at the service
    memory_mb, open_files = _of(pid)
    workers = psutil.Process(pid).children()
    sizes = []
    for folder, _, names in os.walk(directory):
        for name in names:
            with suppress(FileNotFoundError):  # replaced at this moment
                sizes.append((Path(folder) / name).stat().st_size)
    size_mb = round(sum(sizes) / 2**20, 2)
    return Usage(memory_mb, len(workers), open_files, len(sizes), size_mb, *_of(doctor), *_of(watch))


def _of(pid: int) -> tuple[float, int]:
    """Resident memory in MB, and open files. Nothing of a process that has ended: that is a finding of its own."""
    try:
        process = psutil.Process(pid)
        return round(process.memory_info().rss / 2**20, 1), process.num_fds()
    except psutil.Error:
        return 0.0, 0
