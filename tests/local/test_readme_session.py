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

pytestmark = pytest.mark.local

README = Path(__file__).parents[2] / "README.md"
MARK = "~~~ next command ~~~"

# What differs from run to run; all else must be as written.
VARIABLE = (
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
    (r"(?<!\S)[\w-]{15}=(?!\S)", "CONNECTION_ID"),
    (r"\b\d{8}-\d{6}-[0-9a-f]*", "RUN"),
    (r"\b[0-9a-f]{32}\b", "MESSAGE_ID"),
    (r"ws://127\.0\.0\.1:\d+/_aws/execute-api/\w+/", "ENDPOINT/"),
    (r"call-alice-\d+", "call-alice-MS"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "DATE TIME"),
    (r"\b\d\d:\d\d:\d\d\b", "TIME"),
    (r"\b\d+\.\d+( s,|$)", r"SECONDS\1"),
    (r"\b\d+ requests", "N requests"),
    (r"\bnow\b|\b\d+ (s|min|h) ago\b|\bin \d+ h\b", "AGE"),
    (r"[ \t]+", " "),
)


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
    parts = re.split(r"^\$ (.+)$", block("session", "console"), flags=re.M)[1:]
    typed = zip(parts[::2], (output.strip("\n") for output in parts[1::2]), strict=True)
    return [(line_one, block("provisioned", "console")), *typed]


def masked(text: str) -> list[str]:
    for pattern, name in VARIABLE:
        text = re.sub(pattern, name, text, flags=re.M)
    return sorted(line.strip() for line in text.strip().splitlines())  # two clients connect in any order


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
        assert masked(printed[command]) == masked(expected), f"$ {command}\n{printed[command]}\n{done.stderr}"


def test_commands_to_try_next_work_as_they_are_printed(clone: Shell) -> None:
    provisioned = clone.run(session()[0][0]).stdout
    suggested = re.findall(r"^  (\S.+)$", provisioned.partition("Try next:")[2], flags=re.M)
    assert len(suggested) == 3
    for command in suggested:
        done = clone.run(command)
        assert done.returncode == 0, f"$ {command}\n{done.stderr}"
