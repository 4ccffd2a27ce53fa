"""A YAML file of keys and values -> dotted key and `Located` value.

Which keys exist is the business of a `Section`. Imported when there is a file to read: PyYAML takes 20 ms.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from whatschat_ops.config.located import Located, Origin
from whatschat_ops.errors import ConfigError

MAXIMUM_DEPTH = 8
"""No file of ours nests deeper; an alias that contains itself would never end."""

_Loader: Any = getattr(
    yaml, "CSafeLoader", yaml.SafeLoader
)  # libyaml where the wheel has it: ten times faster


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
