"""The reference of all settings as a Markdown page, made from the settings model (docs/configuration.md)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from whatschat_ops.config.loading import ENVIRONMENT_VARIABLES
from whatschat_ops.config.settings import Settings

_INTRODUCTION = """\
# Configuration

Settings come from four places; the first that has a value wins:

1. flags (`--region`, `--profile`, `--env`),
2. environment variables (below),
3. the file `configs/<environment>.yaml`, or the one named with `--config`,
4. the defaults.

`whatschat-ops config show` prints every value and where it came from, `config validate` checks a file. No file is
needed: without one the environment is `local` and runs on the embedded AWS. `configs/schema.json` lets editors
complete and check the files. Files in `configs/usage/` are no environments: `cost estimate --usage` reads them.

This page is made by `whatschat-ops config reference`.
"""


@dataclass(frozen=True, slots=True)
class DescribedSetting:
    """One setting: its dotted key, what it is by default, what it may be (in words), what it means.

    `environment_variable` sets it, if there is one.
    """

    key: str
    default: Any
    allowed: tuple[str, ...]
    meaning: str
    environment_variable: str | None


_LIMITS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


def reference() -> str:
    """The page."""
    parts = [_INTRODUCTION, "## Top level\n", _table(Settings, ""), "", *_sections(Settings, "")]
    parts += ["## Environment variables\n", _variables()]
    return "\n".join(parts) + "\n"


def _sections(model: type[BaseModel], prefix: str) -> Iterator[str]:
    """Heading, meaning and table of every section of `model`, and then of the sections in it."""
    for name, field in model.model_fields.items():
        section = _section(field)
        if section is not None:
            key = f"{prefix}{field.alias or name}"
            yield from (f"## {key}\n", f"{section.__doc__}\n", _table(section, f"{key}."), "")
            yield from _sections(section, f"{key}.")


def described_settings() -> list[DescribedSetting]:
    """Every setting, in the order of the page."""
    return list(_described(Settings, ""))


def _described(model: type[BaseModel], prefix: str) -> Iterator[DescribedSetting]:
    variables = {key: name for name, key in ENVIRONMENT_VARIABLES.items()}
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        if _section(field) is None:
            allowed = tuple(text.replace("`", "") for text in _allowed(field))
            meaning = field.description or ""
            yield DescribedSetting(key, field.default, allowed, meaning, variables.get(key))
    for name, field in model.model_fields.items():
        section = _section(field)
        if section is not None:
            yield from _described(section, f"{prefix}{field.alias or name}.")


def _table(model: type[BaseModel], prefix: str) -> str:
    rows = ["| key | default | allowed | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        if _section(field) is None:
            cells = (
                f"`{prefix}{field.alias or name}`",
                _default(field.default),
                ", ".join(_allowed(field)),
                field.description or "",
            )
            rows.append(
                "| " + " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells) + " |"
            )
    return "\n".join(rows)


def _variables() -> str:
    rows = ["| variable | setting |", "|---|---|"]
    return "\n".join([*rows, *(f"| `{name}` | `{key}` |" for name, key in ENVIRONMENT_VARIABLES.items())])


def _section(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _default(value: Any) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, tuple):
        return f"`[{', '.join(value)}]`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _allowed(field: FieldInfo) -> Iterator[str]:
    if get_origin(field.annotation) is Literal:
        yield ", ".join(f"`{value}`" for value in get_args(field.annotation))
    elif field.annotation is bool:
        yield "`true`, `false`"
    elif get_origin(field.annotation) is tuple:
        yield "a list of " + ", ".join(f"`{value}`" for value in get_args(get_args(field.annotation)[0]))
    for limit in field.metadata:
        for attribute, words in _LIMITS.items():
            if hasattr(limit, attribute):
                yield f"{words} {getattr(limit, attribute)}"
        pattern = getattr(limit, "pattern", None)
        if pattern is not None:
            yield f"`{pattern}`"
