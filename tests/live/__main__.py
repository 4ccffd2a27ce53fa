"""Ask a real AWS account: `python -m tests.live run|cost|sweep|compare`. See docs/testing.md.

`run` prints what it could cost, asks, runs the suite in a process of its own, and sweeps afterwards: also after a failure and
Ctrl-C. After `kill -9` run `sweep --older-than 0s`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from tests.live.account import RUN_TAG, LiveAws, NotOptedInError, OptIn, new_run
from tests.live.cost import MOST_USD, most_usd, total
from tests.live.guard import Guard
from tests.live.loads import parts
from tests.live.recording import Placeholders, Recorder, compare
from tests.live.sweep import sweep

TESTS: Final = Path(__file__).parents[1]
SELECTED: Final = {
    "questions": "live/test_account.py::test_answer_is_what_the_page_says_of_aws",
    "stack": "live/test_account.py::test_stack_is_provisioned_used_and_destroyed",
}
"""Part -> its tests, where it is no test file."""
say: Final = partial(print, flush=True)
UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0; 1 if an answer is not AWS's or something is left; 2 without opt-in."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.act(options))
    except (NotOptedInError, BotoCoreError, ClientError, KeyError) as error:
        say(error, file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.live", description=__doc__)
    commands = parser.add_subparsers(required=True)
    running = commands.add_parser("run", help="Ask the account")
    running.add_argument(
        "--only", action="append", default=[], help="Part to run; see `cost`. Repeat for more"
    )
    running.add_argument("--record", type=Path, help="Directory for the answers, with ids replaced")
    running.add_argument("--results", type=Path, help="File for the verdicts, as JSON")
    running.add_argument("--live-yes", action="store_true", help="Do not ask (or WHATSCHAT_LIVE_YES=1)")
    running.set_defaults(act=_run)
    costing = commands.add_parser("cost", help="Show what a run could cost")
    costing.add_argument("--only", action="append", default=[])
    costing.set_defaults(act=lambda options: _print_cost(options.only, "us-east-1"))
    sweeping = commands.add_parser("sweep", help="Delete what runs left")
    sweeping.add_argument("--older-than", type=_seconds, default=_seconds("2h"), help="Age of the runs [2h]")
    sweeping.set_defaults(act=lambda options: _swept(older_than_s=options.older_than))
    comparing = commands.add_parser("compare", help="Show where two recordings differ in shape")
    comparing.add_argument("aws", type=Path)
    comparing.add_argument("embedded", type=Path)
    comparing.set_defaults(act=_compare)
    return parser


def _compare(options: argparse.Namespace) -> int:
    say("\n".join(compare(options.aws, options.embedded)))
    return 0


def _seconds(text: str) -> int:
    return int(text[:-1]) * UNITS_S[text[-1]]


def _print_cost(only: list[str], region: str) -> int:
    """Print the most that these parts cost; 0. Raises NotOptedInError over the bound."""
    chosen = parts(only)
    for name, load in chosen.items():
        say(f"{most_usd(load, region):8.4f} USD  {name}")
    most = most_usd(total(chosen.values()), region)
    say(f"{most:8.4f} USD  at most, of {MOST_USD} USD that are allowed")
    if most > MOST_USD:
        raise NotOptedInError(f"The suite could cost {most:.4f} USD, more than {MOST_USD}.")
    return 0


def _run(options: argparse.Namespace) -> int:
    opted = OptIn.of(os.environ)
    opted.session()
    _print_cost(options.only, opted.region)
    yes = options.live_yes or os.environ.get("WHATSCHAT_LIVE_YES") == "1"
    if not yes and not sys.stdin.isatty():
        raise NotOptedInError("Without a terminal, run it with --live-yes.")
    place = f"account {opted.account}, {opted.region}"
    if not yes and input(f"Run in {place}? Type the account's id: ") != opted.account:
        return 1
    run = new_run()
    say(f"Run {run} in {place}; its resources have the tag {RUN_TAG}={run}.")
    code = 1
    try:
        code = _asked(run, options)
    except KeyboardInterrupt:
        say("Interrupted.", file=sys.stderr)
    finally:
        code = max(code, _swept(run))
    return code


def _asked(run: str, options: argparse.Namespace) -> int:
    """Run the tests, and say how their answers compare."""
    with tempfile.TemporaryDirectory() as directory:
        results = options.results or Path(directory) / "results.json"
        variables = {"WHATSCHAT_LIVE_PREFIX": run, "WHATSCHAT_LIVE_RESULTS": str(results.resolve())}
        if options.record:
            variables["WHATSCHAT_LIVE_RECORD"] = str(options.record.resolve())
        process = subprocess.Popen(_pytest(options.only), env={**os.environ, **variables}, cwd=TESTS.parent)
        try:
            code = process.wait()
        except KeyboardInterrupt:  # it has the signal too, and ends by itself
            process.wait()
            raise
        if results.exists():
            _print_verdicts(json.loads(results.read_text(encoding="utf-8")))
    return code


def _pytest(only: list[str]) -> list[str]:
    nodes = [f"tests/{SELECTED.get(name, name)}" for name in parts(only)]
    options = [
        "-o",
        "addopts=--strict-markers -raf",
        "-p",
        "no:xdist",
        "-p",
        "tests.live.plugin",
        "-m",
        "live or local",
    ]
    return [sys.executable, "-m", "pytest", "-q", *options, *nodes]


def _print_verdicts(document: Mapping[str, Any]) -> None:
    answers = document["answers"]
    for name, each in answers.items():
        if each["verdict"] not in ("as AWS", "passed", "skipped"):
            say(f"{each['verdict']}: {name} ({each['answer']})")
    say(
        ", ".join(
            f"{count} {verdict}" for verdict, count in Counter(e["verdict"] for e in answers.values()).items()
        )
    )
    say(f"{sum(document['requests'].values())} requests")


def _swept(run: str = "", older_than_s: float = 0) -> int:
    opted = OptIn.of(os.environ)
    prefix = run or new_run()
    guard, recorder = Guard(prefix, (RUN_TAG, prefix), {}), Recorder(None, Placeholders())
    with contextlib.suppress(KeyboardInterrupt):
        problems = sweep(LiveAws(opted, opted.session(), prefix, guard, recorder), run, older_than_s)
        say("\n".join(problems) or "Nothing of it is left.")
        return int(bool(problems))
    return 1


if __name__ == "__main__":
    sys.exit(main())
