"""What pip runs first of this project says which Python is needed."""

from __future__ import annotations

import ast
import runpy
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BACKEND = ROOT / "build_backend" / "checked_hatchling.py"


def test_older_python_is_told_which_one_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 13, "final", 0))
    with pytest.raises(SystemExit) as refused:
        runpy.run_path(str(BACKEND))
    assert str(refused.value).startswith("whatschat-ops needs Python 3.11 or newer, and this is Python 3.10.")


def test_python_that_is_needed_is_the_one_that_the_project_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["requires-python"] == ">=3.11"
    assert project["build-system"]["requires"] == ["hatchling>=1.27; python_version >= '3.11'"]
    assert "version_info < (3, 11)" in BACKEND.read_text(encoding="utf-8")


def test_clone_that_an_older_python_runs_says_which_one_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a newer Python's grammar is read before."""
    monkeypatch.setattr(sys, "version_info", (3, 10, 13, "final", 0))
    with pytest.raises(SystemExit) as refused:
        runpy.run_module("whatschat_ops.__main__")
    assert str(refused.value).startswith("whatschat-ops needs Python 3.11 or newer, and this is Python 3.10.")
    for name in ("__init__", "__main__"):
        ast.parse((ROOT / "whatschat_ops" / f"{name}.py").read_bytes(), feature_version=(3, 7))
