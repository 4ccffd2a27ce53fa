"""Mapping templates of WebSocket APIs: the part of Apache Velocity that has no directives.

A template is text with references: `$context.connectionId`, `$stageVariables.name`, `$input.body` and
`$input.json('$.path')`, each also in braces. What a reference does not find is empty. Anything else of Velocity is
`unsupported`, and refused when the template is created. AWS: apigateway-websocket-api-mapping-template-reference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from whatschat_ops.local.gateway.selection import MISSING, evaluate, look_up

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_INNER = (
    rf"(?P<{{0}}context>context(?:\.{_NAME})+)"
    rf"|stageVariables(?:\.(?P<{{0}}variable>{_NAME})|\['(?P<{{0}}quoted>{_NAME})'\])"
    r"|(?P<{0}body>input\.body)(?![A-Za-z0-9_.(\[])"
    r"|input\.json\((?P<{0}quote>['\"])(?P<{0}path>\$[^'\"]*)(?P={0}quote)\)"
)
_REFERENCE = re.compile(
    rf"(?<!\\)\$(?:\{{(?:{_INNER.format('b')})\}}|(?:{_INNER.format('n')})(?!\w|[(\[]|\.\w))"
)
_VELOCITY = re.compile(r"\\?\$!?\{?[A-Za-z]\w*[^\s,}\"]*|#[#*@\[{A-Za-z][^\s(]*")


def unsupported(template: str) -> str | None:
    """The first part of a template that is not carried out, or None."""
    found = _VELOCITY.search(_REFERENCE.sub(" ", template))
    return found.group() if found else None


def render(template: str, context: Mapping[str, Any], variables: Mapping[str, str], body: str) -> str:
    """The text of a template. `context` is nested as the names below `$context.` are dotted."""

    def value(match: re.Match[str]) -> str:
        part = {name[1:]: text for name, text in match.groupdict().items() if text is not None}
        if "body" in part:
            return body
        if "path" in part:
            return _json(body, part["path"])
        if "context" in part:
            return _context(context, part["context"].split(".")[1:])
        return variables.get(part.get("variable") or part.get("quoted") or "", "")

    return _REFERENCE.sub(value, template)


def select(templates: Mapping[str, str], expression: str, status: int | None, body: str) -> str | None:
    """The template whose key the expression gives, else that of `$default`, else that of `application/json`.

    The last is an assumption: a WebSocket message has no content type.
    """
    for name in ("${integration.response.statuscode}", "$integration.response.statuscode"):
        expression = expression.replace(name, "" if status is None else str(status))
    for key in (evaluate(expression, body), "$default", "application/json"):
        if key in templates:
            return templates[key]
    return None


def _json(body: str, path: str) -> str:
    try:
        found = look_up(json.loads(body), path.removeprefix("$"))
    except (ValueError, RecursionError):
        found = MISSING
    return '""' if found is MISSING else json.dumps(found, ensure_ascii=False)


def _context(context: Mapping[str, Any], names: list[str]) -> str:
    value: Any = context
    for name in names:
        value = value.get(name, "") if isinstance(value, Mapping) else ""
    return "" if isinstance(value, Mapping) else str(value)
