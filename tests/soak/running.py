"""A whole soak: the world, the rounds, and what is left when the world has ended."""

from __future__ import annotations

from pathlib import Path

import psutil

from tests.soak.soak import Evidence, Say, Soak
from tests.soak.world import soaked_stack, until


def soak(directory: Path, minutes: float, sockets: int, say: Say = print) -> Evidence:
    """One soak in an empty directory."""
    found = Evidence(sockets)
    with soaked_stack(directory) as world:
        Soak(world, found, say).run(minutes)
        world.workers()
    until(lambda: not any(map(_is_running, world.processes)))
    found.left_processes = sum(map(_is_running, world.processes))
    return found


def _is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
