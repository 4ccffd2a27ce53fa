"""The screens in the docs: each has a row in docs/screens.py, a page that shows it, and the words of the command as it is now."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from tests.pages import links_of
from tests.sessions import text_of

DOCS = Path(__file__).parents[2] / "docs"
PACKAGE = Path(__file__).parents[2] / "whatschat_ops"


def load() -> Any:
    import sys

    spec = importlib.util.spec_from_file_location("screens", DOCS / "screens.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["screens"] = module
    spec.loader.exec_module(module)
    return module


screens = load()


def test_every_drawing_has_a_row() -> None:
    drawn = {path.stem for path in (DOCS / "screens").glob("*.svg")}
    assert drawn == {screen.name for screen in screens.SCREENS}


@pytest.mark.parametrize("screen", screens.SCREENS, ids=lambda screen: str(screen.name))
def test_drawing_is_shown_by_its_page_and_says_what_the_command_says(screen: Any) -> None:
    page = DOCS / screen.page
    assert f"{screen.path.relative_to(page.resolve().parent)}" in links_of(page)
    svg = screen.path.read_text(encoding="utf-8")
    drawn = text_of(svg)
    source = (PACKAGE / screen.module).read_text(encoding="utf-8")
    assert [words for words in screen.says if words not in drawn or f'"{words}' not in source] == []
    assert f"$ whatschat-ops {' '.join(screen.command)}" in drawn
    assert re.findall(r'(?:url\(|href=)["\']?http', svg) == []  # a reader's browser fetches nothing


def test_what_differs_from_run_to_run_is_replaced_by_something_as_long() -> None:
    text = "at 17:03:01.123 Q1hXkdNaoAMCLmA= of 127.0.0.1:52871 took  312 ms"
    steady = screens.steady(text)
    assert steady == "at 09:30:00.000 L0SM9cOFvHcCIhw= of 127.0.0.1:4566 took    8 ms"
    assert screens.steady(text.replace("17:03:01.123", "04:59:59.999")) == steady
