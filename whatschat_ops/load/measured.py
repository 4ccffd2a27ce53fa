"""What a load test measured, in a form that adds up: of one process, or of several that ran at the same time. Pure.

Percentiles cannot be added up, so the distributions are kept, and percentiles are made of their sum.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any

from whatschat_ops.load.deliveries import Kind
from whatschat_ops.load.plan import LoadPlan
from whatschat_ops.load.report import Charts, LoadReport, Sockets, Tool, WorkerFigures
from whatschat_ops.load.timeline import Point, Second
from whatschat_ops.measure.histogram import BucketCount, Histogram


@dataclass(slots=True)
class Measured:
    """All that a load test counted. `phases_s` has how long each phase took; the rates are of the steady phase, None without one."""

    started_at: datetime
    interrupted: bool
    phases_s: dict[str, float]
    attempted: int
    opened: int
    refused: Counter[str]
    cut: Counter[str]
    not_closed: int
    first_refusal: str
    handshake: Histogram
    pings: Kind
    messages: Kind
    receipts: int
    errors: Counter[str]
    strange: int
    sent_per_s: float | None
    arrived_per_s: float | None
    send_delay: Histogram
    cpu_share: float
    skipped: int
    not_sent: int
    timeline: list[Second] = field(default_factory=list)

    def to_bytes(self) -> bytes:
        """As JSON."""
        return json.dumps({each.name: _plain(getattr(self, each.name)) for each in fields(self)}).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Measured:
        """From JSON. Raises ValueError, TypeError or KeyError when another version wrote it."""
        found = json.loads(content)
        for name in ("refused", "cut", "errors"):
            found[name] = Counter(found[name])
        for name in ("handshake", "send_delay"):
            found[name] = _histogram(found[name])
        for name in ("pings", "messages"):
            found[name] = Kind(**{**found[name], "latency": _histogram(found[name]["latency"])})
        timeline = [Second(Point(**each["point"]), _counts(each["latencies"])) for each in found["timeline"]]
        return cls(
            **{**found, "started_at": datetime.fromisoformat(found["started_at"]), "timeline": timeline}
        )


def merged(parts: Sequence[Measured]) -> Measured:
    """What several processes measured, as one. Rates are added, times are those of the slowest, `cpu_share` that of the busiest."""
    names = sorted({name for part in parts for name in part.phases_s})

    def added(name: str) -> Any:
        """A number, or numbers by name."""
        values = [getattr(part, name) for part in parts]
        return sum(values[1:], start=values[0])

    return Measured(
        started_at=min(part.started_at for part in parts),
        interrupted=any(part.interrupted for part in parts),
        phases_s={name: max(part.phases_s.get(name, 0.0) for part in parts) for name in names},
        attempted=added("attempted"),
        opened=added("opened"),
        refused=added("refused"),
        cut=added("cut"),
        not_closed=added("not_closed"),
        first_refusal=next((part.first_refusal for part in parts if part.first_refusal), ""),
        handshake=_sum_of([part.handshake for part in parts]),
        pings=_kind_of([part.pings for part in parts]),
        messages=_kind_of([part.messages for part in parts]),
        receipts=added("receipts"),
        errors=added("errors"),
        strange=added("strange"),
        sent_per_s=_rate_of([part.sent_per_s for part in parts]),
        arrived_per_s=_rate_of([part.arrived_per_s for part in parts]),
        send_delay=_sum_of([part.send_delay for part in parts]),
        cpu_share=max(part.cpu_share for part in parts),
        skipped=added("skipped"),
        not_sent=added("not_sent"),
        timeline=_timeline_of(parts),
    )


def report_of(plan: LoadPlan, measured: Measured, workers: tuple[WorkerFigures, ...] = ()) -> LoadReport:
    """The report of a test with this plan."""
    phases_s, pings, messages = measured.phases_s, measured.pings, measured.messages
    ramp_s = phases_s.get("ramp", 0.0)
    return LoadReport(
        started_at=measured.started_at,
        interrupted=measured.interrupted,
        plan=plan,
        ramp_s=ramp_s,
        steady_s=phases_s.get("steady", 0.0),
        drain_s=phases_s.get("drain", 0.0),
        sockets=Sockets(
            attempted=measured.attempted,
            opened=measured.opened,
            refused=dict(measured.refused),
            cut=dict(measured.cut),
            not_closed=measured.not_closed,
            first_refusal=measured.first_refusal,
            opened_per_s=measured.opened / ramp_s if ramp_s else None,
        ),
        handshake=measured.handshake.latency(),
        ping=pings.deliveries(),
        message=messages.deliveries(),
        receipts=measured.receipts,
        errors=dict(measured.errors),
        strange=measured.strange,
        sent_per_s=measured.sent_per_s,
        arrived_per_s=measured.arrived_per_s,
        tool=Tool(measured.send_delay.latency(), measured.cpu_share, measured.skipped, measured.not_sent),
        timeline=tuple(second.point for second in measured.timeline),
        charts=Charts(measured.handshake.columns(), pings.latency.columns(), messages.latency.columns()),
        workers=workers,
    )


def _kind_of(kinds: Sequence[Kind]) -> Kind:
    counts = [each.name for each in fields(Kind) if each.name != "latency"]
    sums = {name: sum(getattr(kind, name) for kind in kinds) for name in counts}
    return Kind(**sums, latency=_sum_of([kind.latency for kind in kinds]))


def _sum_of(histograms: Sequence[Histogram]) -> Histogram:
    return Histogram(each for histogram in histograms for each in histogram.counted())


def _rate_of(rates_per_s: Sequence[float | None]) -> float | None:
    known = [rate for rate in rates_per_s if rate is not None]
    return sum(known) if known else None


def _timeline_of(parts: Sequence[Measured]) -> list[Second]:
    """Second by second on one clock, from the start of the first process on."""
    started_at = min(part.started_at for part in parts)
    seconds: defaultdict[int, list[tuple[int, Second]]] = defaultdict(list)
    for number, part in enumerate(parts):
        offset_s = (part.started_at - started_at).total_seconds()
        for second in part.timeline:
            seconds[round(offset_s + second.point.at_s)].append((number, second))
    open_of: dict[int, int] = {}
    found = []
    for at_s in sorted(seconds):
        open_of |= {number: second.point.open_sockets for number, second in seconds[at_s]}
        found.append(_second_of(at_s, sum(open_of.values()), [second for _, second in seconds[at_s]]))
    return found


def _second_of(at_s: int, open_sockets: int, seconds: Sequence[Second]) -> Second:
    counted = [each for second in seconds for each in second.latencies]
    latency = Histogram(counted).latency()
    sums = {
        name: sum(getattr(second.point, name) for second in seconds)
        for name in ("opened", "refused", "cut", "sent", "arrived", "errors")
    }
    point = Point(
        at_s=float(at_s),
        phase=seconds[0].point.phase,
        open_sockets=open_sockets,
        p50_ms=latency.p50_ms,
        p95_ms=latency.p95_ms,
        max_ms=latency.max_ms,
        **sums,
    )
    return Second(point, counted)


def _plain(value: Any) -> Any:
    match value:
        case Histogram():
            return value.counted()
        case Kind():
            return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
        case datetime():
            return value.isoformat()
        case list():
            return [{"point": asdict(each.point), "latencies": each.latencies} for each in value]
        case Mapping():
            return dict(value)
        case _:
            return value


def _histogram(found: Sequence[Sequence[int]]) -> Histogram:
    return Histogram(_counts(found))


def _counts(found: Sequence[Sequence[int]]) -> list[BucketCount]:
    return [BucketCount(*each) for each in found]
