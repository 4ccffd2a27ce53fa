"""All rows, and the page that the command writes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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


def sample(rows: Iterable[Breakage] = ROWS) -> list[Breakage]:
    """One row of each area, the first."""
    first: dict[str, Breakage] = {}
    for row in rows:
        first.setdefault(row.area, row)
    return list(first.values())


def page(outcomes: Sequence[Outcome]) -> str:
    """The page as Markdown."""
    return HEAD + "".join(f"{_line(outcome)}\n" for outcome in outcomes)


def _line(outcome: Outcome) -> str:
    said = outcome.said
    what = f"**{said.code}** {said.detail}" if said else "nothing"
    cells = [outcome.row.name, what, outcome.fixed_by, "; ".join(outcome.problems) or "yes"]
    return f"| {' | '.join(' '.join(cell.replace('|', chr(92) + '|').split()) for cell in cells)} |"
