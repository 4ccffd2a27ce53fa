"""docs/widths.md: what the commonest commands print on 120, 80 and 40 columns. No figure and no id is cut."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "widths.md"
BLOCK = re.compile(r"^(\d+) columns:\n\n```text\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
SECTIONS = dict(
    re.findall(r"^## `([^`]+)`\n(.*?)(?=^## |\Z)", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
)
FIRST_COLUMN = {
    "lambda list": r"websocket-\w+",
    "ws connections list": r"\S{15}=",
    "cost estimate": r"\$[\d.]+",
}


def test_ten_commands_are_shown_at_three_widths() -> None:
    assert len(SECTIONS) == 10
    assert {tuple(width for width, _ in BLOCK.findall(text)) for text in SECTIONS.values()} == {
        ("120", "80", "40")
    }


@pytest.mark.parametrize("command", SECTIONS)
def test_lines_fit_unless_they_are_one_word_and_its_label(command: str) -> None:
    for width, text in BLOCK.findall(SECTIONS[command]):
        assert text.strip()
        for line in text.splitlines():
            assert len(line) <= int(width) or len(line.split("  ")[-1].split()) == 1, line


@pytest.mark.parametrize("start", FIRST_COLUMN)
def test_what_tells_rows_apart_is_whole_at_every_width(start: str) -> None:
    (text,) = (text for command, text in SECTIONS.items() if command.startswith(start))
    found = [set(re.findall(FIRST_COLUMN[start], shown)) for _, shown in BLOCK.findall(text)]
    assert found[0] and found[0] == found[1] == found[2]
