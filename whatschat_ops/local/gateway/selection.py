"""Route selection: the route key of a message.

An expression is text with references into the JSON body: `$request.body.type`, `$request.body.a.b[0]`, or
`${request.body.a}/${request.body.b}`. A missing value is empty; a body that is not JSON selects nothing. AWS:
websocket-api-develop-routes, apigateway-websocket-api-selection-expressions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache

from whatschat_ops.local.interfaces import Route

DEFAULT_ROUTE = "$default"
RESERVED_ROUTES = frozenset({"$connect", "$disconnect"})

_PATH = r"request\.body((?:\.[A-Za-z0-9_-]+|\[\d+\]|\['[^']*'\])*)"
_REFERENCE = re.compile(rf"\$\{{{_PATH}\}}|\${_PATH}")
_STEP = re.compile(r"\.([A-Za-z0-9_-]+)|\[(\d+)\]|\['([^']*)'\]")

MISSING = object()
"""The value of a path that the document does not have."""
Piece = str | tuple[str | int, ...]


def select_route(expression: str, routes: Mapping[str, Route], message: str) -> Route | None:
    """The route of the message: the exact key, else `$default`, else None.

    A message cannot select `$connect` or `$disconnect` (assumption: those keys are events, not messages).
    """
    key = route_key(expression, message)
    if key and key not in RESERVED_ROUTES and key in routes:
        return routes[key]
    return routes.get(DEFAULT_ROUTE)


def route_key(expression: str, message: str) -> str:
    """The value of the expression for the message; "" when the message is not JSON."""
    try:
        body = json.loads(message)
    except (ValueError, RecursionError):
        return ""
    return _value(expression, body)


def evaluate(expression: str, message: str) -> str:
    """The value of a selection expression that may be static: in a message that is not JSON, every path is empty."""
    try:
        body = json.loads(message)
    except (ValueError, RecursionError):
        body = MISSING
    return _value(expression, body)


def look_up(body: object, path: str) -> object:
    """The value at a path such as `.a.b[0]`, or MISSING."""
    return _look_up(body, tuple(_steps(path)))


def _value(expression: str, body: object) -> str:
    return "".join(
        piece if isinstance(piece, str) else _text(_look_up(body, piece)) for piece in _pieces(expression)
    )


@lru_cache(maxsize=256)
def _pieces(expression: str) -> tuple[Piece, ...]:
    """The expression as literal texts and paths."""
    pieces: list[Piece] = []
    end = 0
    for match in _REFERENCE.finditer(expression):
        pieces.append(expression[end : match.start()])
        path = match.group(1) if match.group(1) is not None else match.group(2)
        pieces.append(tuple(_steps(path)))
        end = match.end()
    pieces.append(expression[end:].replace("\\$", "$"))
    return tuple(piece for piece in pieces if piece != "")


def _steps(path: str) -> list[str | int]:
    return [int(index) if index else name or quoted for name, index, quoted in _STEP.findall(path)]


def _look_up(body: object, path: tuple[str | int, ...]) -> object:
    value = body
    for step in path:
        if isinstance(step, str) and isinstance(value, dict):
            value = value.get(step, MISSING)
        elif isinstance(step, int) and isinstance(value, list) and step < len(value):
            value = value[step]
        else:
            return MISSING
    return value


def _text(value: object) -> str:
    """Scalars as in JSON, strings without quotes; null, objects and arrays select nothing."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return ""
