"""`python -m tests.fuzz`: fuzz the command line, print a table and each distinct failure."""

from __future__ import annotations

import argparse
import multiprocessing
import shlex
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.files import KINDS
from tests.fuzz.lines import EXCLUDED
from tests.fuzz.runner import ENDPOINTS, Case, Result, cases, findings
from tests.fuzz.work import work

PAGE = Path(__file__).resolve().parents[2] / "docs" / "testing.md"
CHUNK = 600
"""Cases of one process: a command is made to end with its process, and leaves threads and caches in this one."""
BEGIN, END = "<!-- fuzz: begin -->", "<!-- fuzz: end -->"


def main() -> int:
    """Fuzz. Exit code 1 if there was a failure."""
    options = _options()
    began_s = time.monotonic()
    made = (
        [_case(options.only)]
        if options.only
        else cases(options.lines, options.files, options.processes, first=options.first)
    )
    made = [case for case in made if options.endpoint in (None, case.endpoint)]
    workers, until_s = options.workers, time.monotonic() + options.minutes * 60
    shares = [made[first : first + CHUNK] for first in range(0, len(made), CHUNK)]
    with tempfile.TemporaryDirectory(prefix="whatschat-fuzz-") as root:
        arguments = [
            (share, options.seed, Path(root) / f"{number}", options.verbose, until_s)
            for number, share in enumerate(shares)
        ]
        if len(shares) == 1:
            results = work(*arguments[0])
        else:
            with multiprocessing.get_context("spawn").Pool(workers, maxtasksperchild=1) as pool:
                results = [result for found in pool.starmap(work, arguments, 1) for result in found]
    table = _table(results)
    sys.stdout.write(f"{table}\nseed {options.seed}, {time.monotonic() - began_s:,.0f} s\n")
    if options.only:
        sys.stdout.write(f"{shlex.join(results[0].arguments)[:2000]!r}\n{results[0].said}\n")
    _print_findings(results)
    if options.write:
        _write(table)
    return 1 if findings(results) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--lines", type=int, default=25_000)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=500, help="more command lines, as processes")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--first", type=int, default=0, help="number of the first case of each kind")
    parser.add_argument("--endpoint", choices=ENDPOINTS, help="only the cases of this endpoint")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=600.0, help="begin no case after this time")
    parser.add_argument("--only", metavar="KIND:NUMBER:ENDPOINT", help="one case, as a failure names it")
    parser.add_argument("--write", action="store_true", help="write the table into docs/testing.md")
    parser.add_argument("--verbose", action="store_true", help="print each case before it runs")
    return parser.parse_args()


def _case(text: str) -> Case:
    kind, number, endpoint = text.rsplit(":", 2)
    return Case(kind, int(number), endpoint)


def _table(results: Sequence[Result]) -> str:
    rows = ["| what | runs | exit code 0 | 1 | 2 | 3 | 4 | failures |", "|---|---|---|---|---|---|---|---|"]
    groups = {f"command lines, {endpoint} endpoint": ("line", endpoint) for endpoint in ENDPOINTS}
    groups |= {"command lines as processes": ("process", "")}
    groups |= {f"files: {kind}": (kind, "") for kind in KINDS}
    for name, (kind, endpoint) in groups.items():
        of = [it for it in results if it.case.kind == kind and endpoint in ("", it.case.endpoint)]
        if of:
            rows.append(_row(name, of))
    return "\n".join([*rows, _row("all", results)])


def _row(name: str, results: Sequence[Result]) -> str:
    codes = Counter(result.code for result in results)
    failed = sum(result.finding is not None for result in results)
    cells = [f"{len(results):,}", *(f"{codes[code]:,}" for code in range(5)), f"{failed:,}"]
    return f"| {name} | {' | '.join(cells)} |"


def _print_findings(results: Sequence[Result]) -> None:
    for finding, runs in sorted(findings(results).items(), key=lambda item: -len(item[1])):
        first = min(runs, key=lambda run: len(str(run.arguments)))
        words = ascii(shlex.join(first.arguments))[:300]
        sys.stdout.write(
            f"\n{len(runs)} × {finding.kind}: {finding.signature}\n  --only {str(first.case)!r}\n  {words}\n"
        )
    sys.stdout.write("\nNot run:\n" + "".join(f"  {what}: {why}\n" for what, why in EXCLUDED.items()))


def _write(table: str) -> None:
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
