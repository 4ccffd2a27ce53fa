"""Runs command lines of our program, each in a forked process of its own: a start costs milliseconds and not a second.

A server process imports everything once and forks for every command, so that what a kill ends is exactly one run of the
program. It shares one botocore loader (parsed service models) and divides botocore's pauses between attempts; how often
and after what botocore repeats a call stays as it is.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

BACKOFF_DIVISOR = float(os.environ.get("TEST_BACKOFF_DIVISOR", "50"))
PACKAGE_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: `code` is negative for a signal. `output` is what it printed, both streams."""

    code: int
    output: str

    @property
    def killed(self) -> bool:
        """Whether a signal ended it."""
        return self.code < 0


class Program:
    """`whatschat-ops`, ready to be run many times."""

    def __init__(self, environment: Mapping[str, str], directory: Path) -> None:
        self._output = directory / "output.txt"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.program", str(self._output)],
            env={**environment, "PYTHONPATH": str(PACKAGE_ROOT)},
            cwd=directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def until_ready(self) -> None:
        """Wait until it has started: its own calls come before those of the first run."""
        assert self._process.stdout is not None
        _receive(self._process.stdout)

    def run(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        started: Callable[[int], None] = lambda _pid: None,
    ) -> Ended:
        """Run one command line to its end. `started` is told its process id before it does anything."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        _send(stdin, {"arguments": list(arguments), "environment": dict(environment)})
        started(int(_receive(stdout)["pid"]))
        _send(stdin, {"go": True})
        code = int(_receive(stdout)["code"])
        return Ended(code, self._output.read_text(errors="replace"))

    def close(self) -> None:
        """End the server process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)
        self._process.stdout.close()


def _send(stream: IO[str], message: Mapping[str, Any]) -> None:
    stream.write(json.dumps(message) + "\n")
    stream.flush()


def _receive(stream: IO[str]) -> dict[str, Any]:
    line = stream.readline()
    if not line:
        raise EOFError("the server process of the program has ended")
    answer: dict[str, Any] = json.loads(line)
    return answer


def _warm_up() -> None:
    """Make one plan, so that everything is imported and every service model parsed before the first fork."""
    import botocore.retries.standard as retries
    import botocore.session

    from whatschat_ops.aws import loading
    from whatschat_ops.cli import command_line
    from whatschat_ops.cli.program import build_program

    loader = loading.direct_loader(botocore.session.get_session())
    loading.direct_loader = lambda session: loader
    pause = retries.ExponentialBackoff.delay_amount

    def shorter(self: Any, context: Any) -> float:
        return float(pause(self, context)) / BACKOFF_DIVISOR

    retries.ExponentialBackoff.delay_amount = shorter
    program = build_program()
    assert all(program.commands.values())  # built
    command_line.build_program = lambda: program  # type: ignore[attr-defined]
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
        command_line.run_command_line(["plan", "--json"])
    gc.collect()
    gc.freeze()


def _child(order: Mapping[str, Any], output: str, go: int) -> None:
    """One run of the program, in a process of its own."""
    os.read(go, 1)
    target = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(target, 1)
    os.dup2(target, 2)
    os.environ.update(order["environment"])
    from whatschat_ops.cli.main import main

    code = 70
    try:
        code = main(order["arguments"])
        sys.stdout.flush()
        sys.stderr.flush()
    finally:  # nothing of the server's own loop may run in here
        os._exit(code)


def serve(output: str) -> None:
    """Read orders from stdin until it ends; fork for each."""
    _warm_up()
    _send(sys.stdout, {"ready": True})
    for line in sys.stdin:
        gate, opener = os.pipe()
        pid = os.fork()
        if pid == 0:
            _child(json.loads(line), output, gate)
        _send(sys.stdout, {"pid": pid})
        sys.stdin.readline()
        os.write(opener, b"x")
        os.close(opener)
        os.close(gate)
        _, status = os.waitpid(pid, 0)
        _send(sys.stdout, {"code": os.waitstatus_to_exitcode(status)})


if __name__ == "__main__":
    serve(sys.argv[1])
