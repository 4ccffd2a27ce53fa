"""The README's first line, typed into a shell: what it shows is what happens. Its picture: test_pages.py."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.local.conftest import EmbeddedAws
from tests.sessions import masked

pytestmark = pytest.mark.local

README = Path(__file__).parents[2] / "README.md"


def block(marker: str, language: str) -> str:
    """The text of the README's block behind this marker."""
    found = re.search(
        rf"<!-- {marker} -->\n```{language}\n(.+?)\n```", README.read_text(encoding="utf-8"), re.S
    )
    assert found is not None, marker
    return found[1]


def line_one() -> str:
    """The end of the first line of the README, which `.ci/run` types as a whole."""
    return block("command:run", "sh").rpartition(" && ")[2]


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


def test_first_line_of_the_readme_prints_what_it_says(clone: Shell) -> None:
    printed = clone.run(line_one()).stdout
    assert masked(printed) == masked(block("provisioned", "console"))


def test_commands_to_try_next_work_as_they_are_printed(clone: Shell) -> None:
    provisioned = clone.run(line_one()).stdout
    suggested = re.findall(r"^  (\S.+)$", provisioned.partition("Try next:")[2], flags=re.M)
    assert len(suggested) == 3
    for command in suggested:
        done = clone.run(command)
        assert done.returncode == 0, f"$ {command}\n{done.stderr}"
