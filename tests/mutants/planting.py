"""A planted fault: one exact change of one module, and the tests that are expected to find it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TREE = Path(__file__).parents[2]
PACKAGE = "whatschat_ops"


class Fault(NamedTuple):
    """`before` stands once in the module `path` (below whatschat_ops) and becomes `after`; `tests` are below tests/."""

    path: str
    before: str
    after: str
    why: str
    tests: tuple[str, ...]

    @property
    def area(self) -> str:
        """The package that it is in; `whatschat_ops` for its own modules."""
        return self.path.split("/")[0] if "/" in self.path else PACKAGE

    def planted(self, text: str) -> str:
        """The module's text with the fault in it. Raises ValueError when the row is stale."""
        if (count := text.count(self.before)) != 1:
            raise ValueError(f"{self.path}: {self.before!r} stands {count} times in it, not once")
        return text.replace(self.before, self.after)

    def planted_in_program(self, text: str) -> str:
        """As `planted`. Raises ValueError when that is no program, or the same one: such a fault would always be found, or never."""
        found = self.planted(text)
        if ast.dump(ast.parse(found)) == ast.dump(ast.parse(text)):
            raise ValueError(f"{self.path}: {self.after!r} changes nothing")
        return found

    def module(self, tree: Path = TREE) -> Path:
        """The file that it is planted in."""
        return tree / PACKAGE / self.path


def planted(path: str, tests: str, *rows: tuple[str, str, str]) -> Iterator[Fault]:
    """Faults of one module: (before, after, why) each. `tests` are separated by blanks."""
    for before, after, why in rows:
        yield Fault(path, before, after, why, tuple(tests.split()))
