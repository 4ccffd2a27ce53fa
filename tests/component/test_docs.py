"""Generated pages say what the program says, and links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.kinds import BEGIN, END, KINDS, PAGE

ROOT = Path(__file__).parents[2]


def test_command_reference_is_fresh() -> None:
    command = [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, f"docs/commands.md is stale: run python docs/generate.py\n{done.stderr}"


def test_every_relative_link_of_a_page_leads_to_a_file() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
    broken = [
        f"{page.name}: {target}"
        for page in pages
        for target in re.findall(
            r"\]\((?!https?:|#)([\w./-]+)(?:#[\w-]*)?\)", page.read_text(encoding="utf-8")
        )
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_kinds_of_testing_page_name_files_that_exist() -> None:
    missing = [path for paths in KINDS.values() for path in paths if not (ROOT / "tests" / path).is_file()]
    assert missing == []
    rows = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    assert [line.split(" | ")[0].removeprefix("| ") for line in rows.strip().splitlines()[2:]] == list(KINDS)
