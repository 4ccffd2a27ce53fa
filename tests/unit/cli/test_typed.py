"""The program's name in a suggested command: what the shell finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from whatschat_ops.cli.terminal.typed import typed_program


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to work in, with the program installed in `.venv` and another copy in `other`."""
    for folder in (".venv/bin", "other"):
        program = tmp_path / folder / "whatschat-ops"
        program.parent.mkdir(parents=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    return tmp_path


def test_program_on_the_path_is_called_by_its_name(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(here / ".venv/bin"))
    assert typed_program(str(here / ".venv/bin/whatschat-ops")) == "whatschat-ops"
    assert typed_program(".venv/bin/whatschat-ops") == "whatschat-ops"


def test_program_that_is_not_on_the_path_is_called_as_it_was_started(here: Path) -> None:
    assert typed_program(".venv/bin/whatschat-ops") == ".venv/bin/whatschat-ops"


def test_program_hidden_by_another_one_is_called_as_it_was_started(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(here / "other"))
    assert typed_program(".venv/bin/whatschat-ops") == ".venv/bin/whatschat-ops"


def test_module_started_by_python_is_called_by_the_name_of_the_program(here: Path) -> None:
    assert typed_program(str(here / "whatschat_ops/__main__.py")) == "whatschat-ops"
