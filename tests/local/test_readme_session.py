"""The README's session, typed line by line into a shell: what it shows is what happens."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.local.conftest import EmbeddedAws
from tests.sessions import commands_of, masked

pytestmark = pytest.mark.local

README = Path(__file__).parents[2] / "README.md"
MARK = "~~~ next command ~~~"


def block(marker: str, language: str) -> str:
    """The text of the README's block behind this marker."""
    found = re.search(
        rf"<!-- {marker} -->\n```{language}\n(.+?)\n```", README.read_text(encoding="utf-8"), re.S
    )
    assert found is not None, marker
    return found[1]


def session() -> list[tuple[str, str]]:
    """(command, what it prints) pairs: the end of line one, which `.ci/run` types as a whole, and the session."""
    line_one = block("command:run", "sh").rpartition(" && ")[2]
    return [(line_one, block("provisioned", "console")), *commands_of(block("session", "console"))]


def lines(text: str) -> list[str]:
    return sorted(masked(text))  # two clients connect in any order


@pytest.fixture
def clone(own_aws: EmbeddedAws, tmp_path: Path) -> Shell:
    """A shell where line one has installed the program: in `.venv`, which is not on the PATH."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "README.md").symlink_to(README)
    path = ":".join(
        each for each in os.environ["PATH"].split(":") if not Path(each, "whatschat-ops").exists()
    )
    return Shell(tmp_path, {**own_aws.environment(), "PATH": path, "COLUMNS": "100"})


@dataclass(frozen=True)
class Shell:
    """A directory to type in."""

    directory: Path
    environment: dict[str, str]

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", script],
            env=self.environment,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )


def test_session_in_the_readme_is_what_happens(clone: Shell) -> None:
    commands = [command for command, _ in session()]
    done = clone.run("\n".join(f"{command}\necho {MARK!r}" for command in commands) + "\nwait\n")

    printed = dict(zip(commands, done.stdout.split(f"{MARK}\n"), strict=False))
    for command, expected in session():
        assert lines(printed[command]) == lines(expected), f"$ {command}\n{printed[command]}\n{done.stderr}"


def test_commands_to_try_next_work_as_they_are_printed(clone: Shell) -> None:
    provisioned = clone.run(session()[0][0]).stdout
    suggested = re.findall(r"^  (\S.+)$", provisioned.partition("Try next:")[2], flags=re.M)
    assert len(suggested) == 3
    for command in suggested:
        done = clone.run(command)
        assert done.returncode == 0, f"$ {command}\n{done.stderr}"
