"""The command that adds an extra to this copy, for each way in which a copy is installed."""

from __future__ import annotations

import importlib.metadata
import json
import shlex
import sys
import tomllib
from pathlib import Path

import pytest

from whatschat_ops.installation import (
    Installation,
    Installer,
    arguments_of,
    command_for,
    extra_command,
    present_extras,
    requirements_of,
    this_installation,
)

NEEDED = ["aiortc<2,>=1.14"]
WHEEL = "/w/whatschat_ops-1.0-py3-none-any.whl"


@pytest.mark.parametrize(
    ("copy", "command"),
    [
        (
            Installation(Installer.PIP, "/src", editable=True),
            ["/v/python", "-m", "pip", "install", "--editable", "/src[calls]"],
        ),
        (Installation(Installer.PIP, "/src"), ["/v/python", "-m", "pip", "install", "/src[calls]"]),
        (Installation(Installer.PIP, WHEEL), ["/v/python", "-m", "pip", "install", f"{WHEEL}[calls]"]),
        (
            Installation(Installer.PIP, "https://example.com/w.whl"),
            ["/v/python", "-m", "pip", "install", "whatschat-ops[calls] @ https://example.com/w.whl"],
        ),
        (
            Installation(Installer.UV_TOOL, "git+https://example.com/ops.git@90f8c14"),
            [
                *("uv", "tool", "install", "--force"),
                "whatschat-ops[calls] @ git+https://example.com/ops.git@90f8c14",
            ],
        ),
        (Installation(Installer.PIP, None), ["/v/python", "-m", "pip", "install", *NEEDED]),
        (
            Installation(Installer.UV_PIP, "/src", editable=True),
            ["uv", "pip", "install", "--python", "/v/python", "--editable", "/src[calls]"],
        ),
        (
            Installation(Installer.UV_TOOL, "/src", editable=True),
            ["uv", "tool", "install", "--force", "/src[calls]"],
        ),
        (Installation(Installer.UV_TOOL, None), ["uv", "pip", "install", "--python", "/v/python", *NEEDED]),
        (
            Installation(Installer.UVX, WHEEL),
            ["uvx", "--from", f"{WHEEL}[calls]", "whatschat-ops", "--version"],
        ),
        (Installation(Installer.PIPX, WHEEL), ["pipx", "install", "--force", f"{WHEEL}[calls]"]),
        (Installation(Installer.PIPX, None), ["pipx", "inject", "whatschat-ops", *NEEDED]),
    ],
)
def test_each_kind_of_copy_gets_the_command_of_its_installer(copy: Installation, command: list[str]) -> None:
    assert shlex.split(command_for(["calls"], copy, NEEDED, "/v/python")) == command


def test_uvx_keeps_nothing_so_its_command_runs_what_was_asked_for() -> None:
    copy = Installation(Installer.UVX, WHEEL)
    command = command_for(["local"], copy, [], "/v/python", ["-e", "my env", "provision"])
    assert shlex.split(command)[2:] == [f"{WHEEL}[local]", "whatschat-ops", "-e", "my env", "provision"]


@pytest.mark.parametrize(
    ("argv", "arguments"),
    [
        (["/v/bin/whatschat-ops", "provision", "--yes"], ["provision", "--yes"]),
        (["C:/v/whatschat-ops.exe", "plan"], ["plan"]),
        (["/v/bin/whatschat-ops"], ["--version"]),
        (["/v/whatschat_ops/local/server.py", "--port", "1"], ["--version"]),
        ([], ["--version"]),
    ],
)
def test_arguments_are_those_of_this_program(argv: list[str], arguments: list[str]) -> None:
    assert list(arguments_of(argv)) == arguments


@pytest.mark.parametrize(
    ("file", "installer"),
    [("uv-receipt.toml", Installer.UV_TOOL), ("pipx_metadata.json", Installer.PIPX)],
)
def test_environment_of_a_tool_is_known_by_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, installer: Installer
) -> None:
    (tmp_path / file).touch()
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert this_installation().installer is installer


def test_environment_in_the_cache_of_uv_is_that_of_uvx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", "/home/ann/.cache/uv/archive-v0/4Yry2JAx")
    assert this_installation().installer is Installer.UVX


@pytest.mark.parametrize(
    ("direct_url", "source", "editable"),
    [
        (None, None, False),
        ({"url": "file:///gone/w.whl", "archive_info": {}}, None, False),
        ({"url": "https://example.com/w.whl", "archive_info": {}}, "https://example.com/w.whl", False),
        (
            {
                "url": "https://example.com/ops.git",
                "vcs_info": {"vcs": "git", "requested_revision": "main", "commit_id": "90f8c14"},
            },
            "git+https://example.com/ops.git@90f8c14",
            False,
        ),
        ({"url": "file:///gone/ops", "vcs_info": {"vcs": "git", "commit_id": "90f8c14"}}, None, False),
        ("here", "here", True),
    ],
)
def test_source_is_where_the_copy_came_from_while_that_is_there(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    direct_url: dict[str, object] | str | None,
    source: str | None,
    editable: bool,
) -> None:
    here = tmp_path / "a folder"
    here.mkdir()
    info = tmp_path / "whatschat_ops-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: whatschat-ops\nVersion: 1\n", encoding="utf-8"
    )
    given = {"url": here.as_uri(), "dir_info": {"editable": True}} if direct_url == "here" else direct_url
    if given:
        (info / "direct_url.json").write_text(json.dumps(given), encoding="utf-8")
    monkeypatch.setattr(
        importlib.metadata, "distribution", lambda _name: importlib.metadata.PathDistribution(info)
    )
    found = this_installation()
    assert (found.source, found.editable) == (str(here) if source == "here" else source, editable)


def test_clone_that_is_not_installed_is_installed_from_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_found(name: str) -> importlib.metadata.Distribution:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", not_found)
    monkeypatch.setattr(importlib.metadata, "metadata", not_found)
    assert shlex.split(extra_command("calls"))[-2:] == ["--editable", f"{Path(__file__).parents[2]}[calls]"]


def test_requirements_of_an_extra_are_those_of_the_metadata() -> None:
    assert [line.split("<")[0] for line in requirements_of("calls")] == ["aiortc"]
    assert requirements_of("no-such-extra") == []


def test_all_is_everything_that_the_other_extras_need() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]
    extras: dict[str, list[str]] = project["optional-dependencies"]
    everything = set(extras.pop("all"))
    assert everything == {requirement for extra in extras.values() for requirement in extra}


def test_extras_that_are_installed_are_kept() -> None:
    command = command_for(["calls", "local"], Installation(Installer.UV_TOOL, WHEEL), [], "/v/python")
    assert shlex.split(command)[-1] == f"{WHEEL}[calls,local]"
    assert "calls" in present_extras()  # the tests' environment has them
    assert "calls" in extra_command("local")
