"""The report of a load test: the fields of `--json`, which the table and the HTML page show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from whatschat_ops.load.deliveries import Deliveries, percent
from whatschat_ops.load.plan import Limits, LoadPlan
from whatschat_ops.load.timeline import Point
from whatschat_ops.measure.histogram import Column, Latency


@dataclass(frozen=True, slots=True)
class Sockets:
    """`attempted` = opened + refused + abandoned (Ctrl-C while opening).

    `refused` by HTTP status, or by the kind of error. `cut`: closed by the other side before the end, by close code.
    `not_closed`: at the end, the other side did not answer the close in time.
    """

    attempted: int
    opened: int
    refused: Mapping[str, int]
    cut: Mapping[str, int]
    not_closed: int
    first_refusal: str
    opened_per_s: float | None


@dataclass(frozen=True, slots=True)
class Tool:
    """The load on this program itself.

    `send_delay` is how much later than scheduled messages were sent; `cpu_share` is processor time divided by time (1: one
    core was busy all the time) of the busier of the phases ramp and steady. With either of them high, the figures are of this machine and not of the API.
    """

    send_delay: Latency
    cpu_share: float
    skipped: int
    """Turns skipped because the socket was still sending the last message."""
    not_sent: int
    """Messages not sent because the socket had been closed."""


@dataclass(frozen=True, slots=True)
class WorkerFigures:
    """One worker of a distributed test. `missing`: why it has no figures; the others are then 0."""

    worker: int
    opened: int = 0
    sent: int = 0
    arrived: int = 0
    lost: int = 0
    cpu_share: float = 0.0
    send_delay_p99_ms: float | None = None
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Charts:
    """Distributions, for drawing."""

    handshake: tuple[Column, ...]
    ping: tuple[Column, ...]
    message: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class LoadReport:
    """One load test. `sent_per_s` and `arrived_per_s` are of the steady phase, None when there was none."""

    started_at: datetime
    interrupted: bool
    plan: LoadPlan
    ramp_s: float
    steady_s: float
    drain_s: float
    sockets: Sockets
    handshake: Latency
    ping: Deliveries
    message: Deliveries
    receipts: int
    errors: Mapping[str, int]
    strange: int
    sent_per_s: float | None
    arrived_per_s: float | None
    tool: Tool
    timeline: tuple[Point, ...]
    charts: Charts
    workers: tuple[WorkerFigures, ...] = ()
    """Of a distributed test. Without the figures of those that are missing, its sums are too low."""

    @property
    def missing(self) -> tuple[WorkerFigures, ...]:
        """The workers without figures."""
        return tuple(worker for worker in self.workers if worker.missing)

    @property
    def loss_percent(self) -> float | None:
        """Lost arrivals in percent of all expected; None when that is nothing."""
        return percent(self.ping.lost + self.message.lost, self.ping.expected + self.message.expected)

    @property
    def unmatched(self) -> int:
        """Answers without an id, which cannot be matched to their message."""
        return self.ping.unmatched + self.message.unmatched


def exceeded(report: LoadReport, limits: Limits) -> tuple[str, ...]:
    """Which limits the test exceeded, in sentences. A test that measured nothing meets no limit."""
    found: list[str] = []
    if limits.max_loss_percent is not None:
        if report.loss_percent is None:
            found.append("No message was sent, so nothing is known of its loss.")
        elif report.missing:
            found.append(f"The loss is not known: {missing_workers(report)}.")
        elif report.unmatched:
            found.append(f"The loss is not known: {unmatched_answers(report)}.")
        elif report.loss_percent > limits.max_loss_percent:
            found.append(
                f"{report.loss_percent:.3g} % were lost; the limit is {limits.max_loss_percent:g} %."
            )
    if limits.max_p95_ms is not None:
        measured = [
            (name, kind.latency.p95_ms)
            for name, kind in (
                ("round trip of a ping", report.ping),
                ("delivery of a message", report.message),
            )
            if kind.latency.p95_ms is not None
        ]
        if not measured:
            found.append("Nothing arrived, so no 95th percentile is known.")
        found += [
            f"The 95th percentile of the {name} is {p95_ms:,.1f} ms; the limit is {limits.max_p95_ms:g} ms."
            for name, p95_ms in measured
            if p95_ms > limits.max_p95_ms
        ]
    return tuple(found)


def unmatched_answers(report: LoadReport) -> str:
    """Why latency and loss are not known; empty when they are."""
    if not report.unmatched:
        return ""
    return f"{report.unmatched:,} answers could not be matched: the handlers return no id"


def missing_workers(report: LoadReport) -> str:
    """Which workers have no figures, and why the first has none; empty when all have."""
    missing = report.missing
    if not missing:
        return ""
    numbers = ", ".join(str(worker.worker) for worker in missing)
    return (
        f"{len(missing)} of {len(report.workers)} workers have no figures ({numbers}): {missing[0].missing}"
    )


_BUSY_CPU_SHARE = 0.85
_LATE_MS = 50.0


def overload(report: LoadReport) -> str:
    """A warning when this machine, not the API, may be what was measured; empty otherwise."""
    tool = report.tool
    if tool.cpu_share < _BUSY_CPU_SHARE and (tool.send_delay.p99_ms or 0.0) < _LATE_MS:
        return ""
    return (
        "This program was at its limit, so latencies may be its own: "
        "use fewer sockets, a longer --interval, or several machines."
    )


def latencies(report: LoadReport) -> tuple[tuple[str, Latency], ...]:
    """The latencies by name, without empty ones."""
    every = (
        ("Handshake", report.handshake),
        ("Ping and answer", report.ping.latency),
        ("Message to a user", report.message.latency),
    )
    return tuple((name, latency) for name, latency in every if latency.count)


def deliveries(report: LoadReport) -> tuple[tuple[str, Deliveries], ...]:
    """The deliveries by name, without empty ones."""
    every = (("Pings", report.ping), ("Messages to users", report.message))
    return tuple((name, kind) for name, kind in every if kind.sent)


def in_words(counts: Mapping[str, int]) -> str:
    """`12 × 429, 3 × unavailable`, the most frequent first; empty when there is nothing."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count:,} × {name}" for name, count in ordered)
