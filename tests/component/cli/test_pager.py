"""A result that is longer than the terminal goes through the pager of the user."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.terminal import LINES, Terminal

LONG = (sys.executable, "-m", "whatschat_ops", "explain")


def environment(**changed: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("PAGER", "LESS")} | changed


def in_a_pipe() -> str:
    return subprocess.run(
        LONG, capture_output=True, text=True, check=True, env=environment(COLUMNS="100")
    ).stdout


def test_long_result_on_a_terminal_is_given_to_the_pager_whole(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    with Terminal(LONG, environment(PAGER=f"cat > {taken}", NO_COLOR="1")) as terminal:
        terminal.leave(0)

    assert in_a_pipe().count("\n") > LINES
    assert taken.read_text().split() == in_a_pipe().split()


@pytest.mark.parametrize("pager", ["", "cat"])
def test_pager_that_is_switched_off_is_not_used(pager: str) -> None:
    with Terminal(LONG, environment(PAGER=pager, NO_COLOR="1")) as terminal:
        terminal.leave(0)

        assert terminal.shown[-1].strip() in in_a_pipe()


@pytest.mark.skipif(shutil.which("less") is None, reason="needs less")
def test_less_waits_for_the_user_and_leaves_the_terminal_as_it_was() -> None:
    with Terminal(LONG, environment()) as terminal:
        # from Python 3.13 on, pydoc gives less a prompt with a number of the line
        terminal.wait_for(lambda lines: lines[-1].strip().startswith((":", "line 1")))
        terminal.type("q")
        terminal.leave(0)


def test_short_result_is_printed_at_once(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    with Terminal((*LONG, "1006"), environment(PAGER=f"cat > {taken}")) as terminal:
        terminal.leave(0)

        assert not taken.exists()
