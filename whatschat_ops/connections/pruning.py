"""Deleting rows of connections that are over: expired ones and, when asked to probe, those whose socket is gone.

rows ──▶ first_look ──▶ leave it │ it is dead │ ask API Gateway ──▶ delete, if the row is still as it was read

No row of a live connection is deleted. So an expired row is believed only when its connection must have ended (API Gateway
ends every connection after 2 hours: "API Gateway quotas", WebSocket connection duration) and is probed otherwise; and a
socket that is gone is not believed in the first minute, when `$connect` may have written the row of a socket that is
still being opened (the handshake may take 29 s).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum, auto
from typing import Final, Protocol

from whatschat_ops.connections.parallel import FATAL, in_threads
from whatschat_ops.connections.store import Connection
from whatschat_ops.connections.tally import Outcome, RowFailure, Tally
from whatschat_ops.errors import AwsError
from whatschat_ops.quotas import MAX_CONNECTION_S

LONGEST_CONNECTION: Final = timedelta(seconds=MAX_CONNECTION_S)
CLOCKS_MAY_DIFFER: Final = timedelta(minutes=10)
OPENING: Final = timedelta(minutes=1)


class Rows(Protocol):
    """What pruning needs of a `ConnectionStore`."""

    def scan(self, *, include_expired: bool = False) -> Iterator[Connection]:
        """Every row."""
        ...

    def prune(self, connection: Connection) -> bool:
        """Delete it if it was not written again."""
        ...

    def prune_expired(self, connection: Connection) -> bool:
        """Delete it if it is as it was read, its end of life included."""
        ...


class Prober(Protocol):
    """What pruning needs of `Sockets`."""

    def is_open(self, connection_id: str) -> bool:
        """Whether API Gateway knows the socket."""
        ...


class Look(Enum):
    """What a row says by itself."""

    LEAVE = auto()
    ASK = auto()
    DEAD = auto()


class Mark(StrEnum):
    """What is counted, as the fields of the report are named."""

    SCANNED = "scanned"
    EXPIRED = "expired"
    PROBED = "probed"
    LIVE = "live"
    GONE = "gone"
    YOUNG = "young"
    PRUNABLE = "prunable"
    PRUNED = "pruned"
    KEPT = "kept"
    FAILED = "failed"


class Probe(Enum):
    """What a probe found, and what it counts as."""

    LIVE = (Mark.LIVE,)
    GONE = (Mark.GONE,)
    YOUNG = (Mark.GONE, Mark.YOUNG)
    """Gone, but perhaps just being opened."""


@dataclass(frozen=True, slots=True)
class PruneReport:
    """How it went.

    `live`, `gone` and probes that failed add up to `probed`. `young`: gone by the probe, but perhaps just being opened: left
    alone. `prunable`: rows that were to be deleted; `pruned` are, `kept` were changed meanwhile, the rest failed.
    """

    dry_run: bool
    scanned: int
    expired: int
    probed: int
    live: int
    gone: int
    young: int
    prunable: int
    pruned: int
    kept: int
    failed: int
    failures: tuple[RowFailure, ...]


def first_look(row: Connection, now: datetime, *, probe: bool) -> Look:
    """What to do about a row. `now` is aware; with `probe` every row that is not dead for certain is asked about."""
    if not row.expired_by(now):
        return Look.ASK if probe else Look.LEAVE
    began = row.connected_at or row.ttl  # no row is written after its end of life, so it began before
    assert began is not None  # an expired row has a ttl
    return Look.DEAD if now - began > LONGEST_CONNECTION + CLOCKS_MAY_DIFFER else Look.ASK


def prune(
    rows: Rows,
    prober: Prober,
    *,
    probe: bool,
    dry_run: bool = False,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    progress: Callable[[PruneReport], None] = lambda _: None,
) -> PruneReport:
    """Look at every row and delete the dead ones; with `dry_run` only say which would be.

    `progress` is called in this thread with the counts so far. Raises what would be the same for all rows:
    PermissionDenied, CredentialsError, NotFound (no table).
    """
    tally = Tally()
    work = _Work(rows, prober, dry_run, now)
    scanned, expired = Mark.SCANNED.value, Mark.EXPIRED.value

    def to_do() -> Iterator[tuple[Connection, Look]]:
        for row in rows.scan(include_expired=True):
            moment = now()
            look = first_look(row, moment, probe=probe)
            tally.counts[scanned] += 1
            tally.counts[expired] += row.expired_by(moment)
            if look is not Look.LEAVE:
                yield row, look

    for outcome in in_threads(to_do(), lambda item: work.outcome(*item)):
        tally.add(outcome)
        progress(_report(tally, dry_run))
    return _report(tally, dry_run)


@dataclass(frozen=True, slots=True)
class _Work:
    rows: Rows
    prober: Prober
    dry_run: bool
    now: Callable[[], datetime]

    def outcome(self, row: Connection, look: Look) -> Outcome:
        """Probe a row if need be, and delete it if it is dead."""
        marks: list[Mark] = []
        dead = look is Look.DEAD
        try:
            if look is Look.ASK:
                marks.append(Mark.PROBED)
                found = self._probe(row)
                marks += found.value
                dead = found is Probe.GONE
            if dead:
                marks.append(Mark.PRUNABLE)
            if dead and not self.dry_run:
                delete = self.rows.prune_expired if look is Look.DEAD else self.rows.prune
                marks.append(Mark.PRUNED if delete(row) else Mark.KEPT)
        except FATAL:
            raise
        except AwsError as error:
            return Outcome(row.connection_id, (*marks, Mark.FAILED), error)
        return Outcome(row.connection_id, tuple(marks))

    def _probe(self, row: Connection) -> Probe:
        if self.prober.is_open(row.connection_id):
            return Probe.LIVE
        young = row.connected_at is not None and self.now() - row.connected_at < OPENING
        return Probe.YOUNG if young else Probe.GONE


def _report(tally: Tally, dry_run: bool) -> PruneReport:
    return PruneReport(dry_run=dry_run, failures=tuple(tally.failures), **tally.by_name(Mark))
