"""Values that know where they came from, so that an error can name the file and line, the flag or the variable."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Origin(Struct, frozen=True):
    """Where a value came from: `flag --region`, `environment AWS_REGION`, `configs/local.yaml:7`, `default`."""

    text: str

    def __str__(self) -> str:
        return self.text


DEFAULT = Origin("default")


class Located(Struct, frozen=True):
    """A value and where it came from."""

    value: Any
    origin: Origin
