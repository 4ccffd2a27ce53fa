"""Values of options, read without pydantic where they are plainly right.

Typer reads every value with pydantic since 0.29, also that of an option that was not given, and importing pydantic takes
longer than importing Typer. A text, a number, a path or a choice that is plainly right is taken here as Typer would take it;
anything else is left to Typer, which either knows better or says what is wrong.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from typing import Any, Final, get_args, get_origin

from whatschat_ops.files import is_there

_LEFT_TO_TYPER: Final = object()
_LONGEST_NUMBER: Final = sys.float_info.max_10_exp
"""Digits. Python refuses to read an integer of more than 4300, so that reading takes no time (sys.set_int_max_str_digits)."""


def read_plain_values(parameters: Iterable[Any]) -> None:
    """Let these parameters of a command read plain values by themselves. Older versions of Typer need no help."""
    for parameter in parameters:
        if hasattr(parameter, "_runtime_param"):
            parameter._runtime_param = _PlainFirst()


class _PlainFirst:
    """Stands where Typer's parameter keeps what reads its values."""

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The value as the command gets it."""
        many = param.multiple or param.nargs == -1
        if value is None:
            return () if many else None
        plain = _plain_list(value, param.type_descriptor) if many else _plain(value, param.type_descriptor)
        if plain is not _LEFT_TO_TYPER:
            return plain
        param._runtime_param = None  # Typer makes its own again
        return param.get_runtime_param().coerce(value, param=param, ctx=ctx)


def _plain_list(values: Any, descriptor: Any) -> Any:
    kind = descriptor.annotation
    if get_origin(kind) is not list or not isinstance(values, (list, tuple)):
        return _LEFT_TO_TYPER
    if get_args(kind) == (str,) and all(isinstance(value, str) for value in values):
        return list(values)
    return _LEFT_TO_TYPER


def _plain(value: Any, descriptor: Any) -> Any:
    kind, info = descriptor.annotation, descriptor.parameter_info
    if not isinstance(kind, type) or info.parser is not None or getattr(info, "click_type", None) is not None:
        return _LEFT_TO_TYPER
    if type(value) is kind:  # a text, or a default
        return value
    if issubclass(kind, Enum):
        return next((choice for choice in kind if choice.value == value), _LEFT_TO_TYPER)
    if kind is Path and isinstance(value, str):
        return _LEFT_TO_TYPER if _is_doubtful(value, info) else Path(value)
    if kind is float and type(value) is int:  # a default
        return float(value)
    if kind in (int, float) and isinstance(value, str):
        return _number(value, kind, info)
    return _LEFT_TO_TYPER


def _number(text: str, kind: type[int] | type[float], info: Any) -> Any:
    digits = text.removeprefix("-").replace(".", "", 1 if kind is float else 0)
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= _LONGEST_NUMBER):
        return _LEFT_TO_TYPER
    number = kind(text)
    least = -math.inf if info.min is None else info.min
    most = math.inf if info.max is None else info.max
    return number if least <= number <= most else _LEFT_TO_TYPER


def _is_doubtful(path: str, info: Any) -> bool:
    """Whether Typer would look at the file: an option may demand something of it, and one that exists has to be readable."""
    demands = info.exists or info.resolve_path or info.writable or not (info.file_okay and info.dir_okay)
    return demands or (is_there(Path(path)) and not os.access(path, os.R_OK))
