"""The plan as people and scripts see it: JSON-ready, with secrets and unknown values replaced by words.

The published JSON Schema is made from these classes; what `_says` says of a field becomes its description there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Struct

from whatschat_ops.provision.steps import Action, FieldChange, Plan, Step
from whatschat_ops.provision.values import Unknown, is_known
from whatschat_ops.redaction import is_secret_name, is_secret_value, redact

SENSITIVE = "(sensitive)"
CHANGED = "(sensitive, changed)"
KNOWN_AFTER_APPLY = "(known after apply)"


def _says(description: str) -> msgspec.Meta:
    return msgspec.Meta(description=description)


class ChangeReport(Struct, frozen=True, forbid_unknown_fields=True):
    """One field: `old` -> `new`. A secret reads "(sensitive)"; what is not known yet "(known after apply)"."""

    field: Annotated[str, _says("Name of the field, as its kind names it.")]
    old: Annotated[Any, _says("Its value in AWS; null when there is none.")]
    new: Annotated[Any, _says("Its value after apply; null when it goes.")]
    sensitive: Annotated[bool, _says("Whether the values are secret and therefore not shown.")]
    known_after_apply: Annotated[bool, _says("Whether `new`, or a part of it, is known only after apply.")]
    replaces: Annotated[
        str | None, _says("Why a change of this field cannot be made in place; null when it can.")
    ]


class StepReport(Struct, frozen=True, forbid_unknown_fields=True):
    """One resource: what will be done and why."""

    address: Annotated[str, _says("KIND.NAME, for example `table.connections`.")]
    action: Annotated[
        Action,
        _says(
            "What will be done; `blocked` means that nothing of the plan can be applied before `hint` is followed."
        ),
    ]
    id: Annotated[str | None, _says("ARN or id of what is there; null when nothing is.")]
    changes: Annotated[
        tuple[ChangeReport, ...],
        _says("The fields that change; of something that is created or deleted, all of them."),
    ]
    reason: Annotated[str | None, _says("Why it is replaced or blocked.")]
    hint: Annotated[
        str | None,
        _says("Of a blocked step: what to do, if possible the command to run; null for every other."),
    ]
    note: Annotated[str | None, _says("What a person should know about it.")]
    destructive: Annotated[
        bool, _says("Whether something that is there is deleted (also to be created again).")
    ]
    kept: Annotated[str | None, _says("Why something that is not wanted is not deleted.")] = None
    warnings: Annotated[
        tuple[str, ...], _says("Who else uses what is taken over, and what changes for them.")
    ] = ()
    state: Annotated[
        str | None,
        _says("What is going on with it now: an alarm that is in ALARM, an address that did not confirm."),
    ] = None


class CostReport(Struct, frozen=True, forbid_unknown_fields=True):
    """What a part of the stack costs every month, however little it is used."""

    what: Annotated[str, _says("What is billed, for example `alarms`.")]
    setting: Annotated[str, _says("The setting that it comes from.")]
    quantity: Annotated[str, _says("Units a month, a decimal number.")]
    usd: Annotated[
        str | None, _says("US dollars a month, before free units; null when the price is not known.")
    ]
    source: Annotated[str, _says("Where the price was read; without a price, that it was not found.")]
    each: Annotated[
        str | None,
        _says("What quantity and amount are of, when the whole is not known: `of each million rows`."),
    ] = None


class PlanReport(Struct, frozen=True, forbid_unknown_fields=True):
    """A whole plan, as `whatschat-ops plan --json` prints it."""

    stack: Annotated[str, _says("Value of the stack's tag, for example `whatschat-production`.")]
    changes: Annotated[bool, _says("Whether the stack is not as wanted: some step writes, or is blocked.")]
    summary: Annotated[
        Mapping[str, int],
        _says("The number of steps by action: create, update, replace, delete, no-op, blocked."),
    ]
    steps: Annotated[
        tuple[StepReport, ...],
        _says("Every resource, in an order in which the steps may be done one after the other."),
    ]
    monthly_costs: Annotated[
        tuple[CostReport, ...],
        _says("What `monitoring` costs every month, whether the plan changes it or not."),
    ] = ()


def report(plan: Plan, stack: str) -> PlanReport:
    """The report of a plan."""
    return PlanReport(
        stack=stack,
        changes=bool(plan.changing or plan.blocked),
        summary={action.value: plan.count(action) for action in Action},
        steps=tuple(step_report(step) for step in plan),
    )


def step_report(step: Step) -> StepReport:
    """The report of a step."""
    return StepReport(
        address=step.address,
        action=step.action,
        id=step.live.id if step.live else None,
        changes=tuple(_change(change) for change in step.changes),
        reason=step.reason,
        hint=str(step.hint) if step.hint else None,
        note=step.note,
        destructive=step.action in (Action.DELETE, Action.REPLACE),
        kept=step.kept,
        warnings=step.warnings,
        state=step.live.state if step.live else None,
    )


def _change(change: FieldChange) -> ChangeReport:
    old, new = _known(change.old), _known(change.new)
    return ChangeReport(
        field=change.field,
        old=_shown(old, change.sensitive),
        new=_shown(new, change.sensitive, old),
        sensitive=change.sensitive,
        known_after_apply=not is_known(change.new),
        replaces=change.replaces,
    )


def _shown(value: Any, sensitive: bool, old: Any = None) -> Any:
    if value is None:
        return None
    return SENSITIVE if sensitive else _without_secrets(value, old)


def _without_secrets(value: Any, old: Any) -> Any:
    """`value` without what is secret by its shape or by its key. One that is not as the `old` one says so."""
    if isinstance(value, Mapping):
        before = old if isinstance(old, Mapping) else {}
        return {key: _item(key, item, before.get(key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_secrets(item, None) for item in value]
    return redact(value) if isinstance(value, str) else value


def _item(key: Any, value: Any, old: Any) -> Any:
    if isinstance(value, str) and is_secret_name(str(key)) and is_secret_value(value):
        return SENSITIVE if old in (None, value) else CHANGED
    return _without_secrets(value, old)


def _known(value: Any) -> Any:
    if isinstance(value, Unknown):
        return KNOWN_AFTER_APPLY
    if isinstance(value, Mapping):
        return {key: _known(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_known(item) for item in value]
    return value
