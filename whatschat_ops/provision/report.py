"""The plan as people and scripts see it: JSON-ready, with secrets and unknown values replaced by words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from whatschat_ops.provision.steps import Action, FieldChange, Plan, Step
from whatschat_ops.provision.values import Unknown, is_known

SENSITIVE = "(sensitive)"
KNOWN_AFTER_APPLY = "(known after apply)"


@dataclass(frozen=True, slots=True)
class ChangeReport:
    """One field: `old` -> `new`. A secret reads "(sensitive)"; what is not known yet "(known after apply)"."""

    field: str
    old: Any
    new: Any
    sensitive: bool
    known_after_apply: bool
    replaces: str | None


@dataclass(frozen=True, slots=True)
class StepReport:
    """One resource: what will be done (`create`, `update`, `replace`, `delete`, `no-op`, `blocked`) and why."""

    address: str
    action: str
    id: str | None
    changes: tuple[ChangeReport, ...]
    reason: str | None
    note: str | None


@dataclass(frozen=True, slots=True)
class PlanReport:
    """A whole plan of the stack `stack`, with the number of steps by action."""

    stack: str
    changes: bool
    summary: Mapping[str, int]
    steps: tuple[StepReport, ...]


def report(plan: Plan, stack: str) -> PlanReport:
    """The report of a plan."""
    return PlanReport(
        stack=stack,
        changes=bool(plan.changing),
        summary={action.value: plan.count(action) for action in Action},
        steps=tuple(step_report(step) for step in plan),
    )


def step_report(step: Step) -> StepReport:
    """The report of a step."""
    return StepReport(
        address=step.address,
        action=step.action.value,
        id=step.live.id if step.live else None,
        changes=tuple(_change(change) for change in step.changes),
        reason=step.reason,
        note=step.note,
    )


def _change(change: FieldChange) -> ChangeReport:
    return ChangeReport(
        field=change.field,
        old=_shown(change.old, change.sensitive),
        new=_shown(change.new, change.sensitive),
        sensitive=change.sensitive,
        known_after_apply=not is_known(change.new),
        replaces=change.replaces,
    )


def _shown(value: Any, sensitive: bool) -> Any:
    if value is None:
        return None
    return SENSITIVE if sensitive else _known(value)


def _known(value: Any) -> Any:
    if isinstance(value, Unknown):
        return KNOWN_AFTER_APPLY
    if isinstance(value, Mapping):
        return {key: _known(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_known(item) for item in value]
    return value
