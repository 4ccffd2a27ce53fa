"""docs/cost.md shows what the commands print."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.coverage_of_costs import PAGE, page_with, table

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory without configs/."""
    monkeypatch.chdir(tmp_path)


def test_the_page_shows_what_the_commands_print() -> None:
    """Renew it with: python docs/examples.py"""
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "examples.py"), "--check"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_page_lists_what_an_estimate_covers() -> None:
    """Renew it with: python -m tests.coverage_of_costs --write"""
    assert page_with(table()) == PAGE.read_text(encoding="utf-8")
