"""Values that know where they came from, so that an error can name the file and line, the flag or the variable.

Input: a YAML file of keys and values. Output: dotted key -> `Located` value, and a validated pydantic model of
them. Nothing here knows which keys exist: that is the model's business.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from whatschat_ops.errors import ConfigError

MAXIMUM_DEPTH = 8
"""No file of ours nests deeper; an alias that contains itself would never end."""

_Loader: Any = getattr(
    yaml, "CSafeLoader", yaml.SafeLoader
)  # libyaml where the wheel has it: ten times faster

_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
"""pydantic's error type -> its name for the limit, and ours for the comparison."""

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from: `flag --region`, `environment AWS_REGION`, `configs/local.yaml:7`, `default`."""

    text: str

    def __str__(self) -> str:
        return self.text


DEFAULT = Origin("default")


@dataclass(frozen=True, slots=True)
class Located:
    """A value and where it came from."""

    value: Any
    origin: Origin


def read_yaml(path: Path) -> dict[str, Located]:
    """Dotted key -> value for every leaf of a YAML mapping (None for a key with nothing behind it).

    Raises ConfigError, with file and line, for text that is not YAML, a key given twice, or a key that is not text.
    """
    try:
        root = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=_Loader)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text: {error.reason}.") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: not valid YAML: {error.problem}.") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}.") from error
    if root is None or _is_null(root):
        return {}
    if not isinstance(root, yaml.MappingNode):
        kind = type(root).__name__.removesuffix("Node").lower()
        raise ConfigError(f"{path}:1: expected keys and values, found a {kind}.")
    return dict(_leaves(path, root, ()))


def validate(model: type[Model], values: Mapping[str, Located], *, hint: str | None = None) -> Model:
    """The model made of dotted keys. Raises ConfigError with one line per problem, each with its origin."""
    tree: dict[str, Any] = {}
    for key, item in values.items():
        if item.value is None and known_keys(model, key):
            continue  # a section with nothing below it
        branch = tree
        *parents, leaf = key.split(".")
        for parent in parents:
            branch = branch.setdefault(parent, {})
            if not isinstance(branch, dict):
                raise ConfigError(f"{item.origin}: {key}: {parent} is a value, not a section.", hint=hint)
        branch[leaf] = item.value
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        lines = [_explain(model, problem, values) for problem in error.errors()]
        raise ConfigError("\n".join(lines), hint=hint) from error


def _leaves(path: Path, node: yaml.MappingNode, parents: tuple[str, ...]) -> Iterator[tuple[str, Located]]:
    if len(parents) > MAXIMUM_DEPTH:
        raise ConfigError(f"{path}:{node.start_mark.line + 1}: nested too deeply.")
    seen: set[str] = set()
    for key_node, value_node in node.value:
        origin = Origin(f"{path}:{key_node.start_mark.line + 1}")
        name = _key_name(key_node, origin)
        key = ".".join((*parents, name))
        if name in seen:
            raise ConfigError(f"{origin}: {key} is given twice.")
        seen.add(name)
        if isinstance(value_node, yaml.MappingNode):
            yield from _leaves(path, value_node, (*parents, name))
        else:
            yield key, Located(_construct(value_node, key, origin), origin)


def _key_name(node: yaml.Node, origin: Origin) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise ConfigError(f"{origin}: a key must be a word.")
    name = str(node.value)
    if "." in name:
        section, _, rest = name.partition(".")
        raise ConfigError(
            f"{origin}: {name}: a key must not contain a dot.", hint=f"Write {section}: and {rest}: below it."
        )
    return name


def _is_null(node: yaml.Node) -> bool:
    return node.tag == "tag:yaml.org,2002:null"


def _construct(node: yaml.Node, key: str, origin: Origin) -> Any:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    except (
        yaml.YAMLError,
        ValueError,
    ) as error:  # a tag that is not plain data, or a date such as 2026-02-31
        problem = error.problem if isinstance(error, yaml.MarkedYAMLError) else error
        raise ConfigError(f"{origin}: {key}: not a plain value: {problem}.") from error
    finally:
        loader.dispose()


def _explain(model: type[BaseModel], problem: Any, values: Mapping[str, Located]) -> str:
    parts = [str(part) for part in problem["loc"] if part != "[key]"]
    key = ".".join(parts)
    reason = _reason(model, problem, key)
    return f"{_origin(parts, values)}: {key}: {reason}" if key else reason


def _origin(parts: Sequence[str], values: Mapping[str, Located]) -> Origin:
    """The origin of the key itself, else of something in it, else of the nearest thing around it that was given."""
    for depth in range(len(parts), 0, -1):
        key = ".".join(parts[:depth])
        for name, item in values.items():
            if name == key or name.startswith(f"{key}."):
                return item.origin
    return DEFAULT


def _reason(model: type[BaseModel], problem: Any, key: str) -> str:
    kind, found = problem["type"], problem["input"]
    if kind == "extra_forbidden":
        return _unknown_key(model, key)
    if kind == "literal_error":
        return f"{found!r} is not allowed. Allowed: {problem['ctx']['expected']}."
    if kind == "missing":
        return "is missing."
    if kind in ("model_type", "model_attributes_type"):
        return f"expected a section with keys below it (got {found!r})."
    if kind in _BOUNDS:
        bound, words = _BOUNDS[kind]
        return f"must be {words} {problem['ctx'][bound]} (got {found!r})."
    if kind == "value_error":
        return f"{problem['ctx']['error']}."
    return f"{problem['msg'][0].lower()}{problem['msg'][1:]} (got {found!r})."


def _unknown_key(model: type[BaseModel], key: str) -> str:
    section, _, name = key.rpartition(".")
    known = sorted(known_keys(model, section))
    close = difflib.get_close_matches(name, known, n=1)
    meant = f" Did you mean {close[0]}?" if close else ""
    return f"unknown key.{meant} Known here: {', '.join(known)}."


def known_keys(model: type[BaseModel], section: str) -> set[str]:
    """The keys that a section (dotted; empty for the top) may have; none if it is not a section."""
    kind: Any = model
    for part in filter(None, section.split(".")):
        found = _model_in(kind)
        if found is None:
            return set()
        kind = (
            _fields(found).get(part) if found is kind else found
        )  # in a mapping or list: part is a key or index
    found = _model_in(kind)
    return set() if found is None or _is_container(kind) else set(_fields(found))


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    """Key -> annotation; an optional section counts as the section."""
    fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    return {
        key: annotation if _is_container(annotation) else _model_in(annotation)
        for key, annotation in fields.items()
    }


def _model_in(annotation: Any) -> type[BaseModel] | None:
    candidates = (annotation, *get_args(annotation))
    return next((kind for kind in candidates if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _is_container(annotation: Any) -> bool:
    origin = get_origin(annotation)
    return isinstance(origin, type) and issubclass(origin, (Mapping, Sequence))
