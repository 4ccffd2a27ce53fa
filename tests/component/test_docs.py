"""Generated pages say what the program says, and links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kinds import BEGIN, END, KINDS, PAGE
from tests.pages import (
    DOCS,
    PAGES,
    ROOT,
    anchors_of,
    links_of,
    name_of,
    named_commands,
    problem_of,
    typed_commands,
)
from whatschat_ops.explain import entries


def test_command_reference_is_fresh() -> None:
    command = [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)

    assert done.returncode == 0, f"docs/commands.md is stale: run python docs/generate.py\n{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_of_a_page_leads_to_a_file_and_to_a_heading_in_it(page: Path) -> None:
    broken = []
    for link in links_of(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors_of(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_of_a_page_can_be_typed(page: Path) -> None:
    typed = [(line, problem) for line in typed_commands(page) if (problem := problem_of(line))]
    assert typed == []
    if page.name == "commands.md":  # its spans are lines of usage
        return
    named = [(line, problem) for line in named_commands(page) if (problem := problem_of(line, whole=False))]
    assert named == []


def test_every_command_that_explain_advises_can_be_typed() -> None:
    advised = {entry.run for entry in entries().values() if entry.run}
    assert [(line, problem) for line in sorted(advised) if (problem := problem_of(line))] == []


@pytest.mark.parametrize(
    "line",
    [
        "ws connections lst",
        "ws broadcast --typ notice Hi",
        "lambda invoke",
        "ws send --mode carrier-pigeon --user alice",
        "provision one two",
    ],
)
def test_a_line_that_the_program_refuses_is_found(line: str) -> None:
    assert problem_of(line)


def test_the_index_lists_every_page() -> None:
    listed = {link.partition("#")[0] for link in links_of(DOCS / "README.md")}
    pages = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")} - {"README.md"}
    assert sorted(pages - listed - {page for page in pages if page.startswith("doctor/")}) == []


def test_kinds_of_testing_page_name_files_that_exist() -> None:
    missing = [path for paths in KINDS.values() for path in paths if not (ROOT / "tests" / path).is_file()]
    assert missing == []
    rows = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    assert [line.split(" | ")[0].removeprefix("| ") for line in rows.strip().splitlines()[2:]] == list(KINDS)


def test_what_a_page_of_symptoms_quotes_is_said_by_the_program_or_known_to_explain() -> None:
    page = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    quoted = [
        text for line in re.findall(r"^You see: (.+)$", page, re.M) for text in re.findall(r"`(.+?)`", line)
    ]
    package = ROOT / "whatschat_ops"
    files = [*package.rglob("*.py"), package / "explain" / "explanations.yaml"]
    said = " ".join(file.read_text(encoding="utf-8") for file in files)
    assert len(quoted) > 20
    assert [text for text in quoted if text not in said] == []


def test_every_symptom_leads_to_a_command_or_a_page() -> None:
    page = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    sections = re.split(r"^### ", page, flags=re.M)[1:]
    lost = [each.partition("\n")[0] for each in sections if "whatschat-ops" not in each and "](" not in each]
    assert lost == []


def test_conventions_name_tests_that_exist() -> None:
    page = (ROOT / "docs" / "conventions.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page)
    missing = [
        f"{file}::{name}"
        for file, name in named
        if f"def {name}(" not in (ROOT / file).read_text(encoding="utf-8")
    ]
    assert len(named) > 10
    assert missing == []
