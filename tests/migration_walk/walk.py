"""The walk: 0 -> 4 by the command line, with one gate failed, one inconclusive and one rollback.

The clock of the embedded AWS is moved so that each part of the walk lies in minutes of its own, as it would in an afternoon.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.in_process import Done
from tests.migration_walk.clients import NEW, OLD, Crowd
from whatschat_ops.config import Names
from whatschat_ops.errors import OpsError
from whatschat_ops.migration.cohort import Service, in_cohort

T = TypeVar("T")


class Loop:
    """An event loop in a thread of its own: sockets live there while commands run here."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def __call__(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What it returns."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def close(self) -> None:
        """Stop it, with what other people's libraries left in it."""

        async def end() -> None:
            left = asyncio.all_tasks() - {asyncio.current_task()}
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

        self(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@dataclass(frozen=True)
class Part:
    """One step of the walk as it is shown: what was asked, what the gate said, and what the sockets did."""

    name: str
    verdict: str
    state: str
    old: int
    new: int
    reason: str = ""


@dataclass
class Evidence:
    """What was found. `wrong_paths`: users whose new socket took another path than the cohort function says."""

    users: int
    parts: list[Part] = field(default_factory=list)
    cuts: list[str] = field(default_factory=list)
    wrong_paths: list[str] = field(default_factory=list)
    moved_by_a_step: list[str] = field(default_factory=list)
    calls_cut: int = 0
    calls_relayed: int = 0
    refused_by_the_old_path: bool = False
    rows: int = -1
    left_on_the_old_path: int = -1
    surprises: list[str] = field(default_factory=list)


@dataclass
class World:
    """Where the walk takes place. `cli` runs a command line; `advance` moves the clock."""

    cli: Callable[..., Done]
    crowd: Crowd
    loop: Loop
    names: Names
    client: Callable[[str], Any]
    advance: Callable[[float], None]
    say: Callable[[str], None] = print


@dataclass
class Walk:
    """One walk. `minimum` is the gate's minimum of samples."""

    world: World
    minimum: int
    evidence: Evidence
    share: int = 0
    calls_share: int = 0
    running: tuple[str, str] = ("", "")

    @property
    def users(self) -> Sequence[str]:
        """Those who come and go: all but the two whose call is running."""
        return [user for user in self.world.crowd.clients if user not in self.running]

    def run(self) -> Evidence:
        """All of it."""
        self._begin()
        self._calls()
        self._sockets()
        self._drain()
        self._end()
        return self.evidence

    # --- the parts ------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._reopen(self.users)
        self.running = self._callers()
        self._step("phase 1 for 10 %", "start", "--share", "10", expected="done")
        self.world.loop(self.world.crowd.tell("restart"))

    def _calls(self) -> None:
        self.calls_share = 10
        self._call()
        self._step("phase 1 for 100 %", "advance", "--share", "100", expected="pass")
        self.calls_share = 100
        self._call()
        self._step("phase 2 for 100 %", "advance", "--share", "100", expected="pass")
        self._call()
        self._step("phase 3 for 10 %", "advance", "--share", "10", expected="pass")

    def _sockets(self) -> None:
        self.share = 10
        self._step("too soon", "advance", "--share", "50", expected="inconclusive")
        self._reopen(self.users)
        self._talk()
        self._step("phase 3 for 50 %", "advance", "--share", "50", expected="pass")
        self.share = 50
        self._reopen(self.users)
        with self._throttled_function():
            self._talk()
            self._step("the function is throttled", "advance", "--share", "100", expected="fail")
        self._step("back", "rollback", expected="done")
        self.share = 10
        self._reopen(self.users)
        self._talk()
        self._step("phase 3 for 50 %, again", "advance", "--share", "50", expected="pass")
        self.share = 50
        self._reopen(self.users)
        self._talk()
        self._step("phase 3 for 100 %", "advance", "--share", "100", expected="pass")
        self.share = 100

    def _drain(self) -> None:
        stayed = [*self.running, *self.users[::5]]
        self._reopen([user for user in self.users if user not in set(stayed)])
        self._talk()
        self._step("phase 4 for 100 %", "advance", "--share", "100", expected="pass")
        self.evidence.refused_by_the_old_path = self.world.loop(self._is_refused())
        self._reopen(stayed)
        self.running = ("", "")
        self._step("drained", "advance", "--drained", expected="done")

    def _end(self) -> None:
        found, crowd = self.evidence, self.world.crowd
        found.cuts = self.world.loop(crowd.cuts())
        found.left_on_the_old_path = self._paths().count(OLD)
        table = self.world.client("dynamodb").scan(
            TableName=self.world.names.connections_table, Select="COUNT"
        )
        found.rows = table["Count"]

    # --- what users do --------------------------------------------------------------------------------------------

    def _reopen(self, users: Sequence[str]) -> None:
        """These users come back, and each must be where the cohort function says."""
        self.world.loop(self.world.crowd.reopen(users))
        paths = self.world.loop(self.world.crowd.paths())
        self.evidence.wrong_paths += [
            f"{user} at {self.share} %: {paths.get(user)}"
            for user in users
            if paths.get(user) != self._path(user)
        ]

    def _path(self, user: str) -> str:
        stack = self.world.names.stack
        return NEW if in_cohort(stack, Service.WEBSOCKET, user, share=self.share) else OLD

    def _talk(self) -> None:
        """Enough messages for the gate on each path, in a minute that belongs to them. Moving the clock shows all metrics."""
        self.world.advance(60)
        on_new = [user for user, path in self.world.loop(self.world.crowd.paths()).items() if path == NEW]
        times = -(-self.minimum // max(1, len(on_new)))
        self.world.loop(self.world.crowd.ask(on_new, times))
        others = [user for user in self.users if user not in set(on_new)]
        self.world.loop(self.world.crowd.ask(others[: self.minimum]))
        self.world.loop(self.world.crowd.tell("publish"))
        self.world.advance(60)

    def _call(self) -> None:
        """Enough calls for the gate, on each path that the shares give."""
        self.world.advance(60)
        stack = self.world.names.stack
        moved = [each for each in self.users if in_cohort(stack, Service.CHIME, each, share=self.calls_share)]
        others = [each for each in self.users if each not in set(moved)]
        number = self.minimum // 2 + 5  # a call is two requests
        many = (moved * -(-number // len(moved)))[:number]
        made = self.world.loop(self.world.crowd.call([*many, *others[:5]]))
        if made[NEW] != len(many):
            self.evidence.surprises.append(f"{made[NEW]} calls went to Chime, {len(many)} were meant to")
        self.world.loop(self.world.crowd.tell("publish"))
        self.world.advance(60)

    def _callers(self) -> tuple[str, str]:
        """Two users in a native call that goes on until both have left the old path."""
        stack = self.world.names.stack
        stays = [each for each in self.users if not in_cohort(stack, Service.WEBSOCKET, each, share=50)]
        return stays[0], stays[1]

    def _still_talking(self) -> None:
        """One candidate of the call that is running, while both of its sockets are on the old path."""
        if not all(self.running):
            return
        one, other = (self.world.crowd.clients[user] for user in self.running)
        self.evidence.calls_relayed += 1
        self.evidence.calls_cut += not self.world.loop(one.send_candidate(other))

    async def _is_refused(self) -> bool:
        """Whether the old path takes a new socket."""
        opens = next(iter(self.world.crowd.clients.values())).opens
        with suppress(OpsError):
            socket = await opens[OLD](self.users[0])
            await socket.close(1000)
            return False
        return True

    # --- steps ----------------------------------------------------------------------------------------------------

    def _step(self, name: str, *arguments: str, expected: str) -> None:
        """One command. No socket may change by it, and a call that is running must go on."""
        before = self.world.loop(self.world.crowd.paths())
        done = self.world.cli("migrate", *arguments, "--yes", "--reason", name, "--json")
        after = self.world.loop(self.world.crowd.paths())
        if before != after:
            self.evidence.moved_by_a_step.append(name)
        self.world.loop(self.world.crowd.tell("wait"))
        self._still_talking()
        verdict, reason = _verdict(done)
        if verdict != expected:
            self.evidence.surprises.append(f"{name}: {verdict}, not {expected}: {done.said[-2000:]}")
        state = json.loads(self.world.cli("migrate", "status", "--json").stdout)
        words = f"phase {state['phase']}: {state['shares'].get(str(state['phase']), 0)} %"
        words += ", held" if state["held"] else ""
        words += ", drained" if state["drained"] else ""
        paths = list(after.values())
        part = Part(name, verdict, words, paths.count(OLD), paths.count(NEW), reason)
        self.evidence.parts.append(part)
        self.world.say(
            f"{part.name}: {part.verdict}; {part.state}; {part.old} old, {part.new} new; {part.reason}"
        )

    def _throttled_function(self) -> Throttled:
        return Throttled(self.world.client("lambda"), self.world.names.function("default"))

    def _paths(self) -> list[str]:
        return list(self.world.loop(self.world.crowd.paths()).values())


@dataclass(frozen=True)
class Throttled:
    """The fault: no invocation of the function is allowed."""

    functions: Any
    name: str

    def __enter__(self) -> None:
        self.functions.put_function_concurrency(FunctionName=self.name, ReservedConcurrentExecutions=0)

    def __exit__(self, *_: object) -> None:
        self.functions.delete_function_concurrency(FunctionName=self.name)


def _verdict(done: Done) -> tuple[str, str]:
    """The gate's verdict and first reason in what a command printed; `done` without a gate."""
    try:
        found = json.loads(done.stdout)
    except ValueError:
        return "nothing", done.said
    gate = found.get("gate") or {}
    if not gate:
        return ("done" if done.code == 0 else "error"), str(found.get("error", {}).get("message", ""))
    return str(gate["verdict"]), "; ".join(gate["reasons"][:2])
