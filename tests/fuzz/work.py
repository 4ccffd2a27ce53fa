"""The cases of one process. A module of its own: a spawned process cannot import `__main__` of a package."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz import guard
from tests.fuzz.runner import MEMORY_BYTES, Case, Fuzzer, Result


def work(made: Sequence[Case], seed: int, root: Path, verbose: bool, until_s: float) -> list[Result]:
    """Run the cases of one worker, with an embedded AWS of its own."""
    from tests.ports import free_port
    from whatschat_ops.local import service

    if time.monotonic() > until_s:
        return []
    state = root / "state-real"
    state.mkdir(parents=True)
    os.environ["WHATSCHAT_OPS_STATE_DIR"] = str(state)
    found = service.ensure_running(port=free_port(), say=lambda _: None)
    real = {"WHATSCHAT_LOCAL_PORT": str(found.port), "WHATSCHAT_PREFIX": "fuzz-"}
    results = []
    try:
        guard.limit_memory(MEMORY_BYTES)
        fuzzer = Fuzzer(root, seed, real, state)
        with fuzzer.serving():
            provision(fuzzer)
            for done, case in enumerate(made):
                if time.monotonic() > until_s:
                    break
                if verbose:
                    sys.stderr.write(f"{case}\n")
                if done % 2000 == 1999:
                    provision(fuzzer)
                if done % 100 == 99:
                    gc.collect()
                result = fuzzer.run(case)
                results.append(result)
                if result.finding or result.seconds > 20:
                    sys.stderr.write(f"{case} {result.seconds:.0f} s {result.finding}\n")
    finally:
        os.environ["WHATSCHAT_OPS_STATE_DIR"] = str(state)
        service.stop()
    return results


def provision(fuzzer: Fuzzer) -> None:
    """Give the real endpoint a stack, which fuzzed commands may change and destroy."""
    from tests.fuzz.lines import Line

    fuzzer.run_line(Case("line", 0, "real"), Line(("provision", "--yes")))
