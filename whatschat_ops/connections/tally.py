"""What became of each row, added up: counts by mark, and the first few failures in words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from whatschat_ops.errors import AwsError

_FAILURES_KEPT: Final = 20


@dataclass(frozen=True, slots=True)
class RowFailure:
    """One row that failed, and why."""

    connection_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row: the counts that it adds one to, and why it failed if it did."""

    connection_id: str
    marks: tuple[StrEnum, ...]
    error: AwsError | None = None


@dataclass(slots=True)
class Tally:
    """Counts by the values of marks (an enum's own hash is slow). Memory does not grow with the rows."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[RowFailure] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count one row."""
        self.count(*outcome.marks)
        if outcome.error is not None and len(self.failures) < _FAILURES_KEPT:
            self.failures.append(RowFailure(outcome.connection_id, outcome.error.message))

    def count(self, *marks: StrEnum) -> None:
        """Add one to each of these counts."""
        self.counts.update(mark.value for mark in marks)

    def by_name(self, marks: type[StrEnum]) -> dict[str, int]:
        """The counts of these marks, as the fields of a report are named."""
        return {mark.value: self.counts[mark.value] for mark in marks}
