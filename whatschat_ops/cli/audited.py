"""The declaration of a command that changes something in AWS: what of it stands in the audit log.

    @audited(user_id="user", everyone="all_users", shows=("closed", "gone", "failed"))
    def disconnect(run: Run, user: ..., all_users: ...) -> None:

Such a command has the option `--reason`. `auditing.py` writes the entry. Imports nothing that a start would pay for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

F = TypeVar("F", bound=Callable[..., None])

_ATTRIBUTE: Final = "_audited"


class Audited(NamedTuple):
    """`target`: key in the entry -> parameter of the command. `shows`: fields of its result that tell how it ended."""

    target: Mapping[str, str]
    shows: Sequence[str]


def audited(*, shows: Sequence[str] = (), **target: str) -> Callable[[F], F]:
    """Declare a command's entry; see `Audited`."""

    def declare(function: F) -> F:
        setattr(function, _ATTRIBUTE, Audited(target, shows))
        return function

    return declare


def declaration(function: Callable[..., None]) -> Audited | None:
    """What was declared of a command; None when it changes nothing in AWS."""
    found: Audited | None = getattr(function, _ATTRIBUTE, None)
    return found
