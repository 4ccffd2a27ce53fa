"""The screen of `logs trace`. What clients and functions wrote is shown without control characters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Final

from whatschat_ops.cli.terminal.lines import Shown, Styled
from whatschat_ops.cli.terminal.safe_text import safe_text
from whatschat_ops.cli.terminal.tables import Blocks, Column, Facts, Table
from whatschat_ops.cli.terminal.times import local_time, zone_of
from whatschat_ops.logs.trace.endings import Cause, State
from whatschat_ops.logs.trace.life import Step, Trace
from whatschat_ops.plurals import counted

if TYPE_CHECKING:
    from whatschat_ops.logs.trace.tracing import UserConnection

MOST_LINES: Final = 10
"""Ours: other lines of one invocation that are shown; JSON has all."""

_LONGEST: Final = 400
_STYLES: Final = {
    State.OPEN: "green",
    State.CLOSED: "bold",
    State.REFUSED: "red",
    State.UNKNOWN: "yellow",
}
_BAD: Final = {Cause.FUNCTION_FAILED, Cause.TOO_BIG, Cause.PROTOCOL, Cause.NETWORK}


@dataclass(frozen=True, slots=True)
class Searched:
    """What was asked: the groups, the time, the requests and the log events that they gave."""

    groups: tuple[str, ...]
    since: datetime
    until: datetime
    requests: int
    events: int
    bytes: int


@dataclass(frozen=True, slots=True)
class TraceResult:
    """`user` and `connections` are those of `logs trace USER`; the newest is the first of `traces`."""

    user: str | None
    connections: tuple[UserConnection, ...]
    traces: tuple[Trace, ...]
    searched: Searched


def render(result: TraceResult) -> Blocks:
    """The user's connections, if it is about a user, and each trace."""
    parts: list[Shown | str | Styled] = []
    if result.user is not None:
        parts += [_heading(f"Connections of {result.user}"), _connections(result.connections), ""]
    for trace in result.traces:
        parts += [*_trace(trace), ""]
    requests, events = result.searched.requests, result.searched.events
    parts.append(Styled(f"{counted(events, 'log event')} read with {counted(requests, 'request')}.", "dim"))
    return Blocks(parts)


def _connections(connections: Sequence[UserConnection]) -> Table:
    columns = (Column("Connection"), Column("Connected"), Column("Ended"), Column("State", wraps=True))
    return Table(
        columns,
        [
            (
                each.connection_id,
                _day(each.connected_at),
                _day(each.ended_at),
                str(each.state) + (f" ({each.code} {each.meaning})" if each.code is not None else ""),
            )
            for each in connections
        ],
    )


def _trace(trace: Trace) -> Iterator[Shown | str | Styled]:
    yield _heading("Connection")
    yield _facts(trace)
    yield ""
    yield _heading("Events")
    yield _steps(trace)
    yield ""
    yield _heading("End")
    yield from _end(trace)
    if trace.gaps:
        yield ""
        yield _heading("Gaps")
        for gap in trace.gaps:
            yield Styled(_cut(f"- {gap}"), "yellow")


def _facts(trace: Trace) -> Facts:
    sent = f"{trace.messages_in} received ({trace.bytes_in:,} bytes), {trace.posts_sent} sent"
    failed = f", {trace.posts_failed} not delivered" if trace.posts_failed else ""
    errors = f", {counted(trace.errors, 'error')}" if trace.errors else ""
    rows = {
        "Id": trace.connection_id,
        "User": trace.user_id or "not known",
        "State": str(trace.state),
        "Connected": _day(trace.connected_at) or "not known",
        "Open for": _length(trace.seconds) if trace.state is not State.REFUSED else "",
        "Client": " ".join(filter(None, [trace.source_ip, trace.user_agent])),
        "Messages": f"{sent}{failed}{errors}",
    }
    return Facts(
        {
            name: Styled(_cut(value), _STYLES[trace.state] if name == "State" else "")
            for name, value in rows.items()
        }
    )


def _steps(trace: Trace) -> Table:
    zone = f" ({zone_of(trace.steps[0].at)})" if trace.steps else ""
    columns = (
        *(Column(f"Time{zone}"), Column("Event"), Column("What", wraps=True), Column("Status")),
        *(Column("Outcome", wraps=True), Column("Took", right=True)),
    )
    return Table(columns, [row for run in _runs(trace.steps) for row in _step_rows(*run)])


def _step_rows(first: Step, last: Step, number: int) -> Iterator[tuple[Styled, ...]]:
    style = "red" if first.is_error else ""
    what = first.what + (f" (and {number - 1} like it, until {_clock(last.at)})" if number > 1 else "")
    cells = (
        _clock(first.at),
        first.kind,
        what,
        "" if first.status is None else str(first.status),
        first.outcome,
        "" if first.latency_ms is None else f"{first.latency_ms:.0f} ms",
    )
    yield tuple(Styled(_cut(cell), style) for cell in cells)
    more = len(first.lines) - MOST_LINES
    for line in [
        *first.lines[:MOST_LINES],
        *([f"... {counted(more, 'line')} more (--json)"] if more > 0 else []),
    ]:
        yield Styled(""), Styled(""), Styled(_cut(line), "dim")


def _runs(steps: Sequence[Step]) -> Iterator[tuple[Step, Step, int]]:
    """Steps that say the same one after the other, as the first, the last and their number."""
    for _, same in groupby(steps, lambda step: (step.kind, step.what, step.status, step.outcome, step.lines)):
        run = list(same)
        yield run[0], run[-1], len(run)


def _end(trace: Trace) -> Iterator[Styled]:
    if trace.state is State.OPEN:
        yield Styled("It is open.", "green")
        return
    what = "HTTP status" if trace.state is State.REFUSED else "Close code"
    code = (
        f"{what} {trace.code}{f' ({trace.meaning})' if trace.meaning else ''}"
        if trace.code is not None
        else ""
    )
    at = f"{_day(trace.ended_at)} " if trace.ended_at else ""
    head = f"{at}{str(trace.cause)[0].upper()}{str(trace.cause)[1:]}."
    is_bad = trace.state is State.REFUSED or trace.cause in _BAD
    yield Styled(_cut(head), "red" if is_bad else "bold")
    yield Styled(_cut(trace.why))
    if code:
        yield Styled(_cut(code), "dim")


def _heading(text: str) -> Styled:
    return Styled(_cut(text), "bold")


def _cut(text: str) -> str:
    shown = safe_text(text)
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."


def _day(moment: datetime | None) -> str:
    return "" if moment is None else local_time(moment)


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone():%H:%M:%S}.{moment.microsecond // 1000:03d}"


def _length(seconds: float | None) -> str:
    return "" if seconds is None else str(timedelta(seconds=round(seconds)))
