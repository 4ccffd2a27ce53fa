"""A plan, a status and their results as text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from whatschat_ops.provision import PlanReport, StepReport
    from whatschat_ops.provision.report import ChangeReport
    from whatschat_ops.stack.status import StackStatus

MARKS: Final[Mapping[str, tuple[str, str]]] = {
    "create": ("  +", "green"),
    "update": ("  ~", "yellow"),
    "replace": ("-/+", "red"),
    "delete": ("  -", "red"),
    "no-op": ("   ", "dim"),
    "blocked": ("  !", "red"),
}
UP_TO_DATE = "No changes. Infrastructure is up to date."
LONGEST_VALUE = 100


def render_plan(plan: PlanReport, *, everything: bool = False) -> Text:
    """One line for each resource that changes, its changed fields below, a summary at the end.

    `everything` shows the fields of what is created or deleted as well.
    """
    from rich.text import Text

    text = Text()
    for step in plan.steps:
        for line, style in _step_lines(step, everything):
            text.append(f"{line}\n", style)
    text.append(summary(plan))
    return text


def summary(plan: PlanReport) -> str:
    """`Plan: 27 to create, 1 to update.`, or that there is nothing to do."""
    counts = [
        f"{plan.summary[action]} to {action}"
        for action in ("create", "update", "replace", "delete")
        if plan.summary[action]
    ]
    blocked = plan.summary["blocked"]
    counts += [f"{blocked} impossible"] if blocked else []
    return f"Plan: {', '.join(counts)}." if counts else UP_TO_DATE


def render_status(status: StackStatus) -> RenderableType:
    """A line for each resource: its state and its identity in AWS."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    styles = {
        "in sync": "green",
        "drifted": "yellow",
        "missing": "red",
        "not wanted": "yellow",
        "not ours": "red",
    }
    table = Table("Resource", "State", "Identity", box=None, header_style="bold", pad_edge=False)
    for resource in status.resources:
        table.add_row(
            resource.address,
            Text(resource.state, styles[resource.state]),
            Text(resource.id or "", overflow="fold"),
        )
        for change in resource.drift:
            table.add_row("", Text("~", "yellow"), Text(_change_line(change), overflow="fold"))
    in_sync = sum(resource.state == "in sync" for resource in status.resources)
    count = f"{in_sync} of {len(status.resources)} resources of {status.stack} are in sync."
    return Group(table, Text(count))


def _step_lines(step: StepReport, everything: bool) -> Iterator[tuple[str, str]]:
    if step.action == "no-op":
        if step.note is not None and step.id is not None:
            yield f"    {step.address}  {step.id}  ({step.note})", "dim"
        return
    mark, style = MARKS[step.action]
    identity = f"  {step.id}" if step.id else ""
    note = f"  ({step.note})" if step.note else ""
    yield f"{mark} {step.address}{identity}{note}", style
    if step.reason:
        yield f"      because {step.reason}", style
    if everything or step.action in ("update", "replace", "blocked"):
        for change in step.changes:
            yield f"      {_change_line(change)}", ""


def _change_line(change: ChangeReport) -> str:
    if change.old is None:
        return f"{change.field}: {_value(change.new)}"
    if change.new is None and not change.known_after_apply:
        return f"{change.field}: {_value(change.old)} -> (none)"
    old, new = _differing(change.old, change.new)
    return f"{change.field}: {_value(old)} -> {_value(new)}"


def _differing(old: Any, new: Any) -> tuple[Any, Any]:
    """Of two dictionaries, only the keys whose values differ."""
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        return old, new
    keys = [key for key in new if old.get(key) != new[key]]
    keys += [key for key in old if key not in new]
    return {k: old[k] for k in keys if k in old}, {k: new[k] for k in keys if k in new}


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
