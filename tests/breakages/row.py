"""A row of the table: one way to break a stack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.breakages.world import World

PRINTED: Final = "the printed fix command"
FIX: Final = "doctor --fix"


@dataclass(frozen=True)
class Repair:
    """What makes it well again where no command does: words for the table, and the doing of it."""

    words: str
    do: Callable[[World], object]


@dataclass(frozen=True)
class Breakage:
    """One way to break a stack.

    name      what happened, as the table says it
    area      of what kind it is; the sample in the suite has one row of each
    break_it  does it, by real calls of AWS's API (or in the application's files)
    code      the one check that must fail (with `warns`, warn); nothing else may change for the worse
    repair    PRINTED: the command that `doctor` prints; FIX: `doctor --fix`; else what a person has to do
    also      checks that may fail beside it, because it is two things at once
    """

    name: str
    area: str
    break_it: Callable[[World], object]
    code: str
    repair: Repair | str = PRINTED
    warns: bool = False
    also: tuple[str, ...] = ()
