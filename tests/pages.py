"""The pages for people: their command lines, their links, and the anchors that links may lead to."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

from whatschat_ops.cli.program import build_program

ROOT: Final = Path(__file__).parents[1]
DOCS: Final = ROOT / "docs"
PAGES: Final = (
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted(DOCS.rglob("*.md")),
)
_FENCE: Final = re.compile(r"^ *```(\w*)[^\n]*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_COMMAND: Final = re.compile(r"(?:^|[\s($\"/;])whatschat-ops (?! )((?:[^|;&)#>\"']|\"[^\"]*\"|'[^']*')*)")
_SPAN: Final = re.compile(r"(?<!`)`whatschat-ops ([^`]+)`(?!`)")


def name_of(page: Path) -> str:
    """The page's path in the repository."""
    return page.relative_to(ROOT).as_posix()


def typed_commands(page: Path) -> Iterator[str]:
    """What is typed after `whatschat-ops ` in the blocks of a page. In `console` blocks only lines with a prompt are typed."""
    for language, block in _FENCE.findall(page.read_text(encoding="utf-8").replace("\\\n", " ")):
        for line in block.splitlines():
            if (
                language != "console" or re.match(r"\S*\$ ", line)
            ) and "──" not in line:  # no arrows of a diagram
                yield from (re.split(r" {3,}", found)[0] for found in _COMMAND.findall(line))


def named_commands(page: Path) -> Iterator[str]:
    """What stands after `whatschat-ops ` in the code spans of a page: it may lack arguments."""
    yield from _SPAN.findall(_FENCE.sub("", page.read_text(encoding="utf-8")))


@cache
def problem_of(line: str, *, whole: bool = True) -> str | None:
    """Why the command line would refuse this, or None. Unless it is `whole`, arguments may be missing."""
    words = shlex.split(re.sub(r"\[(-[^\]]+)\]", r"\1", line))
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            _parse(words)
        except RuntimeError as error:  # Click's Exit: --help and --version
            return str(error) if type(error).__name__ != "Exit" else None
        except Exception as error:  # noqa: BLE001 - Typer has its own copy of Click's exceptions
            missing = type(error).__name__ in ("MissingParameter", "NoArgsIsHelpError")
            return None if missing and not whole else f"{type(error).__name__}: {error}"
    return None


def _parse(words: list[str]) -> None:
    node: Any = _program()
    name, context = "whatschat-ops", None
    while True:
        context = node.make_context(name, words, parent=context)
        if not hasattr(node, "commands"):
            return
        name, node, words = node.resolve_command(context, [*context._protected_args, *context.args])


@cache
def _program() -> Any:
    return build_program()


def links_of(page: Path) -> Iterator[str]:
    """The targets of a page's links and pictures that are not addresses."""
    text = re.sub(r"`[^`\n]*`", "", _FENCE.sub("", page.read_text(encoding="utf-8")))
    yield from re.findall(r"\]\((?!\w+:)([^)\s]+)\)", text)
    yield from re.findall(r"(?:src|srcset|href)=\"(?!\w+:)([^\"]+)\"", text)


def anchors_of(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    seen: Counter[str] = Counter()
    anchors = set()
    for heading in re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        anchors.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return anchors
