"""Handlers of ministack's CloudFormation: mappings with `create`, `update` and `delete`, one for each resource type."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

Made = tuple[str, dict[str, Any]]
"""Physical id (what Ref gives) and attributes (what Fn::GetAtt gives)."""

Change = Callable[[Mapping[str, Any]], Mapping[str, Any]]
After = Callable[[Made, Mapping[str, Any]], Made]
Check = Callable[[Mapping[str, Any]], str | None]
"""Why the properties of a resource are refused, which fails it and with it the stack; or None."""


def wrap(
    handler: dict[str, Any],
    before: Change = lambda props: props,
    after: After = lambda made, _props: made,
    check: Check = lambda _props: None,
    check_new: Check = lambda _props: None,
) -> None:
    """Wrap the handler of a resource type: the checks and `before` see the properties first, `after` what was made."""
    create, update = handler["create"], handler["update"]

    def created(logical_id: str, props: Mapping[str, Any], stack_name: str) -> Made:
        _require(check(props) or check_new(props))
        props = before(props)
        return after(create(logical_id, props, stack_name), props)

    def updated(
        physical_id: str, old: Mapping[str, Any], new: Mapping[str, Any], *rest: Any, **more: Any
    ) -> Made:
        _require(check(new))
        new = before(new)
        return after(update(physical_id, before(old), new, *rest, **more), new)

    handler["create"], handler["update"] = created, updated


def _require(refused: str | None) -> None:
    if refused is not None:
        raise ValueError(refused)


def answer(response: tuple[int, Any, bytes]) -> dict[str, Any]:
    """The document of a service's response. A ValueError fails the resource, and with it the stack."""
    status, _, body = response
    document: dict[str, Any] = json.loads(body)
    if status >= 400:
        raise ValueError(document.get("message") or document.get("Message") or str(document))
    return document
