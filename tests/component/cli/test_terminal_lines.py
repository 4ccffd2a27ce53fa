"""Lines at a prompt of a real terminal: edited, recalled, pasted, and left in place by what is printed meanwhile."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator

import pytest

from tests.terminal import Terminal

PROGRAM = """
import asyncio, signal, sys
from whatschat_ops.cli.terminal.interrupts import run_coroutine, terminate_as_interrupted
from whatschat_ops.cli.terminal.terminal_lines import TerminalLines

async def talk():
    lines, queue = TerminalLines(editing=True), asyncio.Queue(2)
    lines.print_above(lambda: print("before the prompt"))
    lines.start(queue)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, lines.print_above, lambda: print("incoming"))
    try:
        while (line := await queue.get()) is not None:
            if line.startswith("print "):
                for number in range(int(line[6:])):
                    lines.print_above(lambda number=number: print(f"number {number}"))
            else:
                lines.print_above(lambda line=line: print(f"got {line!r}"))
        lines.print_above(lambda: print("ended"))
    finally:
        await lines.stop()

terminate_as_interrupted()
try:
    run_coroutine(talk())
except KeyboardInterrupt:
    print("interrupted")
    sys.exit(130)
"""


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with Terminal([sys.executable, "-c", PROGRAM], os.environ) as terminal:
        terminal.wait_for(lambda shown: shown == ["before the prompt", ">"])
        yield terminal


def test_typed_line_is_given_and_the_prompt_comes_back(terminal: Terminal) -> None:
    terminal.type("hello\r")
    terminal.wait_for(lambda shown: shown[1:] == ["> hello", "got 'hello'", ">"])


def test_line_that_is_edited_is_given_as_it_reads(terminal: Terminal) -> None:
    terminal.type("wrld\x1b[D\x1b[D\x1b[Do\x01hello \r")  # three times left, o; to the beginning, hello
    terminal.wait_for(lambda shown: "got 'hello world'" in shown)


def test_earlier_lines_are_recalled(terminal: Terminal) -> None:
    terminal.type("first\r")
    terminal.wait_for(lambda shown: shown[-2:] == ["got 'first'", ">"])
    terminal.type("second\r")
    terminal.wait_for(lambda shown: shown[-2:] == ["got 'second'", ">"])
    terminal.type("\x1b[A\x1b[A")
    terminal.wait_for(lambda shown: shown[-1] == "> first")
    terminal.type("\r")
    terminal.wait_for(lambda shown: shown[-3:] == ["> first", "got 'first'", ">"])


def test_what_is_printed_while_typing_appears_above_and_leaves_the_text_in_place(terminal: Terminal) -> None:
    terminal.type("half typed")
    terminal.wait_for(lambda shown: shown[-1] == "> half typed")
    terminal.process.send_signal(signal.SIGUSR1)
    terminal.wait_for(lambda shown: shown[-2:] == ["incoming", "> half typed"])
    terminal.type(", whole\r")
    terminal.wait_for(lambda shown: "got 'half typed, whole'" in shown)


def test_what_is_printed_while_lines_are_entered_keeps_its_order(terminal: Terminal) -> None:
    terminal.type("print 200\r")
    terminal.type("x\r" * 5)
    terminal.wait_for_text("number 199")
    numbers = [int(text.split()[0]) for text in terminal.written.split("number ")[1:]]
    assert numbers == list(range(200))


def test_pasted_lines_are_given_one_by_one(terminal: Terminal) -> None:
    terminal.type("\x1b[200~one\ntwo\x1b[201~\r")
    terminal.wait_for(lambda shown: shown[-3:] == ["got 'one'", "got 'two'", ">"])


def test_ctrl_d_ends_the_lines_and_what_is_left_is_printed(terminal: Terminal) -> None:
    terminal.type("\x04")
    terminal.leave(0)
    assert terminal.shown[-1] == "ended"


@pytest.mark.parametrize("typed", ["", "half"])
def test_ctrl_c_interrupts_and_leaves_the_terminal_as_it_was(terminal: Terminal, typed: str) -> None:
    terminal.type(typed)
    terminal.wait_for(lambda shown: shown[-1] == f"> {typed}".rstrip())
    terminal.type("\x03")
    terminal.leave(130)
    assert terminal.shown[-1] == "interrupted"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_interrupts_and_leaves_the_terminal_as_it_was(
    terminal: Terminal, number: signal.Signals
) -> None:
    terminal.process.send_signal(number)
    terminal.leave(130)
    assert terminal.shown[-1] == "interrupted"
