"""Sections of settings, and a check of values against them that explains every problem with its origin.

A section is a `msgspec.Struct`: it is made in microseconds, so that a command line that only shows its settings does not
wait for its models. Input: dotted key -> `Located` value. Output: a section, or a ConfigError.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from itertools import islice
from operator import methodcaller
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import msgspec

from whatschat_ops.config.located import DEFAULT, Located, Origin
from whatschat_ops.errors import ConfigError, Hint


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings that belong together. Making one from Python checks nothing: `of` does."""

    @classmethod
    def of(cls: type[Model], values: Mapping[str, Any]) -> Model:
        """The section that a configuration file with these values means. Raises msgspec.ValidationError."""
        return _convert(values, cls)

    def canonical(self, *, without: Collection[str] = ()) -> str:
        """JSON of all fields but some, by their names in Python and in their order. Digests in saved plans are made of it."""
        values = {name: getattr(self, name) for name in self.__struct_fields__ if name not in without}
        return json.dumps(
            values, default=methodcaller("canonical_values"), separators=(",", ":"), ensure_ascii=False
        )

    def canonical_values(self) -> dict[str, Any]:
        """The fields of a section in the canonical form."""
        return {name: getattr(self, name) for name in self.__struct_fields__}


Model = TypeVar("Model", bound=Section)
Problem = tuple[str, str]

BOOLEAN_WORDS = {
    **dict.fromkeys(("true", "yes", "y", "on", "t", "1"), True),
    **dict.fromkeys(("false", "no", "n", "off", "f", "0"), False),
}
"""What a file or a variable may say for true and false."""

_GROUPED = re.compile(r"-?[1-9]\d{0,2}(_\d{3})+(\.\d+)?")

_MOST_PROBLEMS = 20
"""Shown at once."""
_LONGEST_SHOWN = 80

_COMPARISONS = {">=": "at least", ">": "more than", "<=": "at most", "<": "less than"}
_KINDS = {
    "int": "an integer",
    "float": "a number",
    "bool": "a boolean",
    "str": "a string",
    "array": "a list",
    "object": "a section with keys below it",
}
"""msgspec's names of types, and ours."""


def validate(model: type[Model], values: Mapping[str, Located], *, hint: Hint | None = None) -> Model:
    """The model made of dotted keys. Raises ConfigError with one line per problem, each with its origin."""
    tree = _tree(model, values, hint)
    try:
        return _convert(tree, model)
    except msgspec.ValidationError as error:
        origins = _origins(values)
        lines = [
            f"{_origin(_named(key, reason, origins), origins)}: {key}: {reason}" if key else reason
            for key, reason in islice(_problems(model, tree, ""), _MOST_PROBLEMS)
        ]
        if len(lines) == _MOST_PROBLEMS:
            lines.append("There may be more.")
        raise ConfigError("\n".join(lines), hint=hint) from error


def known_keys(model: type[Section], section: str) -> set[str]:
    """The keys that a section (dotted; empty for the top) may have; none if it is not a section."""
    found = _section_in(_kind_of(model, section))
    return set(_fields(found)) if found else set()


def _kind_of(model: type[Section], key: str) -> Any:
    """The type of what stands at a dotted key (empty: the whole); None if there is no such key."""
    kind: Any = model
    for name in filter(None, key.split(".")):
        found = _section_in(kind)
        kind = _fields(found).get(name) if found else next(iter(get_args(_bare(kind))[1:]), None)
    return kind


def _as_kind(kind: Any, value: Any) -> Any:
    """A text as what msgspec takes for a value of this type: it knows neither `yes` nor the number in a choice of numbers."""
    kind = _bare(kind)
    if not isinstance(value, str):
        return value
    if kind is bool:
        return BOOLEAN_WORDS.get(value.lower(), value)
    if kind in (int, float) and _GROUPED.fullmatch(value):
        return value.replace("_", "")
    if get_origin(kind) is Literal:
        return next((choice for choice in get_args(kind) if str(choice) == value), value)
    return value


def _convert(value: Any, kind: type[Model]) -> Model:
    return msgspec.convert(value, kind, strict=False, dec_hook=lambda own, found: own.parse(found))


def _tree(model: type[Section], values: Mapping[str, Located], hint: Hint | None) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, item in values.items():
        if item.value is None and known_keys(model, key):
            continue  # a section with nothing below it
        if isinstance(item.value, str) and item.value.endswith("\n"):  # a pattern's $ lets it pass
            raise ConfigError(
                f"{item.origin}: {key}: ends with a line break (got {item.value!r}).", hint=hint
            )
        kind = _kind_of(model, key)
        if _bare(kind) is float and isinstance(item.value, str) and not re.match(r"-?\d", item.value):
            # msgspec would take nan and inf
            raise ConfigError(
                f"{item.origin}: {key}: expected a number (got {_shown(item.value)}).", hint=hint
            )
        branch = tree
        *parents, leaf = key.split(".")
        for parent in parents:
            branch = branch.setdefault(parent, {})
            if not isinstance(branch, dict):
                raise ConfigError(f"{item.origin}: {key}: {parent} is a value, not a section.", hint=hint)
        branch[leaf] = _as_kind(kind, item.value)
    return tree


def _problems(kind: Any, value: Any, key: str) -> list[Problem]:
    """Key -> what is wrong with it: of the parts of a value first, and only where they are right of the whole."""
    below = [problem for found in _problems_below(kind, value, key) for problem in found]
    if below:
        return below
    try:
        _convert(value, kind)
    except msgspec.ValidationError as error:
        return [(key, _reason(kind, value, str(error)))]
    return []


def _problems_below(kind: Any, value: Any, key: str) -> Iterator[list[Problem]]:
    section, kind = _section_in(kind), _bare(kind)
    if isinstance(value, dict) and section is not None:
        fields = _fields(section)
        for name, item in value.items():
            inner = f"{key}.{name}" if key else name
            yield (
                _problems(fields[name], item, inner) if name in fields else [(inner, _unknown(name, fields))]
            )
    elif isinstance(value, dict) and get_origin(kind) is dict:
        name_kind, item_kind = get_args(kind)
        for name, item in value.items():
            yield _problems(name_kind, name, f"{key}.{name}") or _problems(item_kind, item, f"{key}.{name}")
    elif isinstance(value, list) and get_origin(kind) is tuple:
        for number, item in enumerate(value):
            yield _problems(get_args(kind)[0], item, f"{key}[{number}]")


def _origins(values: Mapping[str, Located]) -> dict[str, Origin]:
    """Dotted key, of a value or of what is around values -> the first origin there."""
    origins: dict[str, Origin] = {}
    for key, item in values.items():
        origins.setdefault(key, item.origin)
        while key := key.rpartition(".")[0]:
            origins.setdefault(key, item.origin)
    return origins


def _named(key: str, reason: str, origins: Mapping[str, Origin]) -> str:
    """The key in a section that the problem of the section names first, else the section."""
    names = (f"{key}.{word}" for word in re.findall(r"\w+", reason))
    return next((name for name in names if name in origins), key)


def _origin(key: str, origins: Mapping[str, Origin]) -> Origin:
    """Of the key itself or of something in it, else of the nearest thing around it that was given."""
    key = key.replace("[", ".")
    while key and key not in origins:
        key = key.rpartition(".")[0]
    return origins.get(key, DEFAULT)


def _reason(kind: Any, value: Any, problem: str) -> str:
    """msgspec's problem in the words of a configuration file."""
    if problem.startswith("Invalid enum value"):
        *choices, last = [repr(choice) for choice in get_args(_bare(kind))]
        return f"{_shown(value)} is not allowed. Allowed: {', '.join(choices)} or {last}."
    if bound := re.match(r"Expected `[^`]+` (>=|>|<=|<) (\S+)", problem):
        return f"must be {_COMPARISONS[bound[1]]} {bound[2].removesuffix('.0')} (got {_shown(value)})."
    if pattern := re.match(r"Expected `[^`]+` matching regex '(.*)'", problem):
        return f"must match {_unescaped(pattern[1])} (got {_shown(value)})."
    if missing := re.match(r"Object missing required field `(\w+)`", problem):
        return f"{missing[1]} is missing."
    if wrong := re.match(r"Expected `(\w+)", problem):
        expected = "a value that is not empty" if "of length" in problem else _KINDS.get(wrong[1], wrong[1])
        return f"expected {expected} (got {_shown(value)})."
    reason = f"{problem[:1].lower()}{problem[1:]}"  # such as a number out of range
    return f"{reason}." if " (got " in reason else f"{reason} (got {_shown(value)})."


def _shown(value: Any) -> str:
    """A value as it was written, in quotes unless it is a number, and not all of a long one."""
    if value is None:
        return "null"
    number = isinstance(value, str) and re.fullmatch(r"[-+.\d][\w.:+-]*", value)
    shown = str(value) if number else repr(value)
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}..."


def _unescaped(text: str) -> str:
    return text.replace("\\\\", "\\")


def _unknown(name: str, fields: Mapping[str, Any]) -> str:
    known = sorted(fields)
    close = difflib.get_close_matches(name, known, n=1)
    meant = f" Did you mean {close[0]}?" if close else ""
    return f"unknown key.{meant} Known here: {', '.join(known)}."


@cache
def _fields(section: type[Section]) -> dict[str, Any]:
    return {field.encode_name: field.type for field in msgspec.structs.fields(section)}


def _section_in(kind: Any) -> type[Section] | None:
    """The section that a value of this type is, even if it may also be missing."""
    kind = _bare(kind)
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def _bare(kind: Any) -> Any:
    """A type without its annotations and without None."""
    if get_origin(kind) is Annotated:
        return _bare(get_args(kind)[0])
    some = [choice for choice in get_args(kind) if choice is not type(None)]
    return _bare(some[0]) if type(None) in get_args(kind) else kind
