"""Completion in bash, zsh and fish as the shells do it, and what it knows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from whatschat_ops.cli.completing import values
from whatschat_ops.cli.completing.shells import SCRIPTS, candidates
from whatschat_ops.cli.completing.words import read_grammar, wanted

PROGRAM = Path(sys.executable).with_name("whatschat-ops")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with two environments, and files of the AWS CLI, a cache and a state of its own."""
    (tmp_path / "configs").mkdir()
    for name in ("staging", "production"):
        (tmp_path / "configs" / f"{name}.yaml").write_text("{}")
    (tmp_path / "aws").write_text("[default]\n[profile ops:eu]\nregion = eu-west-1\n[sso-session x]\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "missing"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("WHATSCHAT_OPS_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("WHATSCHAT_ENV", raising=False)
    monkeypatch.setenv("PATH", f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


@pytest.fixture
def known(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack whose values were read a moment ago."""
    file = values.stack_file({})
    file.parent.mkdir(parents=True)
    file.write_text(
        json.dumps({"users": ["alice", "bob"], "connections": ["L0SM9cOFvHcCIhw=", "-a=", "x\x1b[2J"]})
    )


def words(line: str) -> list[str] | None:
    found = candidates(line.split(" "))
    return None if found is None else [each.word for each in found]


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("pro", ["provision"]),
        ("ws br", ["broadcast", "broadcasts"]),
        ("-e staging ws br", ["broadcast", "broadcasts"]),
        ("ws broadcast --en", ["--engine", "--env"]),
        ("ws broadcast --engine d", ["distributed"]),
        ("ws broadcast --engine=d", ["--engine=distributed"]),
        ("doctor ", ["websocket", "chime", "stack", "app", "all", "bundle"]),
        ("--prof", ["--profile"]),
        ("status -e ", ["local", "production", "staging"]),
        ("-e=s", ["-e=staging"]),
        ("--profile o", ["ops:eu"]),
        ("status --region us-gov-w", ["us-gov-west-1"]),
        ("ws broadcasts show ", ["latest"]),
        ("lambda rollback d", ["disconnect", "default"]),
        ("ws disconnect --user a", ["alice"]),
        ("ws connections get L", ["L0SM9cOFvHcCIhw="]),
        ("logs trace ", ["alice", "bob", "L0SM9cOFvHcCIhw=", "-a="]),
        ("iam policies --api-id ", []),  # not the id of a connection
        ("chime meeting create --external-id ", []),
        ("ws connections get -- -", ["-a="]),
        ("ws connections get -- ", ["L0SM9cOFvHcCIhw=", "-a="]),  # nothing that would move the cursor
        ("--config ", None),
        ("nonsense ws br", []),
    ],
)
@pytest.mark.usefixtures("known")
def test_word_is_completed(line: str, completed: list[str] | None) -> None:
    assert words(line) == completed


def test_every_command_and_option_is_known_and_every_kind_of_value_is_read_without_failing() -> None:
    grammar = read_grammar()
    assert grammar["ws broadcasts"]["commands"]["show"] == "Show the result of a broadcast"
    for path, node in grammar.items():
        for option, (kind, _) in node["options"].items():
            found = wanted(grammar, [*path.split(), option, ""])
            if (
                kind
                and not found.candidates
                and "USER" not in kind
                and "MEETING" not in kind
                and "ID" not in kind
            ):
                values.values_of(found.kind, {})


def test_stack_that_was_not_read_is_read_in_the_background_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begun: list[list[str]] = []
    monkeypatch.setattr(subprocess, "Popen", lambda command, **_: begun.append(command))

    for _ in range(3):
        assert words("-e staging ws disconnect --user ") == []

    assert [command[-2:] for command in begun] == [["--env", "staging"]]


def test_embedded_aws_that_does_not_run_is_not_started(place: Path) -> None:
    file = place / "values.json"
    done = subprocess.run(
        [sys.executable, "-m", "whatschat_ops.cli.completing.refresh", str(file)],
        capture_output=True,
        timeout=60,
    )

    assert (done.stdout, done.stderr, file.exists()) == (b"", b"", False)
    assert not (place / "state").exists()


@pytest.mark.parametrize(
    "asked", [(), ("bash",), ("tcsh", "x"), ("zsh", "\udcff"), ("bash", "whatschat-ops 'x", "x")]
)
def test_failure_is_silent(asked: tuple[str, ...]) -> None:
    done = subprocess.run([PROGRAM, "__complete", *asked], capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


BASH = """
source <(whatschat-ops completion bash)
COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDS=(whatschat-ops "$2") COMP_CWORD=1
_whatschat_ops
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    ("line", "replaced", "reply"),
    [
        ("whatschat-ops ws con", "con", ["connect", "connections"]),
        ("whatschat-ops --profile ops:e", "e", ["eu"]),  # bash's word begins behind the colon
        ("whatschat-ops ws broadcast --engine=l", "l", ["local"]),
        ("whatschat-ops ws connections get L0", "L0", ["L0SM9cOFvHcCIhw="]),
        ("whatschat-ops -e 'sta", "'sta", ["staging"]),
    ],
)
def test_bash_completes(line: str, replaced: str, reply: list[str]) -> None:
    done = subprocess.run(
        ["bash", "-c", BASH, "bash", line, replaced], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout.split(), done.stderr) == (reply, "")


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
def test_fish_completes() -> None:
    script = 'whatschat-ops completion fish | source; complete -C "whatschat-ops ws con"; complete -C "whatschat-ops -e s"'
    done = subprocess.run(["fish", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == [
        "connect\tOpen an interactive connection",
        "connections\tList, inspect and close connections",
        "staging",
    ]


ZSH = """
autoload -U compinit; compinit -u -D
source <(whatschat-ops completion zsh)
_describe() { shift 2; print -rl -- "${(@P)1}"; }
words=(whatschat-ops ws con) CURRENT=3; _whatschat_ops
words=(whatschat-ops --profile ops:) CURRENT=3; _whatschat_ops
"""


@pytest.mark.skipif(shutil.which("zsh") is None, reason="needs zsh")
def test_zsh_completes() -> None:
    done = subprocess.run(["zsh", "-f", "-c", ZSH], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == [
        "connect:Open an interactive connection",
        "connections:List, inspect and close connections",
        "ops\\:eu",
    ]


def test_every_shell_has_a_script_that_asks_as_itself() -> None:
    for shell, script in SCRIPTS.items():
        done = subprocess.run(
            [PROGRAM, "completion", shell], capture_output=True, text=True, timeout=60, check=True
        )
        assert done.stdout == script
        assert f"__complete {shell}" in script
