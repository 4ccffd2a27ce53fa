"""All checks, and which of them a run makes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from whatschat_ops.choices import did_you_mean
from whatschat_ops.doctor.areas import (
    api,
    app,
    capacity,
    chime,
    functions,
    logs,
    migration,
    permissions,
    secret,
    serving,
    sockets,
    stack,
    table,
)
from whatschat_ops.doctor.check import Check
from whatschat_ops.errors import UsageError

CHECKS: Final[tuple[Check, ...]] = (
    *stack.CHECKS,
    *api.CHECKS,
    *serving.CHECKS,
    *functions.CHECKS,
    *table.CHECKS,
    *permissions.CHECKS,
    *secret.CHECKS,
    *logs.CHECKS,
    *capacity.CHECKS,
    *migration.CHECKS,
    *sockets.CHECKS,
    *chime.CHECKS,
    *app.CHECKS,
)
"""In the order in which they are shown."""


def chosen(
    area: str | None = None, *, only: Collection[str] = (), skip: Collection[str] = ()
) -> tuple[Check, ...]:
    """The checks of an area (None: all), with the causes of theirs from other areas; or those of `only`, by code or name.

    Raises UsageError for a code that no check has.
    """
    _require_known({*only, *skip})
    if only:
        wanted = [check for check in CHECKS if _is_one_of(check, only)]
    else:
        wanted = [check for check in CHECKS if area in (None, check.area)]
        wanted = with_causes(wanted, CHECKS)
    return tuple(check for check in wanted if not _is_one_of(check, skip))


def with_causes(checks: Iterable[Check], every: Sequence[Check]) -> list[Check]:
    """These checks and, at any remove, the causes of theirs, in the order of `every`."""
    by_code = {check.code: check for check in every}
    found, pending = set(), [check.code for check in checks]
    while pending:
        code = pending.pop()
        if code not in found:
            found.add(code)
            pending.extend(by_code[code].causes)
    return [check for check in every if check.code in found]


def _is_one_of(check: Check, words: Collection[str]) -> bool:
    return bool({check.code, check.name} & set(words))


def _require_known(words: Iterable[str]) -> None:
    for word in words:
        if not any(_is_one_of(check, [word]) for check in CHECKS):
            raise UsageError(
                f"No check has the code {word!r}.{did_you_mean(word, [name for check in CHECKS for name in (check.code, check.name)])}",
                hint=f"The codes are {CHECKS[0].code} to {CHECKS[-1].code}; see docs/doctor.md.",
            )
