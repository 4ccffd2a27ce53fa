"""The answers to `questions.py` as a measurement: quantities with bounds, and what was handled or rejected, by name.

    websocket_messages            units of 32 KB: from the sizes in the functions' lines, 1 to 4 a message without them
    websocket_connection_minutes  the time that connections were open; an open end has bounds
    lambda_requests, lambda_duration_*   invocations, and what is billed for them, as Lambda reports it

An access log has no line for a message to a client. Those are known from the functions' lines and the broadcasts' journals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias

from whatschat_ops.plurals import counted
from whatschat_ops.pricing.amounts import plain
from whatschat_ops.usage.logs.lines import FUNCTION, MESSAGE, OF_LAMBDA, UNPAIRED
from whatschat_ops.usage.logs.lines import REFUSED as REFUSED_KIND
from whatschat_ops.usage.logs.questions import (
    IS_UNIQUE,
    MINUTE_MS,
    NOTES,
    REUSED,
    SPAN,
    Interval,
    Question,
    invocations,
    messages,
    sessions,
)
from whatschat_ops.usage.measured import Bounded, Findings, Measured, Name, gigabytes, units

Ask: TypeAlias = Callable[[Question], Sequence[Sequence[Any]]]
"""Runs a question; values are numbers, texts and None."""

_SHAPES: Final[Mapping[str, str]] = {
    "open": "a connection without an end: until 2 hours after its start at most",
    "headless": "a connection whose start is not known: 2 hours before its end at the earliest",
    "fragment": "a connection of which neither start nor end is known: 2 hours at most",
    "long": "a connection that lasted longer than API Gateway allows: at least 2 hours",
    "backwards": "a connection that ended before it began: 0 to 2 hours",
    "unclear": "a connection id that was used again by lines without connectedAt: 0 to 2 hours each",
}
USED_AGAIN: Final = "a connection id that was used again: each counts"
DUPLICATE: Final = "a line that is there more than once: counted once"
TIMELESS: Final = "a line of a function without a time and without a line of the access log: in the interval"
TIMELESS_REPORT: Final = "a report of Lambda without a time: in the interval"
UNSIZED: Final = "a message whose size is in no line of a function: 1 to 4 units of 32 KB"
UNSEEN: Final = (
    "an event without a line of a function, as a ping has none at LOG_LEVEL=INFO: 0 or 1 message to a client"
)
UNLOGGED: Final = "an event that only its function wrote a line of: counted"
REFUSED: Final = "a handshake that was refused: no connection"


_NOTHING: Final = Bounded.exactly(0)


@dataclass(slots=True)
class Tally:
    """Messages of the interval. Units are of 32 KB."""

    inbound: int = 0
    inbound_units: Bounded = _NOTHING
    inbound_bytes: int = 0
    unsized: int = 0
    outbound: int = 0
    outbound_units: Bounded = _NOTHING
    outbound_bytes: int = 0
    unseen: int = 0
    untold: int = 0
    """Events whose function's line does not say how many messages it sent."""
    unsized_out: int = 0
    has_functions: bool = False
    routes: dict[str, int] = field(default_factory=dict)


def measure(
    ask: Ask,
    origin: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    rejects: Findings | None = None,
    is_unique: bool = False,
    architecture: str = "arm64",
) -> Measured:
    """What the lines say of the interval; without one, from the first connection's start to the last line.

    `rejects`: what could not be read of the files. `is_unique`: it is known that each event has one line. `architecture`: of
    the functions, of which Lambda's reports do not tell.
    """
    rejects, handled = rejects or Findings(), Findings()
    span = dict(zip(SPAN.fields, _whole(ask(SPAN)[0]), strict=True))
    _add_notes(ask(NOTES), rejects, handled)
    of_lambda = rejects.take(OF_LAMBDA)
    interval = _interval(span, since, until)
    is_unique = is_unique or not (span["functions"] or _number(ask(IS_UNIQUE)) == 0)
    tally = _tally(_named(messages(interval, is_unique=is_unique), ask), handled)
    is_plain = not (span["without_start"] or _number(ask(REUSED)))
    lives = list(_named(sessions(interval, is_plain=is_plain), ask))
    reports = list(_named(invocations(interval), ask)) if span["reports"] else None
    quantities = {
        **_messages_of(tally),
        **_connections_of(lives, handled),
        **_invocations_of(reports, architecture, handled),
    }
    start, end = (datetime.fromtimestamp(ms / 1000, UTC) for ms in interval)
    remarks = _remarks(tally, of_lambda, sum(row["minute_ms"] for row in lives) // MINUTE_MS)
    return Measured(
        "logs", origin, start, end, quantities if span["used"] else dict.fromkeys(quantities),
        rejects.found, handled.found, tuple(remarks), int(span["rows"] or 0),
    )  # fmt: skip


def _named(question: Question, ask: Ask) -> Iterator[dict[str, Any]]:
    for row in ask(question):
        texts = {"route", "shape"}
        yield {
            name: value if name in texts else int(value)
            for name, value in zip(question.fields, row, strict=True)
        }


def _number(rows: Sequence[Sequence[Any]]) -> int:
    """The only value of an answer; 0 for none."""
    return int(rows[0][0] or 0)


def _whole(row: Sequence[Any]) -> list[int | None]:
    return [None if value is None else int(value) for value in row]


def _interval(span: Mapping[str, int | None], since: datetime | None, until: datetime | None) -> Interval:
    """The last line is in it."""
    known = [each for each in (span["first_ms"], span["first_connected_ms"]) if each is not None]
    first, last = min(known, default=0), span["last_ms"]
    start = first if since is None else round(since.timestamp() * 1000)
    end = (start if last is None else last) + 1 if until is None else round(until.timestamp() * 1000)
    return Interval(start, max(start, end))


def _add_notes(rows: Sequence[Sequence[Any]], rejects: Findings, handled: Findings) -> None:
    for reason, is_reject, count, first, last in rows:
        samples = dict.fromkeys(filter(None, (first, last)))
        (rejects if int(is_reject) else handled).add(str(reason), *samples, count=int(count))


def _tally(rows: Iterator[dict[str, Any]], handled: Findings) -> Tally:
    tally = Tally()
    unpaired = lone = 0
    for row in rows:
        handled.add(DUPLICATE, count=row["copies"])
        handled.add(TIMELESS, count=row["timeless"])
        handled.add(REFUSED, count=row["events"] if row["kind"] == REFUSED_KIND else 0)
        tally.has_functions = tally.has_functions or bool(row["has_function"])
        _add_outbound(tally, row)
        if _is_message(row):
            unpaired += row["events"] if row["kind"] == UNPAIRED else 0
            lone += row["events"] if row["kind"] == FUNCTION else 0
            _add_inbound(tally, row)
    _pair_without_ids(tally, unpaired, lone, handled)
    tally.inbound_units += units(tally.unsized)
    handled.add(UNSIZED, count=tally.unsized)
    if tally.has_functions:
        handled.add(UNSEEN, count=tally.unseen)
    return tally


def _is_message(row: Mapping[str, Any]) -> bool:
    is_lone = row["kind"] == FUNCTION and row["route"] not in ("$connect", "$disconnect")
    return row["kind"] >= MESSAGE or is_lone


def _add_inbound(tally: Tally, row: Mapping[str, Any]) -> None:
    tally.inbound += row["events"]
    tally.inbound_bytes += row["bytes_in"]
    tally.inbound_units += Bounded.exactly(row["units_in"])
    tally.unsized += row["events"] - row["sized"]
    tally.unseen += 0 if row["has_function"] else row["events"]
    tally.untold += row["events"] - row["told"] if row["has_function"] else 0
    route = str(row["route"] or "")
    tally.routes[route] = tally.routes.get(route, 0) + row["events"]


def _add_outbound(tally: Tally, row: Mapping[str, Any]) -> None:
    tally.outbound += row["sent"]
    tally.unsized_out += row["events"] - row["sized_out"] if row["has_function"] else 0
    tally.outbound_bytes += row["bytes_out"]
    tally.outbound_units += Bounded(Decimal(row["least_units_out"]), Decimal(row["most_units_out"]))


def _pair_without_ids(tally: Tally, accesses: int, functions: int, handled: Findings) -> None:
    """Access lines of an older format do not name the function's request: as many as there are of both are the same events."""
    both = min(accesses, functions)
    tally.inbound -= both
    tally.unsized -= min(both, tally.unsized)
    tally.unseen -= min(both, tally.unseen)
    handled.add(UNLOGGED, count=functions - both)
    handled.add("a message whose lines are paired by their number: neither names the other", count=both)


def _messages_of(tally: Tally) -> dict[Name, Bounded | None]:
    unknown = Bounded(Decimal(0), Decimal(tally.unseen + tally.untold))
    sent, sent_units = Bounded.exactly(tally.outbound) + unknown, tally.outbound_units + unknown
    known = tally.has_functions
    has_bytes_out = known and not (tally.unseen or tally.unsized_out)
    inbound = Bounded.exactly(tally.inbound)
    return {
        "websocket_messages": tally.inbound_units + sent_units if known else tally.inbound_units,
        "messages": inbound + sent if known else inbound,
        "inbound_messages": inbound,
        "outbound_messages": sent if known else None,
        "inbound_bytes": Bounded.exactly(tally.inbound_bytes) if known and not tally.unsized else None,
        "outbound_bytes": Bounded.exactly(tally.outbound_bytes) if has_bytes_out else None,
        "data_transfer_out": Bounded.exactly(gigabytes(tally.outbound_bytes)) if has_bytes_out else None,
    }


def _connections_of(rows: Sequence[Mapping[str, Any]], handled: Findings) -> dict[Name, Bounded | None]:
    connections, least_ms, most_ms = 0, 0, 0
    for row in rows:
        connections += row["connections"]
        least_ms, most_ms = least_ms + row["least_ms"], most_ms + row["most_ms"]
        if row["shape"] in _SHAPES:
            handled.add(_SHAPES[row["shape"]], count=row["connections"])
        if row["is_reused"]:
            handled.add(USED_AGAIN, count=row["connections"])
    return {
        "connections": Bounded.exactly(connections),
        "websocket_connection_minutes": Bounded(_minutes(least_ms), _minutes(most_ms)),
    }


def _invocations_of(
    rows: Sequence[Mapping[str, int]] | None, architecture: str, handled: Findings
) -> dict[Name, Bounded | None]:
    """`rows` None: Lambda reported nothing at any time, which the log level of the platform may be the reason of."""
    duration: Name = "lambda_duration_arm64" if architecture == "arm64" else "lambda_duration_x86_64"
    if rows is None:
        return {"lambda_requests": None, duration: None}
    handled.add(DUPLICATE, count=sum(row["copies"] for row in rows))
    handled.add(TIMELESS_REPORT, count=sum(row["timeless"] for row in rows))
    mb_ms = sum(row["memory_mb"] * row["billed_ms"] for row in rows)
    return {
        "lambda_requests": Bounded.exactly(sum(row["count"] for row in rows)),
        duration: Bounded.exactly(plain(Decimal(mb_ms) / 1024 / 1000)),
    }


def _minutes(time_ms: int) -> Decimal:
    return Decimal(time_ms) / MINUTE_MS


def _remarks(tally: Tally, of_lambda: int, most_minutes: int) -> Iterator[str]:
    if of_lambda:
        yield f"Lambda itself wrote {counted(of_lambda, 'line')} on starts and ends, which are not used."
    if not tally.has_functions:
        yield (
            "The access log has no line for a message to a client, and no sizes: messages are those from clients. "
            "Read the log of the function default, too."
        )
    if tally.routes:
        yield "Messages from clients by route: " + ", ".join(
            f"{route or '-'} {count:,}" for route, count in sorted(tally.routes.items())
        )
    yield (
        "Minutes are the time that connections were open: AWS does not say whether each connection's are rounded up, "
        f"to {counted(most_minutes, 'minute')} in all, and whether handshakes and disconnections are messages."
    )
