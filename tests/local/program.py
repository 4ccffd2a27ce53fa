"""The command line as its users run it: as a process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.json_output.checking import check_printed
from tests.local.conftest import EmbeddedAws
from tests.names import LONGEST_WAIT_S

PROGRAM: Final = (sys.executable, "-m", "whatschat_ops")


class Program:
    """The command line with these variables, in this directory, with these options in front of every command."""

    def __init__(
        self, environment: Mapping[str, str], *, directory: Path | None = None, options: Sequence[str] = ()
    ) -> None:
        self.environment = dict(environment)
        self.directory = directory
        self.command = [*PROGRAM, *options]

    def start(self, *arguments: str, **streams: Any) -> subprocess.Popen[str]:
        """A command that runs on."""
        return subprocess.Popen(
            [*self.command, *arguments], env=self.environment, cwd=self.directory, text=True, **streams
        )

    def run(self, *arguments: str, text: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
        """One command with `text` on its input. Fails the test unless it exits with `code`."""
        done = subprocess.run(
            [*self.command, *arguments],
            env=self.environment,
            cwd=self.directory,
            input=text,
            capture_output=True,
            text=True,
            timeout=170,
            check=False,
        )
        assert done.returncode == code, f"{arguments} -> {done.returncode}\n{done.stdout}\n{done.stderr}"
        check_printed([*self.command[len(PROGRAM) :], *arguments], done.stdout)
        return done

    def json(self, *arguments: str, text: str = "", code: int = 0) -> Any:
        """The same with --json, parsed."""
        return json.loads(self.run("--json", *arguments, text=text, code=code).stdout)

    def says(self, *arguments: str) -> str:
        """The one line that a command prints: an endpoint, a token."""
        return self.run(*arguments).stdout.strip()


class PrefixedStack(Program):
    """The program of a stack whose names have a prefix, so that tests can share an embedded AWS."""

    def __init__(self, aws: EmbeddedAws, prefix: str) -> None:
        super().__init__({**aws.environment(), "WHATSCHAT_PREFIX": prefix})
        self.aws = aws


def eventually(check: Callable[[], Any], timeout_s: float = LONGEST_WAIT_S) -> Any:
    """What `check` returns, as soon as it is true."""
    deadline = time.monotonic() + timeout_s
    while not (found := check()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return found
