"""Runs tests of a copied tree in a fork of this process, which has imported pytest and the libraries: that takes most of the time."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

LONGEST_S = 400.0
"""A run that takes longer hangs because of the fault: that is found, too."""
POLL_S = 0.05
PASSED = 0
_LIBRARIES = (
    "pytest",
    "hypothesis",
    "boto3",
    "botocore.session",
    "moto",
    "msgspec",
    "typer",
    "rich.console",
    "websockets",
)
_OWN = ("whatschat_ops", "tests")


def preload() -> None:
    """Import what tests need beside the tree."""
    for library in _LIBRARIES:
        importlib.import_module(library)


def first_failure(tree: Path, tests: Sequence[str], *, longest_s: float | None = LONGEST_S) -> str:
    """The first failure of these tests of the tree, "" when they pass. From a process of one thread."""
    log = tree / "pytest.log"
    child = os.fork()
    if not child:
        _be_pytest(tree, tests, log)
    code = _exit_code(child, longest_s)
    if code is None:
        return "(it hangs)"
    if code == PASSED:
        return ""
    failed = [
        line for line in log.read_text(errors="replace").splitlines() if line.startswith(("FAILED", "ERROR"))
    ]
    if not failed:
        raise RuntimeError(
            f"{' '.join(tests)}: pytest ended with {code}:\n{log.read_text(errors='replace')[-2000:]}"
        )
    return failed[0][:150]


def _be_pytest(tree: Path, tests: Sequence[str], log: Path) -> NoReturn:
    code = 1
    try:
        os.setsid()
        for stream in (1, 2):
            os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND), stream)
        for name in [name for name in sys.modules if name.split(".")[0] in _OWN]:
            del sys.modules[name]
        os.chdir(tree)
        sys.path[0] = os.environ["PYTHONPATH"] = str(tree)
        options = [
            "-q",
            "-x",
            "-n",
            "0",
            "-p",
            "no:cacheprovider",
            "--timeout=90",
            "--reruns=0",
            "--no-header",
            "--tb=no",
            f"--basetemp={tree}-temporary",
            "-W",
            "ignore::pytest.PytestAssertRewriteWarning",
        ]
        code = int(sys.modules["pytest"].main([*options, *(f"tests/{test}" for test in tests)]))
    except BaseException:  # noqa: BLE001 - this process ends here, and says why
        traceback.print_exc()
    finally:
        os._exit(code)


def _exit_code(child: int, longest_s: float | None) -> int | None:
    """None when it took too long and was killed, with all that it started."""
    ends_at = None if longest_s is None else time.monotonic() + longest_s
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if ends_at is not None and time.monotonic() > ends_at:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        time.sleep(POLL_S)
