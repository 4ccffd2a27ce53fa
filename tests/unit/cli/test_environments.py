"""`init` and `env list`, in a directory of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.in_process import run
from whatschat_ops.cli.environments import _role


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WHATSCHAT_ENV", raising=False)
    return tmp_path


def test_created_file_is_used_from_below(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    created = run("init", "-e", "staging", "--region", "eu-west-1", "--profile", "ours", "--json")
    assert json.loads(created.stdout) == {"environment": "staging", "file": "configs/staging.yaml"}
    (project / "src").mkdir()
    monkeypatch.chdir(project / "src")
    shown = run("config", "show", "-e", "staging", "--json")
    values = {row["key"]: row for row in json.loads(shown.stdout)}
    assert values["aws.region"]["value"] == "eu-west-1"
    assert values["aws.profile"]["origin"].startswith("../configs/staging.yaml:")
    assert shown.stderr == "Settings: ../configs/staging.yaml (environment staging).\n"


def test_existing_file_is_left_as_it_is(project: Path) -> None:
    (project / "configs").mkdir()
    (project / "configs" / "local.yaml").write_text("stack: mine\n")
    refused = run("init")
    assert (refused.code, refused.stdout) == (1, "")
    assert refused.stderr.startswith("Error: configs/local.yaml exists already")
    assert (project / "configs" / "local.yaml").read_text() == "stack: mine\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("-e", "Prod"),
        ("-e", "a b"),
        ("-e", "a/b"),
        ("-e", "../x"),
        ("-e", "a\nb"),
        ("-e", "qa", "--region", "mars"),
    ],
)
def test_file_that_no_command_would_read_is_not_created(project: Path, arguments: tuple[str, ...]) -> None:
    refused = run("init", *arguments)
    assert (refused.code, refused.stdout) == (2, "")
    assert f"Error: flag {arguments[-2].replace('-e', '--env')}: " in refused.stderr
    assert not list(project.rglob("*"))


def test_file_of_another_name_is_created(project: Path) -> None:
    assert run("init", "-e", "qa", "--config", "qa.yaml").code == 0
    assert run("config", "validate", "--config", "qa.yaml").stdout == "qa.yaml: valid.\n"


def test_which_file_is_used_is_said_with_verbose(project: Path) -> None:
    assert "Settings: no file, the defaults (environment local)." in run("config", "validate", "-v").stderr
    run("init")
    assert "Settings: configs/local.yaml (environment local)." in run("config", "validate", "-v").stderr


def test_environments_are_listed_with_what_their_files_say(project: Path) -> None:
    run("init", "-e", "staging", "--region", "eu-west-1", "--profile", "ours")
    (project / "configs" / "broken.yaml").write_text("regoin: x\n")
    listed = json.loads(run("env", "list", "-e", "staging", "--json").stdout)
    assert [
        (row["name"], row["selected"], row["region"], row["profile"], row["embedded"]) for row in listed
    ] == [
        ("broken", False, None, None, None),
        ("local", False, None, None, True),
        ("staging", True, "eu-west-1", "ours", False),
    ]
    assert "regoin: unknown key" in listed[0]["error"]


def test_environments_stand_below_each_other_on_a_narrow_terminal(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    (project / "configs").mkdir()
    (project / "configs" / "broken.yaml").write_text("regoin: x\n")
    lines = run("env", "list").stdout.splitlines()
    assert "Environment  broken" in lines
    assert max(map(len, lines)) <= 40


@pytest.mark.parametrize(
    ("arn", "role"),
    [
        ("arn:aws:sts::123456789012:assumed-role/whatschat-operator/alice", "whatschat-operator"),
        ("arn:aws:iam::123456789012:user/operator", None),
        ("arn:aws:iam::123456789012:root", None),
        ("arn:aws:sts::123456789012:federated-user/alice", None),
    ],
)
def test_role_is_read_from_the_arn_of_its_session(arn: str, role: str | None) -> None:
    assert _role(arn) == role
