"""The source distribution and the wheel, built once: whole, and naming what an index shows."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from email.message import Message
from pathlib import Path

import pytest

from tests.distribution.archives import (
    MADE,
    PACKAGE,
    ROOT,
    build,
    contents,
    metadata,
    naming_this_machine,
    tracked,
)
from whatschat_ops import __version__

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def wheel(archives: tuple[Path, Path]) -> Mapping[str, bytes]:
    return contents(archives[1])


@pytest.fixture(scope="module")
def about(archives: tuple[Path, Path]) -> Message:
    return metadata(archives[1])


needs_git = pytest.mark.skipif(
    not (ROOT / ".git").exists(), reason="what git tracks is known in a clone only"
)


@needs_git
def test_source_distribution_is_what_git_tracks(archives: tuple[Path, Path]) -> None:
    assert set(contents(archives[0])) - MADE == tracked()


@needs_git
def test_wheel_is_the_package_with_its_data(wheel: Mapping[str, bytes]) -> None:
    assert {name for name in wheel if name.startswith(f"{PACKAGE}/")} == tracked(PACKAGE)


@pytest.mark.parametrize("name", ["py.typed", "cli/completing/grammar.json"])
def test_wheel_has_the_data_that_the_program_reads(wheel: Mapping[str, bytes], name: str) -> None:
    assert wheel[f"{PACKAGE}/{name}"] == (ROOT / PACKAGE / name).read_bytes()


def test_archives_name_no_folder_of_this_machine(archives: tuple[Path, Path]) -> None:
    assert [name for archive in archives for name in naming_this_machine(archive)] == []


def test_metadata_says_what_an_index_shows(about: Message) -> None:
    assert (about["Name"], about["Version"]) == ("whatschat-ops", __version__)
    assert about["Requires-Python"] == ">=3.11"
    assert about["License-Expression"] == "MIT"
    assert about.get_all("License-File") == ["LICENSE"]
    assert about.get_all("Provides-Extra") == sorted(PROJECT["optional-dependencies"])
    assert about.get_all("Classifier") == PROJECT["classifiers"]
    assert {line.partition(",")[0] for line in about.get_all("Project-URL", [])} == {
        "Source", "Documentation", "Changelog",
    }  # fmt: skip
    assert str(about.get_payload()).startswith("# whatschat-ops\n")


def test_metadata_has_every_requirement(about: Message) -> None:
    lines = about.get_all("Requires-Dist", [])
    for extra, needed in {"": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}.items():
        assert len(needed) == sum(line.partition("extra == ")[2].strip("'") == extra for line in lines), extra


def test_wheel_has_one_program(wheel: Mapping[str, bytes]) -> None:
    (name,) = (name for name in wheel if name.endswith("entry_points.txt"))
    assert wheel[name].decode().split("\n")[:2] == [
        "[console_scripts]",
        "whatschat-ops = whatschat_ops.cli.main:run",
    ]
