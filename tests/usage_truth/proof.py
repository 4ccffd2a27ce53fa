"""What was measured beside what those know who did it, and the bill of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from tests.local.conftest import EmbeddedAws
from tests.usage_truth import sources
from tests.usage_truth.doing import Cli, Truth
from whatschat_ops.usage.measured import Bounded, Name

Said = Mapping[str, Bounded]
CALLS: Final = "calls.csv"


@dataclass(frozen=True)
class Row:
    """A quantity: what `who` knows, and what `source` measured."""

    what: str
    who: str
    known: str
    source: str
    measured: str
    is_equal: bool


@dataclass(frozen=True)
class World:
    """The traffic, and where its traces are."""

    aws: EmbeddedAws
    cli: Cli
    truth: Truth
    folder: Path
    lasted_ms: Mapping[str, int]
    lambda_gb_seconds: Decimal

    def actual(self, *sources: str) -> list[Mapping[str, Any]]:
        """What `cost actual` says of each source."""
        words = [word for source in sources for word in ("--from", source)]
        found = self.cli.json("cost", "actual", "--since", f"{self.truth.since:%Y-%m-%dT%H:%M:%SZ}", *words)
        return [dict(each) for each in found["sources"]]


def world(aws: EmbeddedAws, cli: Cli, truth: Truth, folder: Path) -> World:
    """Exports what was logged."""
    exported = sources.export(aws, truth, folder / "logs")
    sources.attendances(truth, folder / CALLS)
    return World(aws, cli, truth, exported, sources.lasted_ms(exported), sources.billed_gb_seconds(exported))


def quantities_of(source: Mapping[str, Any]) -> dict[str, Bounded]:
    """Of a source as JSON."""
    return {
        name: Bounded(Decimal(amount["low"]), Decimal(amount["high"]))
        for name, amount in source["quantities"].items()
        if amount is not None
    }


def rows(world: World) -> Iterator[Row]:
    """Every quantity that somebody knows, by every source that measures it."""
    truth = world.truth
    logs, cloudwatch, ledger, calls = map(
        quantities_of, world.actual("logs", "cloudwatch", "ledger", f"calls={world.folder.parent / CALLS}")
    )
    (files,) = map(quantities_of, world.actual(f"logs={world.folder / 'all'}"))
    (own,) = map(quantities_of, world.actual(f"logs={world.folder / 'own'}"))
    minutes = Decimal(sum(world.lasted_ms.values())) / 60_000
    load = "load test, own sockets"
    of_logs: dict[Name, tuple[str, str, Decimal | int]] = {
        "inbound_messages": ("Messages from clients", load, truth.inbound),
        "outbound_messages": ("Messages to clients", f"{load}, journal", truth.outbound),
        "websocket_messages": ("Messages, units of 32 KB", f"{load}, journal", truth.units),
        "inbound_bytes": ("Bytes from clients", load, truth.inbound_bytes),
        "connections": ("Connections", load, truth.connections),
        "websocket_connection_minutes": ("Connection minutes", "access lines, added up here", minutes),
    }
    for name, (what, who, known) in of_logs.items():
        yield _row(what, who, known, "log groups", logs.get(name))
        yield _row(what, who, known, "log files", files.get(name))
    yield _row("Bytes to clients, own sockets", "own sockets", truth.outbound_bytes, "log files", own.get("outbound_bytes"))  # fmt: skip
    yield _seconds(world, own)
    yield _row("Messages", f"{load}, journal", truth.messages, "cloudwatch", cloudwatch.get("messages"))
    yield _row("Connections", load, truth.connections, "cloudwatch", cloudwatch.get("connections"))
    invocations = cloudwatch["lambda_requests"].low
    yield _row("Lambda requests", "CloudWatch", invocations, "log groups", logs.get("lambda_requests"))
    yield _row("Lambda requests", "CloudWatch", invocations, "log files", files.get("lambda_requests"))
    billed = world.lambda_gb_seconds
    yield _row("Lambda GB-seconds", "REPORT lines, added up here", billed, "log files", files.get("lambda_duration_arm64"))  # fmt: skip
    for source, said in (("ledger", ledger), ("calls", calls)):
        attended = len(truth.attendances)
        yield _row("Meetings", "simulator", truth.meetings, source, said.get("meetings"))
        yield _row("Attendances", "simulator", attended, source, said.get("attendances"))
        yield _row("Attendee-minutes", "simulator", truth.attendee_minutes, source, said.get("chime_audio"))


def _row(what: str, who: str, known: Decimal | int, source: str, found: Bounded | None) -> Row:
    return Row(what, who, f"{known:,}", source, _shown(found), found == Bounded.exactly(Decimal(known)))


def _shown(found: Bounded | None) -> str:
    if found is None:
        return "not measured"
    return f"{found.low:,f}" if found.is_exact else f"{found.low:,f} to {found.high:,f}"


def _seconds(world: World, own: Said) -> Row:
    """Own sockets know between which times they were open: what was measured lies there."""
    low = sum(least for least, _ in world.truth.sockets_s.values())
    high = sum(most for _, most in world.truth.sockets_s.values())
    found = own.get("websocket_connection_minutes")
    seconds = Decimal(-1) if found is None else found.low * 60
    known = f"{low:.3f} to {high:.3f}"
    return Row("Connection seconds, own sockets", "own sockets", known, "log files", f"{seconds:.3f}", low <= seconds <= high)  # fmt: skip


@dataclass(frozen=True)
class BilledRow:
    """A line of `cost reconcile`."""

    usage_type: str
    measured: str
    billed: str
    gap: str
    gap_usd: str

    @property
    def is_equal(self) -> bool:
        """Whether there is no gap."""
        return Decimal(self.gap) == Decimal(self.gap_usd) == 0


def billed(world: World) -> Iterator[BilledRow]:
    """`cost reconcile` of a bill that is made of what was done, with what the sources measured."""
    (cloudwatch,) = map(quantities_of, world.actual("cloudwatch"))
    known = {
        **{name: amount.low for name, amount in cloudwatch.items() if amount.is_exact},
        "websocket_messages": Decimal(world.truth.units),
        "websocket_connection_minutes": Decimal(sum(world.lasted_ms.values())) / 60_000,
        "chime_audio": world.truth.attendee_minutes,
    }
    path = sources.bill(known, world.truth.since, world.folder.parent / "cur2.csv.gz")
    found = world.cli.json(
        "cost", "reconcile", "--bill", str(path), "--from", "logs", "--from", "cloudwatch", "--from", "ledger"
    )  # fmt: skip
    for line in found["lines"]:
        if line["bill"] is not None:
            low, gap = line["measured"]["quantity"]["low"], line["gap"]
            yield BilledRow(
                " ".join(line["usage_types"]),
                low,
                line["bill"]["quantity"]["low"],
                gap["quantity"],
                gap["cost"],
            )
