"""Runs fuzzed command lines: in this process through the entry point of the console script, or as processes."""

from __future__ import annotations

import contextlib
import io
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.fuzz import guard, sandbox
from tests.fuzz.endpoints import Server, serving
from tests.fuzz.files import KINDS, file_line
from tests.fuzz.judge import Ended, Finding, judge
from tests.fuzz.lines import Line, line

HANG_S: Final = 60.0
REPOSITORY: Final = Path(__file__).resolve().parents[2]
BOOT: Final = """
import sys
from pathlib import Path
from tests.fuzz import guard
guard.limit_memory(4_000_000_000)
guard.install(Path(sys.argv.pop(1)))
sys.argv[0] = "whatschat-ops"
from whatschat_ops.cli.main import run
run()
"""
ENDPOINTS: Final = ("real", "denying", "rubbish")


MEMORY_BYTES: Final = 4_000_000_000
"""Of a process that runs cases: one that reads without end fails, and takes nothing from others."""


class Hang(BaseException):
    """The watchdog's: not an Exception, so that no handler of the program takes it."""


@dataclass(frozen=True)
class Case:
    """One run, by which it can be had again: `python -m tests.fuzz --only line:12:denying`."""

    kind: str
    number: int
    endpoint: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.number}:{self.endpoint}"


@dataclass(frozen=True)
class Result:
    """What a run came to."""

    case: Case
    arguments: tuple[str, ...]
    code: int | None
    seconds: float
    finding: Finding | None
    said: str = field(repr=False, default="")


class Fuzzer:
    """`root` is the only directory that anything is written to. `real`: variables that lead to an embedded AWS with a stack, if any."""

    def __init__(
        self,
        root: Path,
        seed: int,
        real: Mapping[str, str],
        real_state: Path,
        *,
        slow: bool = True,
        hang_s: float = HANG_S,
    ) -> None:
        """`slow`: whether commands that take seconds are run too. A run of more than `hang_s` seconds hangs."""
        self._slow = slow
        self._hang_s = hang_s
        self.root = root.resolve()
        self.seed = seed
        self.run_directory = self.root / "run"
        self._real = real
        self._real_state = real_state
        self._valid: dict[str, dict[str, bytes]] = {}
        self._servers: dict[str, Server] = {}

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """While the endpoints are there."""
        with serving(rubbish=False) as denying, serving(rubbish=True) as rubbish, self._process_state():
            self._servers = {"denying": denying, "rubbish": rubbish}
            self._valid = self._valid_files()
            yield

    def run(self, case: Case) -> Result:
        """Make the command line of a case, and run it."""
        random_ = random.Random(f"{self.seed}:{case.kind}:{case.number}")
        made = self._line(case, random_)
        began_s = time.perf_counter()
        ended = self.run_line(case, made)
        return Result(
            case,
            made.arguments,
            ended.code,
            time.perf_counter() - began_s,
            judge(made.arguments, ended, made.expected),
            f"{ended.stdout[-1500:]}{ended.stderr[-1500:]}{ended.escaped[-3000:]}",
        )

    def _line(self, case: Case, random_: random.Random) -> Line:
        if case.kind in ("line", "process"):
            return line(random_, slow=self._slow)
        return file_line(random_, case.kind, self._valid)

    def run_line(self, case: Case, made: Line) -> Ended:
        """Run a command line in a new directory."""
        if server := self._servers.get(case.endpoint):
            server.begin(f"{self.seed}:{case}")
        state = self._place(case, made)
        variables = sandbox.variables(
            self.run_directory, self._environment(case), state=state, more=self._more(case, made)
        )
        if case.kind == "process":
            return self._as_process(made, variables)
        return self._in_process(made, variables)

    def _environment(self, case: Case) -> str:
        return "local" if case.endpoint == "real" else case.endpoint

    def _more(self, case: Case, made: Line) -> Mapping[str, str]:
        if case.endpoint == "real":
            return self._real
        if any(name.startswith("aws-") for name in made.files):
            return {}
        return {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "x" * 40}

    def _place(self, case: Case, made: Line) -> Path:
        """Make the directory of the run. Returns the state directory."""
        files = {name: content for name, content in made.files.items() if not name.startswith("state/")}
        for name, server in self._servers.items():
            files |= sandbox.account_settings(name, f"http://127.0.0.1:{server.server_address[1]}")
        sandbox.make_sandbox(self.run_directory, files)
        own = {name: content for name, content in made.files.items() if name.startswith("state/")}
        if not own:
            return self._real_state if case.endpoint == "real" else self.root / f"state-{case.endpoint}"
        for name, content in own.items():
            (self.run_directory / name).parent.mkdir(parents=True, exist_ok=True)
            (self.run_directory / name).write_bytes(content)
        return self.run_directory / "state"

    def _valid_files(self) -> dict[str, dict[str, bytes]]:
        """A saved plan, the journal of a broadcast and a card of rates, as the program makes them."""
        from whatschat_ops.pricing import rates as _rates

        package = Path(_rates.__file__ or "").parent
        cards = sorted(path for path in package.rglob("*") if path.suffix in (".yaml", ".yml", ".json"))
        plan, journal = b"{}", {"state/broadcasts/20261128T000000Z-abc/journal.json": b"{}"}
        if self._real:
            case = Case("line", 0, "real")
            self.run_line(case, Line(("ws", "broadcast", "--type", "x", "y", "--user", "alice", "--yes")))
            runs = self._real_state / "broadcasts"
            found = {
                f"state/broadcasts/{path.relative_to(runs)}": path.read_bytes()
                for path in sorted(runs.rglob("*"))
                if path.is_file()
            }
            self.run_line(case, Line(("plan", "--out", "p.json")))
            plan, journal = (self.run_directory / "p.json").read_bytes(), found or journal
        return {"plan": {"p.json": plan}, "journal": journal, "rates": {"r.yaml": cards[0].read_bytes()}}

    @contextlib.contextmanager
    def _process_state(self) -> Iterator[None]:
        """Leave the variables, the directory, the signals and the clock of this process as they were."""
        before, here = dict(os.environ), Path.cwd()
        handlers = {
            number: signal.getsignal(number)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGHUP)
        }
        self.run_directory.mkdir(parents=True, exist_ok=True)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)
            os.chdir(here)
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _in_process(self, made: Line, variables: Mapping[str, str]) -> Ended:
        from whatschat_ops.cli.main import main

        os.environ.clear()
        os.environ.update(variables)
        os.chdir(self.run_directory)
        with _streams(made.stdin) as (stdout, stderr), _short_sleeps():
            code: int | None = None
            escaped, hung = "", False
            try:
                with _watchdog(self._hang_s), guard.guarded(self.root):
                    code = main(list(made.arguments))
            except Hang:
                hung = True
            except BaseException:  # noqa: BLE001 - what a traceback would be
                escaped = traceback.format_exc()
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
            return Ended(code if code is None else int(code), _text(stdout), _text(stderr), escaped, hung)

    def _as_process(self, made: Line, variables: Mapping[str, str]) -> Ended:
        arguments = [_argument(word) for word in made.arguments]
        environment = {
            **variables,
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUTF8": "1",
        }
        process = subprocess.Popen(
            [sys.executable, "-c", BOOT, str(self.root), *arguments],
            env=environment,
            cwd=self.run_directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            stdout, stderr = process.communicate(made.stdin, timeout=self._hang_s * 2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return Ended(None, "", "", hung=True)
        return Ended(process.returncode, stdout.decode("utf-8", "replace"), stderr.decode("utf-8", "replace"))


def _argument(word: str) -> bytes:
    """A word as a process can be given it: without NUL, of at most 100,000 bytes."""
    return word.replace("\0", "").encode("utf-8", "surrogateescape")[:100_000]


@contextlib.contextmanager
def _streams(stdin: bytes) -> Iterator[tuple[Any, Any]]:
    """Standard streams that are files, as with redirections in a shell."""
    before = sys.stdin, sys.stdout, sys.stderr
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin)
        given.seek(0)
        sys.stdin = io.TextIOWrapper(given, encoding="utf-8", errors="surrogateescape")
        sys.stdout = io.TextIOWrapper(out, encoding="utf-8", write_through=True)
        sys.stderr = io.TextIOWrapper(err, encoding="utf-8", errors="backslashreplace", write_through=True)
        streams = sys.stdin, sys.stdout, sys.stderr
        try:
            yield out, err
        finally:
            sys.stdin, sys.stdout, sys.stderr = before
            for stream in streams:
                with contextlib.suppress(OSError, ValueError):
                    stream.detach()


def _text(stream: Any) -> str:
    stream.seek(0)
    return str(stream.read().decode("utf-8", "replace"))


@contextlib.contextmanager
def _watchdog(after_s: float) -> Iterator[None]:
    """Raise Hang in a run that does not end."""

    def bark(_number: int, _frame: Any) -> None:
        raise Hang

    signal.signal(signal.SIGALRM, bark)
    signal.setitimer(signal.ITIMER_REAL, after_s, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextlib.contextmanager
def _short_sleeps() -> Iterator[None]:
    """Waiting between two requests takes no time: the clock goes on by it instead."""
    sleep, monotonic = time.sleep, time.monotonic
    ahead_s = 0.0

    def skip(seconds: Any, /) -> None:
        nonlocal ahead_s
        ahead_s += max(0.0, seconds)
        sleep(0.0005)

    time.sleep, time.monotonic = skip, lambda: monotonic() + ahead_s
    try:
        yield
    finally:
        time.sleep, time.monotonic = sleep, monotonic


def cases(lines: int, files: int, processes: int, *, first: int = 0) -> list[Case]:
    """This many runs, over all endpoints and kinds of files."""
    kinds = sorted(KINDS)
    made = [Case("line", number, ENDPOINTS[number % 3]) for number in range(first, first + lines)]
    for number in range(first, first + files):
        kind = kinds[number % len(kinds)]
        real = kind in ("settings", "usage", "rates", "state", "plan", "dotenv", "event") or number % 3 == 0
        endpoint = "denying" if kind.startswith("aws") else "real" if real else ENDPOINTS[1 + number % 2]
        made.append(Case(kind, number, endpoint))
    made += [Case("process", number, ENDPOINTS[number % 3]) for number in range(first, first + processes)]
    return made


def findings(results: Sequence[Result]) -> dict[Finding, list[Result]]:
    """The distinct failures, each with its runs."""
    found: dict[Finding, list[Result]] = {}
    for result in results:
        if result.finding is not None:
            found.setdefault(result.finding, []).append(result)
    return found
