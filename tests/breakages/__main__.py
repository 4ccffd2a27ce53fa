"""Runs the rows of the table on an embedded AWS of their own. Exit code 1 if one of them did not go as it should."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

from tests.breakages.row import Breakage
from tests.breakages.running import Outcome, tried, worse
from tests.breakages.table import ROWS, page
from tests.breakages.world import World, provisioned
from tests.local.conftest import started
from tests.ports import free_port
from whatschat_ops.local import service


def main() -> int:
    """Run the rows, print what came of each, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.breakages", description=__doc__)
    parser.add_argument(
        "--only", metavar="NAME", action="append", help="rows whose name or code has this in it"
    )
    parser.add_argument("--write", metavar="FILE", type=Path, help="write the table there")
    given = parser.parse_args()
    rows = [
        row for row in ROWS if not given.only or any(part in f"{row.code} {row.name}" for part in given.only)
    ]
    file = given.write.absolute() if given.write else None
    with tempfile.TemporaryDirectory() as state, tempfile.TemporaryDirectory() as directory:
        os.environ["WHATSCHAT_OPS_STATE_DIR"] = state
        found = service.ensure_running(port=free_port(), say=lambda _: None)
        try:
            with provisioned(started(Path(state), found), Path(directory)) as world:
                outcomes = _run(rows, world)
        finally:
            service.stop()
    if file:
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        file.write_text(page(outcomes, before), encoding="utf-8")
    bad = sum(bool(outcome.problems) for outcome in outcomes)
    _say(f"{len(outcomes)} ways to break the stack: {len(outcomes) - bad} as they should be, {bad} not")
    return 1 if bad else 0


def _run(rows: Sequence[Breakage], world: World) -> list[Outcome]:
    healthy = world.doctor()
    for said in worse({}, healthy):
        _say(f"before: {said.code} {said.status}: {said.detail}")
    outcomes = []
    for number, row in enumerate(rows):
        began = perf_counter()
        outcome = tried(row, world, healthy, as_process=number == 0)
        outcomes.append(outcome)
        _say(f"{'well' if not outcome.problems else 'NOT'}  {row.name}  [{perf_counter() - began:.1f} s]")
        _say(f"      {outcome.said or 'nothing was said'}")
        _say(f"      fixed by {outcome.fixed_by}")
        for problem in outcome.problems:
            _say(f"      {problem}")
    return outcomes


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
