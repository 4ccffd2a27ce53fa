"""The reference of all settings as a Markdown page, made from the settings model (docs/configuration.md)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, TypeGuard, get_args, get_origin

from msgspec import Meta
from msgspec.structs import fields

from whatschat_ops.config.loading import ENVIRONMENT_VARIABLES
from whatschat_ops.config.section import Section
from whatschat_ops.config.settings import Settings

_INTRODUCTION = """\
# Configuration

Settings come from four places; the first that has a value wins:

1. flags (`--region`, `--profile`, `--env`),
2. environment variables (below),
3. the file `configs/<environment>.yaml`, or the one named with `--config`,
4. the defaults.

`configs` is searched for in the working directory and then in the directories above it, as git searches for a repository; the nearest one
with a configuration file is used. A file above that belongs to another user is refused. `--verbose` says which file a command uses;
without it, a command says so if the file is above. `whatschat-ops init -e staging` creates a file with every setting as a comment, `env list` lists
the environments, and `whoami` shows the account, role, Region, endpoint and stack of one, and where each came from.

The Region comes from `--region`, `AWS_REGION`, `AWS_DEFAULT_REGION`, the file, the AWS profile's own `region`, and the default, in this order;
the profile is read as botocore reads it (`AWS_CONFIG_FILE`, `AWS_SHARED_CREDENTIALS_FILE`).

`whatschat-ops config show` prints every value and where it came from, `config validate` checks a file. No file is
needed: without one the environment is `local` and runs on the embedded AWS. `configs/schema.json` lets editors
complete and check the files. Files in `configs/usage/` are no environments: `cost estimate --usage` reads them.

Values are read as they are written: `0512`, `8:32` and `0x200`, which YAML 1.1 takes for other numbers, are refused where a number
is expected, and are texts where a text is; `yes`, `no`, `on` and `off` are booleans only where one is expected; `10_000` is a number.

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


def described_settings() -> list[DescribedSetting]:
    """Every setting, in the order of the page."""
    return [
        replace(setting, allowed=tuple(text.replace("`", "") for text in setting.allowed))
        for setting in _described(Settings, "")
    ]


def _sections(section: type[Section], prefix: str) -> Iterator[str]:
    """Heading, meaning and table of every section in `section`, and then of the sections in it."""
    for key, inner in _sections_in(section, prefix):
        yield from (f"## {key}\n", f"{inner.__doc__}\n", _table(inner, f"{key}."), "")
        yield from _sections(inner, f"{key}.")


def _described(section: type[Section], prefix: str) -> Iterator[DescribedSetting]:
    yield from _own(section, prefix)
    for key, inner in _sections_in(section, prefix):
        yield from _described(inner, f"{key}.")


def _own(section: type[Section], prefix: str) -> Iterator[DescribedSetting]:
    """The settings that stand in the section itself."""
    variables = {key: name for name, key in ENVIRONMENT_VARIABLES.items()}
    for field in fields(section):
        if get_origin(field.type) is Annotated:
            kind, meta = get_args(field.type)
            key = f"{prefix}{field.encode_name}"
            allowed = tuple(_allowed(kind, meta))
            default = {} if field.default_factory is dict else field.default
            yield DescribedSetting(key, default, allowed, meta.description or "", variables.get(key))


def _sections_in(section: type[Section], prefix: str) -> Iterator[tuple[str, type[Section]]]:
    for field in fields(section):
        if _is_section(field.type):
            yield f"{prefix}{field.encode_name}", field.type


def _table(section: type[Section], prefix: str) -> str:
    rows = ["| key | default | allowed | meaning |", "|---|---|---|---|"]
    for setting in _own(section, prefix):
        cells = (f"`{setting.key}`", _default(setting.default), ", ".join(setting.allowed), setting.meaning)
        escaped = (cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells)
        rows.append(f"| {' | '.join(escaped)} |")
    return "\n".join(rows)


def _variables() -> str:
    rows = ["| variable | setting |", "|---|---|"]
    return "\n".join([*rows, *(f"| `{name}` | `{key}` |" for name, key in ENVIRONMENT_VARIABLES.items())])


def _default(value: Any) -> str:
    if value in (None, "", (), {}):
        return ""
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`"
    if isinstance(value, float):
        return f"`{value:g}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _allowed(kind: Any, meta: Meta) -> Iterator[str]:
    """What a value may be, in words."""
    if type(None) in get_args(kind):
        kind = get_args(kind)[0]
    if get_origin(kind) is Annotated:
        yield from _allowed(*get_args(kind))
    if get_origin(kind) is Literal:
        yield ", ".join(f"`{value}`" for value in get_args(kind))
    elif kind is bool:
        yield "`true`, `false`"
    elif get_origin(kind) is tuple:
        yield _list_of(get_args(kind)[0])
    elif get_origin(kind) is dict:
        yield "keys of your own"
    for attribute, words in _LIMITS.items():
        limit = getattr(meta, attribute)
        if limit is not None:
            yield f"{words} {limit}"
    if meta.pattern is not None:
        yield f"`{meta.pattern}`"


def _list_of(items: Any) -> str:
    if get_origin(items) is Annotated:
        each = ", ".join(_allowed(*get_args(items)))
        return f"a list, each {each}" if each else "a list"
    inner = [name.encode_name for name in fields(items)] if _is_section(items) else get_args(items)
    return f"a list of {'sections with ' if _is_section(items) else ''}" + ", ".join(
        f"`{value}`" for value in inner
    )


def _is_section(kind: Any) -> TypeGuard[type[Section]]:
    return isinstance(kind, type) and issubclass(kind, Section)
