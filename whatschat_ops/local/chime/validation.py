"""The constraints of botocore's input shapes: required members, types, lengths, ranges, patterns and enumerations.

All problems of a request are reported at once, in the wording of AWS's own validation, without the values (external
ids are marked sensitive in the model).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from whatschat_ops.local.chime.fault import bad_request

_TYPES: Mapping[str, type] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "list": list,
    "structure": dict,
}


def validate(shape: Any, parameters: Mapping[str, Any]) -> None:
    """Raise BadRequestException listing every constraint of `shape` that `parameters` violate."""
    problems = list(_structure_problems(shape, parameters, ""))
    if problems:
        plural = "" if len(problems) == 1 else "s"
        raise bad_request(f"{len(problems)} validation error{plural} detected: {'; '.join(problems)}")


def _problems(shape: Any, value: Any, path: str) -> Iterator[str]:
    kind = shape.type_name
    right_type = isinstance(value, _TYPES[kind]) and not (kind == "integer" and isinstance(value, bool))
    if not right_type:
        yield _problem(path, f"Member must be of type {kind}")
        return
    if kind == "structure":
        yield from _structure_problems(shape, value, path)
    if kind in ("list", "string", "integer"):
        yield from _range_problems(shape, value, path)
    if kind == "list":
        for index, item in enumerate(value, start=1):
            yield from _problems(shape.member, item, f"{path}.{index}.member")
    if kind == "string":
        yield from _text_problems(shape, value, path)


def _structure_problems(shape: Any, value: Mapping[str, Any], path: str) -> Iterator[str]:
    for name, member in shape.members.items():
        here = f"{path}.{_camel(name)}" if path else _camel(name)
        item = value.get(name)
        if item is not None:
            yield from _problems(member, item, here)
        elif name in shape.required_members:
            yield _problem(here, "Member must not be null")


def _range_problems(shape: Any, value: Any, path: str) -> Iterator[str]:
    size = value if isinstance(value, int) else len(value)
    what = "value" if isinstance(value, int) else "length"
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        yield _problem(path, f"Member must have {what} greater than or equal to {low}")
    if high is not None and size > high:
        yield _problem(path, f"Member must have {what} less than or equal to {high}")


def _text_problems(shape: Any, value: str, path: str) -> Iterator[str]:
    if shape.enum and value not in shape.enum:
        yield _problem(path, f"Member must satisfy enum value set: [{', '.join(shape.enum)}]")
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(pattern, value):
        yield _problem(path, f"Member must satisfy regular expression pattern: {pattern}")


def _problem(path: str, constraint: str) -> str:
    return f"Value at '{path}' failed to satisfy constraint: {constraint}"


def _camel(name: str) -> str:
    return name[0].lower() + name[1:]
