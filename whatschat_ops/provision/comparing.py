"""Desired against live, field by field. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from whatschat_ops.provision.kind import Kind, Live
from whatschat_ops.provision.steps import FieldChange
from whatschat_ops.provision.values import is_known


def _compared(kind: Kind, desired: Mapping[str, Any]) -> list[str]:
    return [
        name
        for name, field in kind.fields.items()
        if name in desired and not field.input_only and name not in kind.identity
    ]


def added(kind: Kind, desired: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    """Every field of something that is created."""
    return tuple(
        FieldChange(name, None, desired[name], sensitive=field.sensitive)
        for name, field in kind.fields.items()
        if name in desired and not field.input_only and desired[name] is not None
    )


def removed(kind: Kind, live: Live) -> tuple[FieldChange, ...]:
    """Every field of something that is deleted."""
    return tuple(
        FieldChange(name, live.fields[name], None, sensitive=field.sensitive)
        for name, field in kind.fields.items()
        if live.fields.get(name) is not None
    )


def changed(kind: Kind, live: Live, desired: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    """The fields that are not as desired."""
    return tuple(
        FieldChange(
            name,
            live.fields.get(name),
            desired[name],
            sensitive=kind.fields[name].sensitive,
            replaces=kind.fields[name].replaces,
        )
        for name in _compared(kind, desired)
        if differs(kind, name, live, desired)
    )


def differs(kind: Kind, name: str, live: Live, desired: Mapping[str, Any]) -> bool:
    """Whether a field must change. What is not known yet counts as a change."""
    return not is_known(desired[name]) or not kind.fields[name].matches(live.fields.get(name), desired[name])
