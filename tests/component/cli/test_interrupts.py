"""SIGTERM means what Ctrl-C means, in every command."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

STATUS = Path("/proc/self/status")


def until_it_catches_sigterm(pid: int) -> None:
    """Python is up, and the program has begun."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        caught = re.search(r"^SigCgt:\s*([0-9a-f]+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
        if caught is not None and int(caught[1], 16) >> (signal.SIGTERM - 1) & 1:
            return
        time.sleep(0.05)
    raise AssertionError("it does not catch SIGTERM")


@pytest.mark.skipif(not STATUS.exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_is_interrupted_says_so_and_exits_with_130(number: signal.Signals) -> None:
    waiting = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "whatschat_ops",
            "ws",
            "broadcast",
            "--dry-run",
            "-",
        ],  # waits for standard input
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until_it_catches_sigterm(waiting.pid)
    time.sleep(0.2)
    waiting.send_signal(number)
    _, said = waiting.communicate(timeout=20)
    assert waiting.returncode == 130
    assert said.splitlines() == ["Error: Interrupted."]
