"""What is there of a stack: every resource with its live identity, and whether it is as the settings want it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from whatschat_ops.provision import Action, Plan, report
from whatschat_ops.provision.report import ChangeReport

_STATES: Final[Mapping[str, str]] = {
    Action.CREATE: "missing",
    Action.NO_OP: "in sync",
    Action.UPDATE: "drifted",
    Action.REPLACE: "drifted",
    Action.DELETE: "not wanted",
    Action.BLOCKED: "not ours",
}


@dataclass(frozen=True, slots=True)
class ResourceStatus:
    """One resource. `state`: `in sync`, `drifted`, `missing`, `not wanted` or `not ours`; `id`: its ARN or id."""

    address: str
    state: str
    id: str | None
    drift: tuple[ChangeReport, ...]
    reason: str | None


@dataclass(frozen=True, slots=True)
class StackStatus:
    """The stack. `drift` holds values as wanted (`new`) and as they are (`old`)."""

    stack: str
    provisioned: bool
    in_sync: bool
    resources: tuple[ResourceStatus, ...]


def status_of(plan: Plan, stack: str) -> StackStatus:
    """The status that a plan implies."""
    steps = report(plan, stack).steps
    resources = tuple(
        ResourceStatus(
            address=step.address,
            state=_STATES[Action(step.action)],
            id=step.id,
            drift=step.changes if step.action in (Action.UPDATE, Action.REPLACE) else (),
            reason=step.reason or step.note,
        )
        for step in steps
        if not (step.action == Action.NO_OP and step.id is None)  # unwanted and absent: as it should be
    )
    states = {resource.state for resource in resources}
    return StackStatus(stack, states != {"missing"}, states <= {"in sync"}, resources)
