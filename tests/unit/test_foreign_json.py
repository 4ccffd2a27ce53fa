"""JSON from elsewhere may be nested deeper than Python reads it: that is a RecursionError, not a ValueError."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import whatschat_ops

PACKAGE = Path(whatschat_ops.__file__).parent
LOADS = ("json.load", "json.loads")


def caught(handlers: list[ast.ExceptHandler]) -> set[str]:
    types = [handler.type for handler in handlers if handler.type is not None]
    return {
        ast.unparse(one) for kind in types for one in (kind.elts if isinstance(kind, ast.Tuple) else [kind])
    }


def reading(tree: ast.AST) -> Iterator[ast.Try]:
    """What tries to read JSON, and says what happens if it is none."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Try) and "ValueError" in caught(node.handlers):
            calls = [call for body in node.body for call in ast.walk(body) if isinstance(call, ast.Call)]
            if any(ast.unparse(call.func) in LOADS for call in calls):
                yield node


def test_whoever_expects_bad_json_expects_deep_json() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        for node in reading(ast.parse(path.read_text()))
        if "RecursionError" not in caught(node.handlers)
    ]
    assert found == []
