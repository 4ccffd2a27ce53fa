"""The README's session, typed line by line into a shell: what it shows is what happens."""

from __future__ import annotations

import os
import re
import subprocess
import sys
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
    (r"[ \t]+", " "),
)


def session() -> list[tuple[str, str]]:
    """(command, what it prints) pairs of the README's session."""
    block = re.search(r"<!-- session -->\n```console\n(.+?)\n```", README.read_text(encoding="utf-8"), re.S)
    assert block is not None
    parts = re.split(r"^\$ (.+)$", block[1], flags=re.M)[1:]
    return list(zip(parts[::2], (output.strip("\n") for output in parts[1::2]), strict=True))


def masked(text: str) -> list[str]:
    for pattern, name in VARIABLE:
        text = re.sub(pattern, name, text, flags=re.M)
    return sorted(line.strip() for line in text.strip().splitlines())  # two clients connect in any order


def test_session_in_the_readme_is_what_happens(own_aws: EmbeddedAws, tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**own_aws.environment(), "PATH": path, "COLUMNS": "100"}
    commands = [command for command, _ in session()]
    script = "\n".join(f"{command}\necho {MARK!r}" for command in commands) + "\nwait\n"

    done = subprocess.run(
        ["bash", "-c", script],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )

    printed = dict(zip(commands, done.stdout.split(f"{MARK}\n"), strict=False))
    for command, expected in session():
        assert masked(printed[command]) == masked(expected), f"$ {command}\n{printed[command]}\n{done.stderr}"
