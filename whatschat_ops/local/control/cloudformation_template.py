"""Booleans in a template where CloudFormation has texts: `AllowedValues: [true, false]`, `!Equals [true, !Ref Choice]`.

A parameter's value is a text, and CloudFormation compares it with `true` and `false`; ministack 1.5.33 with `True` and `False`.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Final

from whatschat_ops.local.control.modules import require_names
from whatschat_ops.local.control.wire import Handler

REPLACES: Final = ("changesets._parse_template", "handlers._parse_template")


def completed(handler: Handler) -> Handler:
    """ministack's CloudFormation; its modules are imported and corrected at the first request."""
    installed = False

    async def handle(*request: Any) -> Any:
        nonlocal installed
        if not installed:
            from ministack.services.cloudformation import changesets, handlers

            require_names(SimpleNamespace(changesets=changesets, handlers=handlers), REPLACES)
            for module in (changesets, handlers):
                module._parse_template = _with_texts_where_compared(module._parse_template)
            installed = True
        return await handler(*request)

    return handle


def _with_texts_where_compared(parse: Any) -> Any:
    def parse_template(body: str) -> dict[str, Any]:
        template: dict[str, Any] = parse(body)
        compared = {name: template[name] for name in ("Parameters", "Conditions") if name in template}
        return {**template, **with_texts(compared)}

    return parse_template


def with_texts(value: Any) -> Any:
    """The value with `true` and `false` for booleans, at any depth.

    >>> with_texts({"AllowedValues": [True, False, 1]})
    {'AllowedValues': ['true', 'false', 1]}
    """
    if isinstance(value, dict):
        return {key: with_texts(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [with_texts(inner) for inner in value]
    return str(value).lower() if isinstance(value, bool) else value
