"""The grammar of DynamoDB's update and projection expressions, as far as ministack accepts more than AWS.

    update     ::= section+                              each of SET, REMOVE, ADD, DELETE at most once
    SET        ::= path = value [, ...]                  value ::= operand [(+ | -) operand]
    REMOVE     ::= path [, ...]
    ADD/DELETE ::= path :value [, ...]

DynamoDB developer guide, Expressions.UpdateExpressions.html. Messages: as AWS's own (recorded in the tests of moto and
of dynalite).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import combinations
from typing import Any, Final

MAX_CHARACTERS: Final = 4_096
"""Of an expression (DynamoDB developer guide, ServiceQuotas.html)."""
MAX_DEPTH: Final = 50
"""Of values in values: DynamoDB documents no limit but 300 operators, and each one takes stack here."""

_SECTIONS: Final = ("SET", "REMOVE", "ADD", "DELETE")
_FUNCTIONS: Final = {"if_not_exists": 2, "list_append": 2}
_TOKEN: Final = re.compile(r"[#:]?[A-Za-z0-9_]+|\S")

Path = tuple[str, ...]


class ExpressionError(Exception):
    """What is wrong, in AWS's words."""


class _Tokens:
    def __init__(self, text: str) -> None:
        self._text = text
        self._found = list(_TOKEN.finditer(text))
        self._at = 0
        self.depth = 0
        """Of the value that is read."""
        self.typed: list[tuple[str, str, str]] = []
        """Operator or function, its operand such as `:v`, and the type that it takes."""

    @property
    def next(self) -> str:
        return self._found[self._at][0] if self._at < len(self._found) else ""

    def take(self) -> str:
        token = self.next
        self._at += 1
        return token

    def skip(self, token: str) -> bool:
        if self.next != token:
            return False
        self._at += 1
        return True

    def expect(self, token: str) -> None:
        if not self.skip(token):
            raise self.error()

    def error(self) -> ExpressionError:
        """AWS names the token, and quotes it with its neighbours."""
        near = self._found[max(0, self._at - 1) : self._at + 2]
        quoted = self._text[near[0].start() : near[-1].end()] if near else ""
        return ExpressionError(f'Syntax error; token: "{self.next or "<EOF>"}", near: "{quoted}"')


def update_problem(expression: str, names: Mapping[str, str], values: Mapping[str, Any]) -> str | None:
    """Why AWS rejects an update expression with these ExpressionAttributeNames and ExpressionAttributeValues."""
    problem, typed = _read("UpdateExpression", expression, tuple(names.items()))
    if problem:
        return problem
    for operator, operand, type_ in typed:
        value = values.get(operand)
        if isinstance(value, dict) and value and type_ not in value:
            given = next(iter(value))
            return (
                "Invalid UpdateExpression: Incorrect operand type for operator or function; "
                f"operator or function: {operator}, operand type: {given}"
            )
    return None


def projection_problem(expression: str, names: Mapping[str, str]) -> str | None:
    """Why AWS rejects a projection expression."""
    return _read("ProjectionExpression", expression, tuple(names.items()))[0]


@lru_cache(maxsize=512)  # programs send the same few expressions again and again
def _read(
    kind: str, expression: str, names: tuple[tuple[str, str], ...]
) -> tuple[str | None, list[tuple[str, str, str]]]:
    """What is wrong, and the operands that must have a type."""
    if len(expression) > MAX_CHARACTERS:
        return None, []  # ministack rejects it
    tokens = _Tokens(expression)
    try:
        read = _update_paths if kind == "UpdateExpression" else _listed_paths
        paths = [tuple(dict(names).get(part, part) for part in path) for path in read(tokens)]
        if tokens.next:
            raise tokens.error()
        for one, two in combinations(paths, 2):
            _check_pair(one, two)
    except ExpressionError as error:
        return f"Invalid {kind}: {error}", []
    return None, tokens.typed


def _check_pair(one: Path, two: Path) -> None:
    shared = next((at for at, (left, right) in enumerate(zip(one, two, strict=False)) if left != right), None)
    if shared is None:
        what = "overlap"
    elif _is_index(one[shared]) != _is_index(two[shared]):
        what = "conflict"
    else:
        return
    raise ExpressionError(
        f"Two document paths {what} with each other; must remove or rewrite one of these paths; "
        f"path one: [{', '.join(one)}], path two: [{', '.join(two)}]"
    )


def _is_index(part: str) -> bool:
    return part.startswith("[")


def _update_paths(tokens: _Tokens) -> Iterator[Path]:
    """The paths that are changed."""
    seen: set[str] = set()
    while not seen or tokens.next:
        section = tokens.next.upper()
        if section not in _SECTIONS:
            raise tokens.error()
        tokens.take()
        if section in seen:
            raise ExpressionError(f'The "{section}" section can only be used once in an update expression;')
        seen.add(section)
        yield from _listed_paths(tokens, section)


def _listed_paths(tokens: _Tokens, section: str = "") -> Iterator[Path]:
    """Paths that are separated by commas, each with what its section has behind a path."""
    yield _path(tokens, section)
    while tokens.skip(","):
        yield _path(tokens, section)


def _path(tokens: _Tokens, section: str) -> Path:
    path = _document_path(tokens)
    if section == "SET":
        tokens.expect("=")
        _value(tokens)
    elif section in ("ADD", "DELETE"):
        if not tokens.next.startswith(":"):
            raise tokens.error()
        tokens.take()
    return path


def _document_path(tokens: _Tokens) -> Path:
    parts = [_name(tokens)]
    while tokens.next in (".", "["):
        if tokens.take() == ".":
            parts.append(_name(tokens))
            continue
        if not tokens.next.isdecimal():
            raise tokens.error()
        parts.append(f"[{tokens.take()}]")
        tokens.expect("]")
    return tuple(parts)


def _name(tokens: _Tokens) -> str:
    if not re.fullmatch(r"#[A-Za-z0-9_]+|[A-Za-z_][A-Za-z0-9_]*", tokens.next):
        raise tokens.error()
    name = tokens.take()
    # The only reserved word that is a function too: ministack takes it for the function.
    if name.lower() == "size" and tokens.next != "(":
        raise ExpressionError(f"Attribute name is a reserved keyword; reserved keyword: {name}")
    return name


def _value(tokens: _Tokens) -> str:
    """The operand that the value is, such as `:v`; empty for what is calculated."""
    tokens.depth += 1
    if tokens.depth > MAX_DEPTH:
        raise ExpressionError(
            f"the embedded AWS does not read values nested more than {MAX_DEPTH} levels deep"
        )
    value = _operand(tokens)
    if tokens.next in ("+", "-"):
        operator = tokens.take()
        tokens.typed += [(operator, operand, "N") for operand in (value, _operand(tokens))]
        value = ""
    tokens.depth -= 1
    return value


def _operand(tokens: _Tokens) -> str:
    if tokens.skip("("):
        value = _value(tokens)
        tokens.expect(")")
        return value
    if tokens.next.startswith(":"):
        return tokens.take()
    path = _document_path(tokens)
    if not tokens.skip("("):
        return ""
    name = path[0]
    if len(path) > 1 or name not in _FUNCTIONS:
        raise ExpressionError(f"Invalid function name; function: {name}")
    for index in range(_FUNCTIONS[name]):
        if index:
            tokens.expect(",")
        value = _value(tokens)
        if name == "list_append":
            tokens.typed.append((name, value, "L"))
    tokens.expect(")")
    return ""
