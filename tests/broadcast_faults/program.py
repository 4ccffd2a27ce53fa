"""`whatschat-ops ws broadcast` as a process that can be killed, and what it says about its run."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PACKAGE_ROOT = Path(__file__).resolve().parents[2]
POLL_S = 0.005
MESSAGE = '{"type":"notice","text":"Back in 5 minutes"}'


class Missed(Exception):
    """The program ended before it could be killed."""


@dataclass(frozen=True)
class Broadcast:
    """Starts parts of one broadcast. `state_directory` is its own; `options` are added to the first command, `common` to all."""

    environment: Mapping[str, str]
    state_directory: Path
    options: Sequence[str] = ()
    common: Sequence[str] = ()
    time_limit_s: float = 900.0
    known_id: str | None = None
    """The run, for a machine that has no journal of it."""

    @property
    def _stderr(self) -> Path:
        return self.state_directory / "stderr.txt"

    def run_id(self) -> str | None:
        """The run, once its journal exists."""
        if self.known_id is not None:
            return self.known_id
        found = sorted((self.state_directory / "broadcasts").glob("*.sqlite"))
        if len(found) > 1:
            raise AssertionError(f"one broadcast has {len(found)} journals")
        return found[0].stem if found else None

    def start(self) -> subprocess.Popen[bytes]:
        """A new run, or the next part of the one that there is."""
        run_id = self.run_id()
        arguments = [MESSAGE, *self.options] if run_id is None else ["--resume", run_id]
        with self._stderr.open("ab") as stderr:
            return subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "whatschat_ops",
                    "ws",
                    "broadcast",
                    "--json",
                    "--yes",
                    *self.common,
                    *arguments,
                ],
                env={**self.environment, "PYTHONPATH": str(PACKAGE_ROOT)},
                cwd=self.state_directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )

    def run_and_kill(self, reached: Callable[[], bool]) -> None:
        """Run it until `reached`, then kill -9. Raises Missed when it ended before."""
        process = self.start()
        deadline = time.monotonic() + self.time_limit_s
        try:
            while process.poll() is None and not reached() and time.monotonic() < deadline:
                time.sleep(POLL_S)
        finally:
            process.kill()
            process.communicate()
        if process.returncode != -signal.SIGKILL or not reached():
            raise Missed(f"the broadcast ended with {process.returncode} before its kill: {self.said()}")

    def run_to_end(self) -> tuple[int, dict[str, Any]]:
        """(exit code, the summary that it printed as JSON)."""
        return self.ended(self.start())

    def ended(self, process: subprocess.Popen[bytes]) -> tuple[int, dict[str, Any]]:
        """The same of a part that was started."""
        try:
            output, _ = process.communicate(timeout=self.time_limit_s)
        finally:
            process.kill()
        try:
            return process.returncode, json.loads(output)
        except ValueError:
            raise AssertionError(
                f"exit code {process.returncode}, no summary: {output!r} {self.said()}"
            ) from None

    def said(self) -> str:
        """The end of what it wrote to stderr."""
        return self._stderr.read_text(errors="replace")[-2000:]
