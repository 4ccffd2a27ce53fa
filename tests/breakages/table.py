"""All rows, and the page that the command writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from tests.breakages import (
    of_api,
    of_app,
    of_chime,
    of_functions,
    of_logs,
    of_permissions,
    of_secret,
    of_stack,
    of_table,
)
from tests.breakages.row import Breakage
from tests.breakages.running import Outcome

ROWS: Final[tuple[Breakage, ...]] = (
    *of_functions.ROWS,
    *of_api.ROWS,
    *of_table.ROWS,
    *of_stack.ROWS,
    *of_permissions.ROWS,
    *of_secret.ROWS,
    *of_logs.ROWS,
    *of_chime.ROWS,
    *of_app.ROWS,
)

HEAD: Final = """\
# Ways to break a stack, and what `doctor` says

Written by `python -m tests.breakages --write docs/doctor-breakages.md`: each row was done for real, by calls of AWS's API, to a stack on the embedded
AWS that was all right before. `doctor` had to fail (or warn) in this one check and in no other; then the fix was made, and `doctor` had to
be as before. The codes are described in [doctor.md](doctor.md).

| What was broken | What `doctor` said | What fixed it | Well again |
|---|---|---|---|
"""


SAMPLED: Final = ("functions", "api", "table", "permissions", "logs", "app")
"""The areas with a row in the suite, which has little time: 3 s of a processor for each."""


def sample(rows: Iterable[Breakage] = ROWS) -> list[Breakage]:
    """One row of each of these areas, the first."""
    first: dict[str, Breakage] = {}
    for row in rows:
        first.setdefault(row.area, row)
    return [first[area] for area in SAMPLED]


def page(outcomes: Sequence[Outcome], before: str = "") -> str:
    """The page as Markdown, in the order of the table; a row that was not run keeps its line of the page as it was before."""
    lines = dict(written(before))
    lines.update((outcome.row.name, _line(outcome)) for outcome in outcomes)
    return HEAD + "".join(f"{lines[row.name]}\n" for row in ROWS if row.name in lines)


def written(text: str) -> Iterator[tuple[str, str]]:
    """Name of the row, and its line, of a page."""
    for line in text.removeprefix(HEAD).splitlines():
        if line.startswith("| ") and line.endswith(" |"):
            yield line.split(" | ")[0].removeprefix("| "), line


def _line(outcome: Outcome) -> str:
    said = outcome.said
    what = f"**{said.code}** {said.detail}" if said else "nothing"
    cells = [outcome.row.name, what, outcome.fixed_by, "; ".join(outcome.problems) or "yes"]
    return f"| {' | '.join(' '.join(cell.replace('|', chr(92) + '|').split()) for cell in cells)} |"
