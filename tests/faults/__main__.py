"""python -m tests.faults: record the calls, run every one of them with every fault, print the counts."""

# ruff: noqa: T201 - this is a command of its own
from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path

from tests.faults.matrix import Baseline, Case, NewWorld, Queue, Result, all_cases, record, sample, work
from tests.faults.proxy import Fault
from tests.faults.world import Operation, World, embedded_aws


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 if every case that ran held, 1 if one did not, 2 if not all could run."""
    options = _parser().parse_args(arguments)
    signal.signal(
        signal.SIGTERM, signal.default_int_handler
    )  # so that a terminated run stops its embedded AWSs, too
    started = time.monotonic()
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="faults-")))
        factories = [_factory(stack, root / f"aws-{n}") for n in range(options.worlds)]
        worlds = [factory() for factory in factories]
        with ThreadPoolExecutor(len(worlds)) as pool:
            baselines = list(pool.map(record, worlds))
        cases = _choose(options, baselines[0])
        _print_size(baselines[0], cases)
        results = _run(cases, factories, worlds, baselines, options.seconds)
    _print_results(cases, results, time.monotonic() - started)
    if any(result.problems for result in results):
        return 1
    return 0 if len(results) == len(cases) else 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--operation", type=Operation, action="append", choices=list(Operation))
    parser.add_argument("--fault", type=Fault, action="append", choices=list(Fault))
    parser.add_argument("--call", help="only calls whose name contains this, for example CreateRoute")
    parser.add_argument("--writes", action="store_true", help="only calls that write")
    parser.add_argument("--sample", type=int, metavar="N", help="only N cases, chosen evenly")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no case after this time")
    parser.add_argument(
        "--worlds", type=int, default=2, help="embedded AWSs to use side by side (default: 2)"
    )
    return parser


def _factory(stack: ExitStack, directory: Path) -> NewWorld:
    aws = stack.enter_context(embedded_aws(directory / "state"))
    numbers = count()

    def new_world() -> World:
        number = next(numbers)
        return World(aws, directory / f"world-{number}", f"w{number}-")

    return new_world


def _choose(options: argparse.Namespace, baseline: Baseline) -> list[Case]:
    cases = [
        case
        for case in all_cases(baseline.points)
        if (not options.operation or case.operation in options.operation)
        and (not options.fault or case.fault in options.fault)
        and (not options.call or options.call in str(case.point))
        and (not options.writes or case.point.call.writes)
    ]
    return sample(cases, options.sample if options.sample is not None else len(cases))


def _run(
    cases: list[Case],
    factories: list[NewWorld],
    worlds: list[World],
    baselines: list[Baseline],
    seconds: float,
) -> list[Result]:
    results: list[Result] = []
    lock, queue, until = threading.Lock(), Queue(cases), time.monotonic() + seconds

    def report(result: Result) -> None:
        with lock:
            results.append(result)
            if result.problems:
                print(f"FAILED {result.case}", *result.problems, sep="\n    ", flush=True)
            elif len(results) % 50 == 0:
                print(f"{len(results)} of {len(cases)}", flush=True)

    threads = [
        threading.Thread(
            target=work,
            args=(queue, factory, report),
            kwargs={"world": world, "baseline": baseline, "until": until},
            daemon=True,
        )
        for factory, world, baseline in zip(factories, worlds, baselines, strict=True)
    ]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        queue.clear()
        for thread in threads:
            thread.join()
    return results


def _print_size(baseline: Baseline, cases: list[Case]) -> None:
    for operation, points in baseline.points.items():
        writes = sum(point.call.writes for point in points)
        print(f"{operation}: {len(points)} calls, {writes} of them write")
    print(f"{len(cases)} of {len(all_cases(baseline.points))} cases", flush=True)


def _print_results(cases: list[Case], results: list[Result], seconds: float) -> None:
    ran = Counter((result.case.operation, result.case.fault) for result in results)
    held = Counter((r.case.operation, r.case.fault) for r in results if not r.problems)
    print("\n| fault |", " | ".join(Operation), "|\n|---|", "---|" * len(Operation), sep="")
    for fault in Fault:
        cells = [f"{held[operation, fault]} of {ran[operation, fault]}" for operation in Operation]
        print(f"| {fault} |", " | ".join(cells), "|")
    unreached = [result for result in results if not result.reached]
    print(
        f"\n{len(cases)} cases: {sum(held.values())} held, {len(results) - sum(held.values())} failed, "
        f"{len(cases) - len(results)} not run, {len(unreached)} whose call was not made this time; {seconds:.0f} s"
    )
    for result in results:
        if result.problems:
            print(f"FAILED {result.case}: {'; '.join(result.problems)}")


if __name__ == "__main__":
    sys.exit(main())
