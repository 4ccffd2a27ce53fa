"""The program as a process of its own: exit codes, streams, environment."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory without configs/."""
    monkeypatch.chdir(tmp_path)


def run(command: Sequence[str | Path], environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environ}
    )


def run_process(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The program as a process of its own."""
    return run([sys.executable, "-m", "whatschat_ops", *arguments], environ)


def run_program(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The program by the name that the shell knows it by."""
    return run([Path(sys.executable).with_name("whatschat-ops"), *arguments], environ)


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


def token_of(claims: bytes) -> str:
    """A token with these bytes for its claims, and a signature that is none."""
    parts = (base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (b'{"alg":"HS256"}', claims))
    return ".".join([*parts, "x"])


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        (b'{"userId":"\\ud800","exp":1e308,"iat":-1e308}', 0),
        (b'{"exp":1' + b"0" * 400 + b',"nbf":NaN,"iat":Infinity}', 0),
        (b'{"x":' + b"[" * 900 + b"]" * 900 + b"}", 2),
        (b'{"exp":' + b"9" * 5000 + b"}", 2),
    ],
)
def test_any_token_is_inspected_or_rejected(claims: bytes, code: int) -> None:
    arguments = [sys.executable, "-m", "whatschat_ops", "token", "inspect", "--json", token_of(claims)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stderr
    assert isinstance(json.loads(done.stdout), dict)
