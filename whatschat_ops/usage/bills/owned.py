"""Which rows of a bill are the stack's: those with its tag, or with the id of one of its resources.

A row without either says nothing; nor does an id of a service that has no names (an API, a meeting), unless it is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_NAMED: Final = r"^arn:[\w-]+:(lambda|dynamodb|logs|states|s3):"
_APIS: Final = r"^arn:[\w-]+:apigateway:.*/apis/"


@dataclass(frozen=True, slots=True)
class Owned:
    """What marks the stack's rows. `pattern` and `others` are regular expressions (RE2) of resource ids."""

    tag: str
    pattern: str
    others: str

    @classmethod
    def of(cls, tag: str, names: Iterable[str], api_id: str | None = None) -> Owned:
        """The stack with this tag and these names of functions, tables, log groups and others."""
        ids = [*names, *([api_id] if api_id else [])]
        words = "|".join(re.escape(name) for name in ids if name)
        return cls(
            tag,
            rf"(^|[:/])({words})([:/].*)?$" if words else "^$.",
            f"{_NAMED}|{_APIS}" if api_id else _NAMED,
        )
