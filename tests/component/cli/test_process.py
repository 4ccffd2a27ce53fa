"""The program as a process of its own: exit codes, streams, environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest
import typer

from whatschat_ops.cli import commands
from whatschat_ops.cli.command import command
from whatschat_ops.cli.commands import COMMANDS
from whatschat_ops.cli.main import main
from whatschat_ops.cli.run import Run


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory without configs/."""
    monkeypatch.chdir(tmp_path)


class _Failing:
    """A command group whose one command fails as told; stands in `sys.modules` for a module."""

    __spec__ = ModuleSpec("whatschat_ops.cli.failing", None)

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def register(self, app: typer.Typer) -> None:
        def fail(run: Run) -> None:
            """Fail."""
            raise self.error

        command(app)(fail)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make `whatschat-ops fail` raise an error, and run it."""

    def run(error: BaseException, *options: str) -> int:
        monkeypatch.setattr(commands, "COMMANDS", {**COMMANDS, "fail": "whatschat_ops.cli.failing"})
        monkeypatch.setitem(sys.modules, "whatschat_ops.cli.failing", _Failing(error))
        return main(["fail", *options])

    return run


def run_process(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The program as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "whatschat_ops", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environ},
    )


def test_the_process_has_the_exit_code_and_keeps_the_streams_apart() -> None:
    wrong = run_process("config", "show", "-e", "staging")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("Error: There is no environment 'staging'")
    right = run_process("config", "show", "--json")
    assert (right.returncode, right.stderr) == (0, "")
    assert {row["key"] for row in json.loads(right.stdout)} > {"aws.region", "local.enabled"}


def test_the_environment_variable_chooses_the_environment() -> None:
    assert "'staging'" in run_process("config", "show", WHATSCHAT_ENV="staging").stderr


def test_a_reader_that_leaves_early_is_no_error() -> None:
    script = f"{sys.executable} -m whatschat_ops config schema | head -n 1"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("{\n", "")
