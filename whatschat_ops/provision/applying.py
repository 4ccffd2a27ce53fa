"""Do what a plan says: several steps at once, each after those it needs. Safe to kill anywhere.

Input: the very plan that was shown. Every finished step is in the world, so a next plan starts from there; nothing
is recorded here. What failed does not stop what does not depend on it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import StrEnum
from typing import Any

from msgspec import Struct

from whatschat_ops.errors import Conflict, Interrupted, OpsError, PartlyDone
from whatschat_ops.provision.comparing import changed, differs
from whatschat_ops.provision.kind import Kind, Live
from whatschat_ops.provision.schedule import Walk, walk
from whatschat_ops.provision.steps import CHANGING, Action, Plan, Step, lookup_in
from whatschat_ops.provision.values import resolve

DEFAULT_CONCURRENCY = 8
"""API Gateway's control plane allows 10 calls a second with a burst of 40 (facts in docs/provisioning.md)."""


class EventType(StrEnum):
    """What happened to a step."""

    STARTED = "started"
    FINISHED = "finished"
    FAILED = "failed"


class Event(Struct, frozen=True):
    """Something happened to a step that writes; `seconds` since it started."""

    type: EventType
    step: Step
    seconds: float = 0.0
    error: Exception | None = None


class Applied(Struct, frozen=True):
    """What `apply` did: the steps that wrote, in the order in which they ended, and every resource's outputs now."""

    done: tuple[str, ...]
    outputs: Mapping[str, Mapping[str, Any]]
    seconds: float


def apply(
    plan: Plan,
    kinds: Mapping[str, Kind],
    on_event: Callable[[Event], None],
    *,
    concurrency: int = DEFAULT_CONCURRENCY,
    stop: threading.Event | None = None,
) -> Applied:
    """Do every step of `plan`. `on_event` is called from several threads, one call at a time.

    Setting `stop` starts nothing new; then Interrupted is raised. After a failure PartlyDone is raised if anything
    was done, else the failure itself. Raises Conflict when the plan is impossible.
    """
    plan.require_possible()
    started = time.monotonic()
    worker = _Worker(plan, kinds, on_event)
    # Steps that a plan mentions but does not contain are done already: nothing to wait for.
    graph = {step.address: step.after & worker.steps.keys() for step in plan}
    outcome = walk(graph, worker.do, concurrency=concurrency, stop=stop)
    changing = {step.address for step in plan.changing}
    done = tuple(address for address in outcome.results if address in changing)
    _raise_failures(outcome, done, changing)
    return Applied(done, worker.outputs, time.monotonic() - started)


class _Worker:
    """Does one step at a time per thread, and remembers the outputs for the steps that refer to them."""

    def __init__(self, plan: Plan, kinds: Mapping[str, Kind], on_event: Callable[[Event], None]) -> None:
        self.steps = {step.address: step for step in plan}
        self.outputs: dict[str, Mapping[str, Any]] = dict(plan.known)
        self._owner = plan.owner
        self._kinds = kinds
        self._on_event = on_event
        self._lock = threading.Lock()

    def do(self, address: str) -> None:
        step = self.steps[address]
        if step.action not in CHANGING:  # its outputs are in the plan
            return
        started = time.monotonic()
        self._tell(Event(EventType.STARTED, step))
        try:
            self._do(step)
        except Exception as error:
            self._tell(Event(EventType.FAILED, step, time.monotonic() - started, error))
            raise
        self._tell(Event(EventType.FINISHED, step, time.monotonic() - started))

    def _tell(self, event: Event) -> None:
        with self._lock:
            self._on_event(event)

    def _do(self, step: Step) -> None:
        kind = self._kinds[step.resource.kind]
        if step.action is Action.DELETE:
            if step.live is not None and step.goes_with is None:
                kind.delete(step.live)
            return
        desired = resolve(dict(step.resource.fields), lambda ref: lookup_in(self.outputs, ref))
        live = step.live
        if step.action is Action.REPLACE and live is not None:
            kind.delete(live)
            live = None
        if step.action in (Action.CREATE, Action.REPLACE):
            live = self._create(kind, desired)
        elif step.action is Action.UPDATE and live is not None:
            fields = {change.field for change in step.changes}
            still = frozenset(name for name in fields if differs(kind, name, live, desired))
            live = kind.update(live, desired, still) if still else live
        self.outputs[step.address] = {**desired, **(live.outputs if live else {})}

    def _create(self, kind: Kind, desired: Mapping[str, Any]) -> Live:
        """Create it. If it exists by now and is ours, the answer to our own call was lost: go on from there."""
        try:
            return kind.create(desired)
        except Conflict:
            live = kind.read(desired)
            if live is None or (kind.tagged and live.owner != self._owner):
                raise
            changes = changed(kind, live, desired)
            return kind.update(live, desired, frozenset(c.field for c in changes)) if changes else live


def _raise_failures(outcome: Walk[None], done: Sequence[str], changing: Collection[str]) -> None:
    errors = outcome.errors
    for error in errors.values():
        if not isinstance(error, OpsError):  # a bug: show it as one
            raise error
    missing = [address for address in outcome.not_started if address in changing]
    counts = f"{len(done)} of {len(changing)} steps are done"
    if missing and not errors:
        raise Interrupted(f"Interrupted: {counts}.")
    if not errors:
        return
    first = next(iter(errors.values()))
    if not done:
        raise first
    failures = "\n".join(f"{address}: {error}" for address, error in errors.items())
    skipped = (
        f"; {len(outcome.skipped)} were skipped because they need what failed" if outcome.skipped else ""
    )
    raise PartlyDone(f"{counts}{skipped}.\n{failures}") from first
