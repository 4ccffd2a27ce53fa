"""A new configuration file: every setting as a comment, with its default, what it may be and what it means."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from whatschat_ops.config.reference import DescribedSetting, described_settings

_COLUMNS = 100


def template(environment: str, given: Mapping[str, str]) -> str:
    """The file of `environment`. `given`: dotted key -> value, of settings that are set; all others are comments."""
    lines = [
        f"# The environment of `whatschat-ops -e {environment}`.",
        "# Delete the `#` in front of a setting to change it, and that of the sections that it is in.",
        f"environment: {environment}",
    ]
    section: tuple[str, ...] = ()
    for setting in described_settings():
        parents = tuple(setting.key.split(".")[:-1])
        if setting.key != "environment":
            lines += [*_headings(section, parents, given), "", *_entry(setting, given)]
            section = parents
    return "\n".join(lines) + "\n"


def _headings(before: tuple[str, ...], section: tuple[str, ...], given: Mapping[str, str]) -> Iterator[str]:
    """The lines that open a section, and the sections around it that are not open yet."""
    for depth, name in enumerate(section, 1):
        if before[:depth] != section[:depth]:
            prefix = ".".join(section[:depth]) + "."
            is_open = any(key.startswith(prefix) for key in given)
            yield from ("", f"{'  ' * (depth - 1)}{'' if is_open else '#'}{name}:")


def _entry(setting: DescribedSetting, given: Mapping[str, str]) -> Iterator[str]:
    """What a setting means and may be, and the setting itself."""
    *parents, name = setting.key.split(".")
    indent = "  " * len(parents)
    allowed = f" ({', '.join(setting.allowed)})" if setting.allowed else ""
    for line in textwrap.wrap(f"{setting.meaning}{allowed}", _COLUMNS - len(indent)):
        yield f"{indent}# {line}"
    is_given = setting.key in given
    value = _yaml(given[setting.key] if is_given else setting.default)
    yield f"{indent}{'' if is_given else '#'}{name}: {value}".rstrip()


def _yaml(value: Any) -> str:
    """JSON is YAML; what has no default is left out."""
    return "" if value is None else json.dumps(value, ensure_ascii=False)
