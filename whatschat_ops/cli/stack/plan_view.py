"""A plan, a status and their results as text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from whatschat_ops.cli.terminal.lines import Lines, Styled
from whatschat_ops.cli.terminal.tables import Blocks, Column, Table
from whatschat_ops.cli.terminal.times import local_time

if TYPE_CHECKING:
    from whatschat_ops.provision import PlanReport, StepReport
    from whatschat_ops.provision.report import ChangeReport
    from whatschat_ops.stack.status import ResourceStatus, StackStatus, StatusChange

MARKS: Final[Mapping[str, tuple[str, str]]] = {
    "create": ("  +", "green"),
    "update": ("  ~", "yellow"),
    "replace": ("-/+", "red"),
    "delete": ("  -", "red"),
    "no-op": ("   ", "dim"),
    "blocked": ("  !", "red"),
}
UP_TO_DATE = "No changes. Infrastructure is up to date."
LONGEST_VALUE = 200


def render_plan(plan: PlanReport, *, everything: bool = False) -> Lines:
    """One line for each resource that changes, its changed fields below, a summary at the end.

    `everything` shows the fields of what is created or deleted as well.
    """
    lines = [Styled(line, style) for step in plan.steps for line, style in _step_lines(step, everything)]
    return Lines([*lines, Styled(summary(plan)), *map(Styled, _cost_lines(plan))])


def summary(plan: PlanReport) -> str:
    """`Plan: 27 to create, 1 to update.`, or that there is nothing to do."""
    counts = [
        f"{plan.summary[action]} to {action}"
        for action in ("create", "update", "replace", "delete")
        if plan.summary[action]
    ]
    blocked = plan.summary["blocked"]
    counts += [f"{blocked} blocked"] if blocked else []
    nothing = " While a step is blocked, provision changes nothing." if blocked else ""
    return f"Plan: {', '.join(counts)}.{nothing}" if counts else UP_TO_DATE


def _cost_lines(plan: PlanReport) -> Iterator[str]:
    """What `monitoring` costs: a line for each thing that is billed."""
    if plan.monthly_costs:
        yield "Every month, before the account's free units:"
    for cost in plan.monthly_costs:
        amount = f"${cost.usd}" if cost.usd is not None else "?"
        each = f" {cost.each}" if cost.each else ""
        depends = "depends on the rows: " if cost.each else ""
        quantity = f"{Decimal(cost.quantity):,}"
        yield f"  {amount:>8}  {depends}{quantity} {cost.what}{each} ({cost.setting}; {cost.source})"


def render_status(status: StackStatus, *, lines: int | None = None) -> Blocks:
    """A line for each resource: its state and its name in AWS. Only those that are not in sync, if not all fit into `lines`."""
    shown = status.resources
    if lines is not None and sum(1 + len(one.drift) + bool(one.reason) for one in shown) + 3 > lines:
        shown = tuple(one for one in shown if one.state != "in sync")
    columns = (Column("Resource"), Column("State"), Column("Name in AWS", optional=True))
    in_sync = sum(resource.state == "in sync" for resource in status.resources)
    count = f"{in_sync} of {len(status.resources)} resources of {status.stack} are in sync."
    return Blocks([Table(columns, [row for one in shown for row in _status_rows(one)]), count])


def _status_rows(resource: ResourceStatus) -> Iterator[Sequence[str | Styled] | Styled]:
    yield resource.address, Styled(resource.state, _STATE_STYLES[resource.state]), _name(resource.id or "")
    if resource.reason:
        yield Styled(f"  {resource.reason}", "dim")
    for line in (line for change in resource.drift for line in _change_lines(change)):
        yield Styled(f"  ~ {line}", "yellow")


def _name(identity: str) -> str:
    """What AWS's console calls it: `websocket-connect:live` of an ARN, which would leave no room for a table."""
    if not identity.startswith("arn:"):
        return identity.rpartition("/")[2]
    _, _, service, _, _, resource = identity.split(":", 5)
    if service == "iam":
        return resource.rpartition("/")[2]
    return re.sub(r"^(?:table/|function:|log-group:|parameter(?=/)|alarm:)", "", resource)


_STATE_STYLES: Final[Mapping[str, str]] = {
    "in sync": "green",
    "drifted": "yellow",
    "missing": "red",
    "not wanted": "yellow",
    "not ours": "red",
}


def render_status_change(change: StatusChange) -> str:
    """`2026-11-29 12:00:01 UTC table.connections: in sync -> drifted (ttl_attribute: ttl -> expires)`."""
    states = [state for state in (change.old_state, change.state or "gone") if state]
    drift = "; ".join(line for field in change.drift for line in _change_lines(field))
    return f"{local_time(change.at)} {change.address}: {' -> '.join(states)}{f' ({drift})' if drift else ''}"


def _step_lines(step: StepReport, everything: bool) -> Iterator[tuple[str, str]]:
    if step.action == "no-op":
        note = f"kept: {step.kept}" if step.kept else step.note
        if note is not None and step.id is not None:
            yield f"    {step.address}  {step.id}  ({note})", "dim"
        return
    mark, style = MARKS[step.action]
    identity = f"  {step.id}" if step.id else ""
    note = f"  ({step.note})" if step.note else ""
    yield f"{mark} {step.address}{identity}{note}", style
    if step.reason:
        yield f"      because {step.reason}", style
    if step.hint:
        yield f"      Try: {step.hint}", style
    for warning in step.warnings:
        yield f"      Warning: {warning}", "yellow"
    if everything or step.action in ("update", "replace", "blocked"):
        for change in step.changes:
            for line in _change_lines(change):
                yield f"      {line}", ""


def _change_lines(change: ChangeReport) -> Iterator[str]:
    """A line for the field, or one for each part of it that differs."""
    forced = "  (forces replacement)" if change.replaces else ""
    for name, old, new in _differences(change.field, change.old, change.new):
        if old is None:
            yield f"{name}: {_value(new)}{forced}"
        elif new is None:
            yield f"{name}: {_value(old)} -> (none){forced}"
        else:
            yield f"{name}: {_value(old)} -> {_value(new)}{forced}"


def _differences(name: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """The parts in which two values differ: keys of dictionaries, places in lists of the same length."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*new, *(key for key in old if key not in new)]:
            if old.get(key) != new.get(key):
                yield from _differences(f"{name}.{key}", old.get(key), new.get(key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for place, (one, other) in enumerate(zip(old, new, strict=True)):
            if one != other:
                yield from _differences(f"{name}[{place}]", one, other)
    else:
        yield name, old, new


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
