"""What differs from the settings, taken from `status`, and checks that each watch a part of it.

A field whose wanted value is known only after apply follows from another difference, which is named instead of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from whatschat_ops.doctor.check import Check, Finding, Repair, fail, ok
from whatschat_ops.doctor.facts import Facts
from whatschat_ops.errors import PROVISION, Hint
from whatschat_ops.stack.status import ResourceStatus, StackStatus

_MOST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference: a field of a resource, or (field "") the resource itself, which is missing or not wanted."""

    address: str
    field: str
    words: str

    def is_of(self, patterns: Iterable[str]) -> bool:
        """Whether it is watched by one of these: `stage.*` is all of it, `stage.*:` its absence, `stage.*:tags` one field."""
        return any(self._fits(pattern) for pattern in patterns)

    def _fits(self, pattern: str) -> bool:
        address, colon, field = pattern.partition(":")
        return fnmatchcase(self.address, address) and (not colon or fnmatchcase(self.field, field))


def drift_of(status: StackStatus) -> list[Drift]:
    """Everything that is not as the settings want it."""
    return [drift for resource in status.resources for drift in _drift(resource)]


def _drift(resource: ResourceStatus) -> Iterable[Drift]:
    if resource.state not in ("in sync", "drifted"):
        yield Drift(resource.address, "", resource.state)
    for change in resource.drift:
        if not change.known_after_apply:
            yield Drift(resource.address, change.field, _difference(change.old, change.new))


def _difference(old: Any, new: Any) -> str:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        names = sorted(key for key in {**old, **new} if old.get(key) != new.get(key))
        return f"differs in {', '.join(names)}"
    return f"is {_short(old)}, not {_short(new)}"


def _short(value: Any) -> str:
    text = "not set" if value is None else str(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def words_of(found: Iterable[Drift]) -> str:
    """Several in one line."""
    return "; ".join(
        " ".join(filter(None, (f"{each.address}{f'.{each.field}' if each.field else ''}", each.words)))
        for each in found
    )


def examine_drift(
    watches: tuple[str, ...], fine: str, wrong: str, fix: Hint = PROVISION
) -> Callable[[Facts], Finding]:
    """The function of a check that fails when anything that it watches differs from the settings."""

    def examine(facts: Facts) -> Finding:
        found = [each for each in drift_of(facts.status) if each.is_of(watches)]
        if not found:
            return ok(fine)
        where = ", ".join(dict.fromkeys(each.address for each in found))
        return fail(f"{wrong}: {where}.", fix, f"status: {words_of(found)}")

    return examine


def drift_check(
    code: str,
    name: str,
    question: str,
    watches: tuple[str, ...],
    fine: str,
    wrong: str,
    causes: tuple[str, ...],
    meaning: str,
) -> Check:
    """A check that watches a part of the drift and is fixed by provisioning."""
    return Check(
        code,
        name,
        question,
        examine_drift(watches, fine, wrong),
        causes,
        watches=watches,
        meaning=meaning,
        fix=PROVISION,
        repair=Repair.PROVISION,
    )
