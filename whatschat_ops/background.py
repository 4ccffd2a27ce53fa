"""Starts a process that outlives the command that starts it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final

_WITHOUT_CONSOLE: Final = ("CREATE_NEW_PROCESS_GROUP", "CREATE_NO_WINDOW")


def start_in_background(
    argv: Sequence[str],
    *,
    output: int | IO[bytes] = subprocess.DEVNULL,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start it in its own session, so that closing the terminal does not end it; on Windows without the console, whose Ctrl-C
    would end it. Raises OSError.
    """
    return subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,  # ignored on Windows
        creationflags=sum(getattr(subprocess, name, 0) for name in _WITHOUT_CONSOLE),
        cwd=cwd,
        env=env,
    )
