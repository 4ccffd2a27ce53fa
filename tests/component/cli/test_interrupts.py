"""SIGTERM and SIGHUP mean what Ctrl-C means, in every command."""

from __future__ import annotations

import asyncio
import fcntl
import re
import signal
import subprocess
import sys
import termios
import time
from array import array
from pathlib import Path
from typing import IO

import pytest

from whatschat_ops.cli.terminal.interrupts import (
    interrupted_while_pausing,
    run_coroutine,
    stop_on_interrupt,
    terminate_as_interrupted,
)
from whatschat_ops.signals import INTERRUPTS

STATUS = Path("/proc/self/status")


def until_it_catches_signals(pid: int) -> None:
    """Python is up, and the program has begun."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        caught = re.search(
            r"^SigCgt:\s*([0-9a-f]+)", Path(f"/proc/{pid}/status").read_text(encoding="utf-8"), re.MULTILINE
        )
        if caught is not None and int(caught[1], 16) >> (signal.SIGHUP - 1) & 1:
            return
        time.sleep(0.05)
    raise AssertionError("it does not catch SIGHUP, the last of them")


def until_it_reads(pipe: IO[str]) -> None:
    """The program has taken what is written here."""
    pipe.write("x")
    pipe.flush()
    deadline = time.monotonic() + 60
    while array("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]:
        assert time.monotonic() < deadline, "it does not read"
        time.sleep(0.02)


@pytest.mark.skipif(not STATUS.exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
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
    until_it_catches_signals(waiting.pid)
    assert waiting.stdin is not None
    until_it_reads(waiting.stdin)
    waiting.send_signal(number)
    _, said = waiting.communicate(timeout=60)
    assert waiting.returncode == 130
    assert said.splitlines() == ["Error: Interrupted."]


def test_hangup_that_nohup_switched_off_stays_off() -> None:
    before = {number: signal.getsignal(number) for number in INTERRUPTS}
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        terminate_as_interrupted()
        with stop_on_interrupt(lambda: None) as stopped:
            signal.raise_signal(signal.SIGHUP)
            assert not stopped.is_set()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_first_interrupt_lets_the_work_end_and_the_pause_raises() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), interrupted_while_pausing() as pause:
        pause(0.001)
        signal.raise_signal(signal.SIGINT)
        done.append("the work that was on its way")
        pause(3_600)
    assert done == ["the work that was on its way"]


def test_second_interrupt_ends_the_work_at_once() -> None:
    with pytest.raises(KeyboardInterrupt), interrupted_while_pausing():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        raise AssertionError("it went on")


@pytest.mark.parametrize("number", INTERRUPTS)
def test_signal_cancels_a_coroutine_and_no_callback(number: signal.Signals) -> None:
    ended = []
    before = {number: signal.getsignal(number) for number in INTERRUPTS}

    def callback() -> None:
        signal.raise_signal(number)
        ended.append("callback")

    async def wait() -> None:
        asyncio.get_running_loop().call_soon(callback)
        try:
            await asyncio.sleep(3_600)
        finally:
            ended.append("coroutine")

    try:
        terminate_as_interrupted()
        with pytest.raises(KeyboardInterrupt):
            run_coroutine(wait())
        assert ended == ["callback", "coroutine"]
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    finally:
        for changed, handler in before.items():
            signal.signal(changed, handler)
