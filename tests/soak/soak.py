"""What happens in a soak, round by round. Every wait has a limit; what does not come is a finding, not an exception."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.broadcast_faults.program import Broadcast
from tests.broadcast_faults.world import program_environment
from tests.faults.calls import Call
from tests.faults.proxy import Fault, Point, Recording
from tests.migration_walk.walk import Throttled
from tests.soak import broadcasts
from tests.soak.broadcasts import Account
from tests.soak.crowd import NOTICE
from tests.soak.usage import Usage, usage
from tests.soak.world import World, ended, holder, until
from whatschat_ops.errors import OpsError
from whatschat_ops.watch import record

LEAST_ROUNDS: Final = 3
RESTART_AFTER: Final = 1
HELD: Final = 5
LAST_PHASE: Final = 4
FAULTS: Final = (Fault.THROTTLE, Fault.ERROR_500, Fault.DROP_BEFORE, Fault.DROP_AFTER, Fault.ERROR_503)
MESSAGE: Final = json.dumps({"type": NOTICE, "text": "soak"})
Say = Callable[[str], object]


@dataclass
class Evidence:
    """All that was done and found. `surprises` are commands and waits that did not end as they must."""

    sockets: int
    done: Counter[str] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)
    samples: list[Usage] = field(default_factory=list)
    """Of the process that the restart started."""
    rows: list[tuple[int, int]] = field(default_factory=list)
    """At the end of each round: rows, open sockets."""
    doctor: str = ""
    doctor_is_green: bool = False
    beside: dict[str, int | None] = field(default_factory=dict)
    """Exit codes of what ran beside it; None: it had ended by itself."""
    snapshots: int = 0
    replays_whole: bool = False
    left_processes: int = 0
    seconds: float = 0.0


@dataclass
class Soak:
    """One soak of a world."""

    world: World
    found: Evidence
    say: Say = print

    def run(self, minutes: float) -> None:
        """Rounds until the time is over, at least a few, then the last looks."""
        started = time.monotonic()
        self._come(self.found.sockets)
        recording, watched = self.world.directory / "soak.jsonl", self.world.directory / "watched.txt"
        beside = {
            "doctor --every 30s": self.world.start("doctor", "--every", "30s", output=self.world.directory / "doctor.txt"),
            "watch --record": self.world.start("watch", "--plain", "--every", "5s", "--record", str(recording), output=watched),
        }  # fmt: skip
        try:
            number = 0
            while number < LEAST_ROUNDS or time.monotonic() - started < minutes * 60:
                self._round(number, [process.pid for process in beside.values()])
                number += 1
            self._expect("two snapshots", until(lambda: recording.exists() and _snapshots(recording) > 1))
        finally:
            self.found.beside = {name: ended(process) for name, process in beside.items()}
        self._doctor()
        self._replay(recording, watched)
        self.found.seconds = time.monotonic() - started

    def _round(self, number: int, beside: Sequence[int]) -> None:
        self._come_and_go()
        self._broadcast()
        self._killed_broadcast(FAULTS[number % len(FAULTS)])
        self._killed_holder()
        self._killed_workers()
        self._throttled_functions()
        self._call()
        self._migrate(number)
        if number + 1 == RESTART_AFTER:
            self._restart()
        is_equal, sockets = self.world.has_rows(), len(self.world.crowd.open)
        self._expect(f"a row for each socket after round {number + 1}", is_equal)
        self.found.rows.append((sockets if is_equal else self.world.rows(), sockets))
        if number + 1 > RESTART_AFTER:
            self.found.samples.append(usage(self.world.aws.pid, self.world.state, *beside))
            self.say(f"round {number + 1}: {self.found.samples[-1]}")
        self.found.done["rounds"] += 1

    # --- sockets ----------------------------------------------------------------------------------------------------

    def _come(self, number: int) -> None:
        self.world.loop(self.world.crowd.come(number))
        self.found.done["sockets opened"] += number

    def _come_and_go(self) -> None:
        number = max(1, self.found.sockets // 4)
        self.world.loop(self.world.crowd.leave(number))
        self.found.done["sockets closed"] += number
        self._come(number)

    def _talk(self, why: str) -> None:
        """Every open socket gets an answer, at the first ping or at a later one."""
        open_sockets = len(self.world.crowd.open)
        self._expect(f"answers {why}", until(lambda: self.world.loop(self.world.crowd.ask()) == open_sockets))
        self.found.done["sockets that talked"] += open_sockets

    def _killed_holder(self) -> None:
        """A process that holds sockets dies; its rows go."""
        process = holder(self.world, HELD)
        self._expect("rows of held sockets", self.world.has_rows(len(self.world.crowd.open) + HELD))
        process.kill()
        process.communicate()
        self._expect("no rows of a dead process", self.world.has_rows())
        self.found.done["kill -9 of a process with sockets"] += 1

    def _killed_workers(self) -> None:
        """All processes of functions die; the next messages get new ones."""
        for worker in self.world.workers():
            worker.kill()
            self.found.done["kill -9 of executor workers"] += 1
        self._talk("after the workers' death")

    def _throttled_functions(self) -> None:
        """No invocation is allowed: sockets stay, no new one opens, and no row is left of it."""
        functions, names = self.world.client("lambda"), self.world.names
        with Throttled(functions, names.function("default")):
            self._expect("no answer of a throttled function", self.world.loop(self.world.crowd.ask()) == 0)
        with Throttled(functions, names.function("connect")), suppress(OpsError):
            self.world.loop(self.world.crowd.come(1))
            self._expect("no socket through a throttled function", False)
        self._talk("after the throttling")
        self.found.done["faults: a function throttled"] += 2

    def _restart(self) -> None:
        """Of the embedded AWS: all sockets are closed by it, and come back."""
        number = len(self.world.crowd.open)
        self.world.restart()
        self._expect("sockets closed by the restart", self.world.loop(self.world.crowd.is_cut()))
        self._come(number)
        self._broadcast()  # deletes the rows that the restart left
        self.found.done["restarts of the embedded AWS"] += 1

    # --- commands ---------------------------------------------------------------------------------------------------

    def _command(self, *arguments: str) -> dict[str, Any]:
        """A command that must end with 0; what it printed."""
        done = self.world.cli(*arguments, "--json")
        self._expect(f"{' '.join(arguments)}: exit code {done.code}: {done.said[-800:]}", done.code == 0)
        self.found.done[f"`{' '.join(arguments[:2])}`"] += 1
        try:
            return dict(json.loads(done.stdout))
        except ValueError:
            return {}

    def _broadcast(self) -> None:
        summary = self._command("ws", "broadcast", MESSAGE, "--yes")
        if summary:
            self._account(self.world.directory / "program", summary, killed=False)

    def _killed_broadcast(self, fault: Fault) -> None:
        """Its first read meets a fault, sockets come and go, it is killed on its way, and resumed."""
        state = self.world.directory / f"killed-{len(self.found.accounts)}"
        state.mkdir()
        environment = program_environment(self.world.aws, self.world.directory)
        environment |= {
            "WHATSCHAT_OPS_STATE_DIR": str(state),
            "AWS_ENDPOINT_URL": self.world.proxy.endpoint_url,
        }
        rate = max(1, self.found.sockets // 3)
        broadcast = Broadcast(environment, state, ["--type", NOTICE, "--rate", str(rate)])
        with self._injected("dynamodb", "Scan", fault):
            process = broadcast.start()
            self.world.processes.add(process.pid)
            until(lambda: process.poll() is not None or self._reached(broadcast.run_id()) >= rate)
        self._come_and_go()
        process.kill()
        output, _ = process.communicate()
        was_killed = process.returncode == -signal.SIGKILL
        code, summary = broadcast.run_to_end() if was_killed else (process.returncode, json.loads(output))
        self._expect(f"a broadcast that was killed: exit code {code}: {summary}", code == 0)
        self._account(state, summary, killed=was_killed)
        self.found.done["broadcasts killed and resumed"] += was_killed

    def _reached(self, message_id: str | None) -> int:
        return sum(bool(message_id and member.received[message_id]) for member in self.world.crowd.open)

    def _account(self, state: Path, summary: dict[str, Any], *, killed: bool) -> None:
        members, message_id = self.world.crowd.members, summary["message_id"]
        outcomes = broadcasts.outcomes(state / "broadcasts", summary["run_id"])
        until(lambda: not broadcasts.missing(members, outcomes, message_id))
        found = broadcasts.account(members, outcomes, summary, killed=killed)
        self._expect(f"accounted for: {found}", found.is_accounted_for)
        self.found.accounts.append(found)

    def _call(self) -> None:
        report = self._command("call", "test", "--mode", "native", "--duration", "1", "--stage-timeout", "60")
        self._expect(f"a call: {report.get('failure')}", bool(report.get("ok")))

    def _migrate(self, number: int) -> None:
        """Start; then forward (killed before its parameter is written, and finished), back, forward. In the last phase: back."""
        phase = self._command("migrate", "status").get("phase")
        if number == 0:
            self._command("migrate", "start", "--share", "10", "--yes")
        elif number % 3 == 2 or phase == LAST_PHASE:
            self._command("migrate", "rollback", "--yes")
        elif number % 3 == 1:
            self._killed_step()
        else:
            self._command("migrate", "advance", "--force", "--yes")
        status = self._command("migrate", "status")
        self._expect(f"a migration without a problem: {status.get('problem')}", not status.get("problem"))

    def _killed_step(self) -> None:
        with self._injected("ssm", "PutParameter", Fault.KILL_BEFORE) as recording:
            process = self.world.start("migrate", "advance", "--force", "--yes", proxied=True)
            recording.pid = process.pid
            code = process.wait()
        self._expect(f"a killed step: {code}", code == -signal.SIGKILL)
        finished = self._command("migrate", "start", "--yes").get("finished")
        self._expect("the next command finishes it", finished is True)
        self.found.done["kill -9 of `migrate advance`"] += 1

    @contextmanager
    def _injected(self, service: str, operation: str, fault: Fault) -> Iterator[Recording]:
        """The first such call behind the proxy meets the fault."""
        self.world.proxy.recording = recording = Recording(Point(Call(service, operation), 1), fault)
        yield recording
        self._expect(f"{fault} at {operation}", recording.fired)
        self.found.done[f"faults: {fault} at {operation}"] += recording.fired
        self.world.proxy.recording = Recording()

    # --- the end ----------------------------------------------------------------------------------------------------

    def _doctor(self) -> None:
        done = self.world.cli("doctor", "--json")
        counts = Counter(check["status"] for check in json.loads(done.stdout))
        self.found.doctor = ", ".join(f"{counts[status]} {status}" for status in sorted(counts))
        self.found.doctor_is_green = done.code == 0
        bad = [check for check in json.loads(done.stdout) if check["status"] == "fail"]
        self._expect(f"a green doctor: {bad}", done.code == 0)

    def _replay(self, recording: Path, watched: Path) -> None:
        """The replay must print what the live command printed; it may have been ended before it printed its last snapshot."""
        self.found.snapshots = _snapshots(recording)
        done = self.world.cli("watch", "--plain", "--replay", str(recording))
        shown = watched.read_text(encoding="utf-8")
        self.found.replays_whole = done.code == 0 and bool(shown) and done.stdout.startswith(shown)

    def _expect(self, what: str, holds: bool) -> None:
        if not holds:
            self.found.surprises.append(what)
            self.say(f"NOT: {what}")


def _snapshots(recording: Path) -> int:
    with suppress(OpsError):
        return len(record.read(recording))
    return 0
