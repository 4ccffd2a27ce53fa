"""What broadcasts sent: their journals on this machine know every message, which no log has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from whatschat_ops.usage.measured import Bounded, Findings, Measured, Name, gigabytes, message_units

if TYPE_CHECKING:
    from whatschat_ops.broadcast.journal.summary import RunSummary

CROSSING = "a broadcast that began in the interval and ended after it: counted as a whole"
IN_DOUBT = "a message of a broadcast that may have been sent twice: 1 or 2"


@dataclass(frozen=True, slots=True)
class Broadcasts:
    """Journals to read. `stack` chooses those of one stack; None: all."""

    directory: Path
    stack: str | None = None


def with_broadcasts(measured: Measured, broadcasts: Broadcasts | None) -> Measured:
    """The measurement with what broadcasts sent that began in its interval."""
    if broadcasts is None or not any(
        broadcasts.directory.glob("*")
    ):  # without one, nothing of broadcasts is imported
        return measured
    from whatschat_ops.broadcast.journal.past_runs import list_runs
    from whatschat_ops.broadcast.kinds import BROADCAST

    found, errors = list_runs(broadcasts.directory)
    runs = [run for run in found if run.kind == BROADCAST]
    those = [run for run in runs if broadcasts.stack in (None, run.stack) and _is_in(run, measured)]
    rejects, handled = Findings(), Findings()
    for error in errors:
        rejects.add("a journal of a broadcast that cannot be read", error.message)
    for run in those:
        handled.add(CROSSING, run.run_id, count=int(_is_after(run, measured.until)))
        handled.add(IN_DOUBT, run.run_id, count=run.in_doubt)
    more = _sent(those)
    quantities = dict(measured.quantities)
    for name, sent in more.items():
        known = quantities.get(name)
        # what was sent by functions is not known where no log says so: then this is all that was measured
        if known is not None or name in ("websocket_messages", "messages", "outbound_messages"):
            quantities[name] = sent if known is None else known + sent
    return Measured(
        measured.source,
        measured.origin,
        measured.since,
        measured.until,
        quantities if those else measured.quantities,
        (*measured.rejects, *rejects.found),
        (*measured.handled, *handled.found),
        (*measured.remarks, *_remarks(those)),
        measured.rows,
    )


def _is_in(run: RunSummary, measured: Measured) -> bool:
    return measured.since <= datetime.fromisoformat(run.created_at) < measured.until


def _is_after(run: RunSummary, until: datetime) -> bool:
    return run.ended_at is not None and datetime.fromisoformat(run.ended_at) >= until


def _sent(runs: Iterable[RunSummary]) -> dict[Name, Bounded]:
    messages = units = size_bytes = Bounded.exactly(0)
    for run in runs:
        sent = Bounded(Decimal(run.delivered), Decimal(run.delivered + run.in_doubt))
        messages, units = messages + sent, units + _times(sent, message_units(run.size_bytes))
        size_bytes += _times(sent, run.size_bytes)
    return {
        "websocket_messages": units,
        "messages": messages,
        "outbound_messages": messages,
        "outbound_bytes": size_bytes,
        "data_transfer_out": Bounded(gigabytes(size_bytes.low), gigabytes(size_bytes.high)),
    }


def _times(amount: Bounded, factor: int) -> Bounded:
    return Bounded(amount.low * factor, amount.high * factor)


def _remarks(runs: list[RunSummary]) -> Iterator[str]:
    if runs:
        sent = sum(run.delivered for run in runs)
        yield f"Broadcasts in it, by their journals on this machine: {len(runs):,}, which delivered {sent:,} messages."
