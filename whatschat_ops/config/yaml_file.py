"""A YAML file of keys and values -> dotted key and `Located` value.

Values are text as it was written: what kind of value a key has is the business of a `Section`, and YAML 1.1 reads `0512` as
330, `22:30` as 1350 and `no` as false (yaml.org/type). Imported when there is a file to read: PyYAML takes 20 ms.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from whatschat_ops.config.located import Located, Origin
from whatschat_ops.errors import ConfigError, UsageError
from whatschat_ops.files import read_text

MAXIMUM_DEPTH: Final = 8
"""No file of ours nests deeper; an alias that contains itself would never end."""

MAXIMUM_VALUES: Final = 50_000
"""More than any file of ours has; aliases of aliases make billions of them out of ten lines."""

_Loader: Any = getattr(
    yaml, "CSafeLoader", yaml.SafeLoader
)  # libyaml where the wheel has it: ten times faster

_CORE: Final = "tag:yaml.org,2002:"
_PLAIN_TAGS: Final = frozenset(
    _CORE + kind for kind in ("bool", "float", "int", "merge", "null", "str", "timestamp", "value")
)
"""What PyYAML takes a plain text for, and the tags by which it can be told so."""

_UNPRINTABLE: Final = re.compile("[\0\ud800-\udfff]")
_CORRECT: Final = "Correct the file."


def read_yaml(path: Path, *, flag: str = "--config") -> dict[str, Located]:
    """Dotted key -> value for every leaf of a YAML mapping: text as it was written, a list, or None.

    `flag` is the option that names the file. Raises ConfigError, with file and line, for text that is not YAML, a key given
    twice, a key that is not text, or a value that is no text, list or mapping.
    """
    try:
        text = read_text(path, flag=flag)
    except UsageError as error:
        raise ConfigError(error.message, hint=error.hint) from error
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: not valid YAML: {error.problem}.", hint=_CORRECT) from error
    except RecursionError as error:  # without libyaml
        raise ConfigError(f"{path}: nested too deeply.", hint=_CORRECT) from error
    except yaml.YAMLError as error:
        raise ConfigError(
            f"{path}: not valid YAML: {' '.join(str(error).split())}.", hint=_CORRECT
        ) from error
    if root is None or _is_null(root):
        return {}
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError(f"{path}:1: expected keys and values, found a {_kind(root)}.", hint=_CORRECT)
    return dict(_Reader(path).leaves(root, ()))


class _Reader:
    """Reads the nodes of one file, as many as a file of ours may have."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values = 0

    def leaves(self, node: yaml.MappingNode, parents: tuple[str, ...]) -> Iterator[tuple[str, Located]]:
        """Dotted key -> value for every leaf below the node."""
        for name, value, origin in self._items(node, parents):
            if isinstance(value, yaml.MappingNode):
                yield from self.leaves(value, (*parents, name))
            else:
                path = (*parents, name)
                yield ".".join(path), Located(self._value(value, path, origin), origin)

    def _items(
        self, node: yaml.MappingNode, parents: tuple[str, ...]
    ) -> Iterator[tuple[str, yaml.Node, Origin]]:
        self._require_few(node, parents)
        if node.tag != f"{_CORE}map":
            raise ConfigError(f"{self._at(node)}: the tag {node.tag} is not allowed.", hint=_CORRECT)
        seen: set[str] = set()
        for key_node, value in node.value:
            origin = self._at(key_node)
            name = _key_name(key_node, origin)
            if name in seen:
                key = ".".join((*parents, name))
                raise ConfigError(f"{origin}: {key} is given twice.", hint="Remove one of them.")
            seen.add(name)
            yield name, value, origin

    def _value(self, node: yaml.Node, parents: tuple[str, ...], origin: Origin) -> Any:
        """The text as it was written, None for null, or a list of such values and of mappings."""
        if isinstance(node, yaml.MappingNode):
            return {
                name: self._value(value, (*parents, name), at)
                for name, value, at in self._items(node, parents)
            }
        key = ".".join(parents)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_CORE}seq":
            self._require_few(node, parents)
            return [self._value(item, (*parents, str(at)), origin) for at, item in enumerate(node.value)]
        if not isinstance(node, yaml.ScalarNode) or node.tag not in _PLAIN_TAGS:
            raise ConfigError(f"{origin}: {key}: the tag {node.tag} is not allowed.", hint=_CORRECT)
        if found := _UNPRINTABLE.search(node.value):
            raise ConfigError(f"{origin}: {key}: {found.group()!a} is not allowed in a text.", hint=_CORRECT)
        return None if _is_null(node) else node.value

    def _require_few(self, node: yaml.CollectionNode, parents: tuple[str, ...]) -> None:
        """Raise ConfigError for what no file of ours has, before it takes time: aliases may repeat it endlessly."""
        self._values += len(node.value)
        if len(parents) > MAXIMUM_DEPTH:
            raise ConfigError(f"{self._at(node)}: nested too deeply.", hint=_CORRECT)
        if self._values > MAXIMUM_VALUES:
            raise ConfigError(f"{self._at(node)}: more than {MAXIMUM_VALUES:,} values.", hint=_CORRECT)

    def _at(self, node: yaml.Node) -> Origin:
        return Origin(f"{self._path}:{node.start_mark.line + 1}")


def _key_name(node: yaml.Node, origin: Origin) -> str:
    if not isinstance(node, yaml.ScalarNode) or _UNPRINTABLE.search(node.value):
        raise ConfigError(f"{origin}: a key must be a word.", hint=_CORRECT)
    name = str(node.value)
    if "." in name:
        section, _, rest = name.partition(".")
        raise ConfigError(
            f"{origin}: {name}: a key must not contain a dot.", hint=f"Write {section}: and {rest}: below it."
        )
    return name


def _is_null(node: yaml.Node) -> bool:
    return bool(node.tag == f"{_CORE}null")


def _kind(node: yaml.Node) -> str:
    return type(node).__name__.removesuffix("Node").lower()
