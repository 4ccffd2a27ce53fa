"""What is left on a terminal after a display and the lines above it, which many threads wrote."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

import pyte
import pytest

from tests.terminal import Terminal

pty = pytest.importorskip("pty")

COLUMNS, LINES = 60, 620
STEPS = 600
PROGRAM = f"""
import os, random, threading, time
from types import SimpleNamespace
from whatschat_ops.cli.terminal.output import Output
from whatschat_ops.cli.stack.provision_progress import ApplyProgress

lines, todo = ApplyProgress(Output(), total={STEPS}), list(range({STEPS}))
one_at_a_time, pauses = threading.Lock(), random.Random(1)

def event(kind, number):
    step = SimpleNamespace(address=f"thing.{{number}}", action=SimpleNamespace(value="create"))
    with one_at_a_time:
        lines.on_event(SimpleNamespace(type=kind, step=step, seconds=0.0))

def work():
    while todo:
        number = todo.pop()
        event("started", number)
        time.sleep(pauses.uniform(0.001, 0.01))
        event("finished", number)

with lines.shown():
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines.say("[bold]no markup[/bold]")
"""


def on_a_terminal(program: str) -> list[str]:
    """The lines that a program leaves on a terminal."""
    process, terminal = pty.fork()
    if process == 0:
        os.environ.update({"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(LINES)})
        os.execv(sys.executable, [sys.executable, "-c", program])
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    with suppress(OSError):  # the end of a terminal
        while data := os.read(terminal, 65_536):
            stream.feed(data)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    return [line.rstrip() for line in screen.display if line.strip()]


def test_no_line_is_written_over_and_nothing_of_the_display_stays() -> None:
    left = on_a_terminal(PROGRAM)
    assert sorted(left[:-1]) == sorted(f"Created thing.{number} (0.0 s)" for number in range(STEPS))
    assert left[-1] == "[bold]no markup[/bold]"


PROGRESS = """
import itertools, signal
from whatschat_ops.cli.terminal.output import Output
from whatschat_ops.cli.terminal.progress import ProgressView

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
view = ProgressView(Output(), clock=itertools.count().__next__)  # a second for each look
with view.shown("Working"):
    signal.sigwait([signal.SIGUSR1])
    view.update(lambda: "half way")
    view.say("a line that stays")
    signal.sigwait([signal.SIGUSR1])
print("done")
"""


def test_progress_is_drawn_below_what_is_said_and_leaves_nothing_behind() -> None:
    with Terminal([sys.executable, "-c", PROGRESS], os.environ) as terminal:
        terminal.wait_for(lambda shown: any(line.endswith("Working") for line in shown))
        terminal.process.send_signal(signal.SIGUSR1)
        terminal.wait_for(lambda shown: shown[0] == "a line that stays" and shown[1].endswith(" half way"))
        terminal.process.send_signal(signal.SIGUSR1)
        terminal.leave(0)
        assert [line for line in terminal.shown if line] == ["a line that stays", "done"]
