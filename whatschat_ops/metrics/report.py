"""What `metrics show` tells: the typed result, whose JSON is the contract."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from whatschat_ops.metrics.figures import Figure
from whatschat_ops.metrics.open_connections import OpenConnections
from whatschat_ops.metrics.probes import Probes

SHOWN: Final = "shown"
PARTLY_SHOWN: Final = "partly shown"
NO_PERMISSION: Final = "no permission"


@dataclass(frozen=True, slots=True)
class Section:
    """Figures of one service. `status`: shown, partly shown or no permission; `refused`: the operations that IAM does not allow."""

    title: str
    status: str
    figures: tuple[Figure, ...]
    refused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cost:
    """What this look cost. `usd` is None, "not found", if the card does not have the price of a requested metric."""

    metrics_requested: int
    usd: Decimal | None
    price_source: str | None


@dataclass(frozen=True, slots=True)
class MetricsReport:
    """The metrics of a stack from `since` until before `until`. Values from `incomplete_from` on may still grow.

    `doctor_probes` is what `doctor` did in that time: it is in the counts, and not in the error rate of the API.
    """

    stack: str
    region: str
    since: datetime
    until: datetime
    period_s: int
    incomplete_from: datetime
    compared: bool
    open_connections: OpenConnections
    doctor_probes: Probes
    sections: tuple[Section, ...]
    cost: Cost

    @property
    def refused(self) -> tuple[str, ...]:
        """The operations that IAM does not allow the caller, each once."""
        return tuple(dict.fromkeys(self._refused()))

    def _refused(self) -> Iterator[str]:
        for part in (self.open_connections, self.doctor_probes):
            if part.refused:
                yield part.refused
        for section in self.sections:
            yield from section.refused
