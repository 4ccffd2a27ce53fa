"""The life of a connection as data: its steps in the order of time, how it ended, and what is missing. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from whatschat_ops.choices import LogSource
from whatschat_ops.logs.events import LogEvent
from whatschat_ops.logs.trace.endings import Act, Cause, End, Known, State, ending
from whatschat_ops.logs.trace.joining import Exchange, Joined, PostedTo
from whatschat_ops.plurals import counted

SKEW_S = 5.0
"""Ours: from here on the clocks of API Gateway and of a function are said to differ."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened. `kind`: connect, message, disconnect, post, broadcast, operator or line.

    `status`: what API Gateway saw. `outcome`: what the function, or the post, came to. `lines`: other lines of it.
    """

    at: datetime
    kind: str
    what: str
    outcome: str = ""
    status: int | None = None
    latency_ms: float | None = None
    is_error: bool = False
    request_id: str | None = None
    message_id: str | None = None
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Beside:
    """What is known of the connection beside its lines. `own_functions`: the application's, which have lines of their own.

    `broadcasts`: messages of broadcasts to it. `log_level` is that of the functions.
    """

    known: Known
    own_functions: bool = False
    log_level: str = "INFO"
    has_access_log: bool = True
    retention_days: int | None = None
    user_id: str | None = None
    missing_groups: Sequence[str] = ()
    not_looked_up: int = 0
    broadcasts: Sequence[Step] = ()
    not_read: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Trace:
    """One connection's life. `why` is a sentence; `code` the close code or, if `refused`, the HTTP status."""

    connection_id: str
    user_id: str | None
    state: State
    cause: Cause
    why: str
    code: int | None
    meaning: str
    by: str | None
    connected_at: datetime | None
    ended_at: datetime | None
    source_ip: str | None
    user_agent: str | None
    messages_in: int
    bytes_in: int
    posts_sent: int
    posts_failed: int
    errors: int
    steps: tuple[Step, ...]
    gaps: tuple[str, ...]

    @property
    def seconds(self) -> float | None:
        """How long it was open."""
        if self.connected_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.connected_at).total_seconds()


def trace_of(connection_id: str, joined: Joined, beside: Beside) -> Trace:
    """Put it together."""
    connect = _of(joined, LogSource.CONNECT)
    disconnect = _of(joined, LogSource.DISCONNECT)
    known = _known(joined, beside.known)
    end = ending(connect, disconnect, known)
    steps = sorted(
        [
            *(_exchange_step(each, beside) for each in joined.exchanges),
            *map(_post_step, joined.posts),
            *beside.broadcasts,
            *map(_act_step, known.acts),
            *map(_line_step, joined.mentions),
        ],
        key=lambda step: step.at,
    )
    messages = [each for each in joined.exchanges if each.source is LogSource.DEFAULT]
    own_posts = sum(each.handler.deliveries.get("sent", 0) for each in messages if each.handler)
    first = next((each.access for each in joined.exchanges if each.access), None)
    return Trace(
        connection_id,
        _user(joined) or beside.user_id,
        end.state,
        end.cause,
        end.why,
        end.code,
        end.meaning,
        end.by,
        _moment(known.connected_at_ms),
        _moment(end.at_ms) if end.state is not State.OPEN else None,
        first.source_ip if first else None,
        first.user_agent if first else None,
        len(messages),
        sum(each.handler.bytes_in or 0 for each in messages if each.handler),
        sum(post.outcome == "sent" for post in joined.posts)
        + (own_posts and _answers(messages, connection_id)),
        sum(post.outcome != "sent" for post in joined.posts),
        sum(step.is_error for step in steps),
        tuple(steps),
        tuple(_gaps(joined, beside, end)),
    )


def _answers(messages: Sequence[Exchange], connection_id: str) -> int:
    """Messages that were answered on the connection itself."""
    return sum(connection_id in each.handler.recipients for each in messages if each.handler)


def _of(joined: Joined, source: LogSource) -> Exchange | None:
    return next((each for each in joined.exchanges if each.source is source), None)


def _known(joined: Joined, known: Known) -> Known:
    """With what the lines say of when it began, when it was last active and when it was found closed."""
    connected = known.connected_at_ms
    for each in joined.exchanges:
        if each.access is not None and each.access.connected_at_ms is not None:
            connected = each.access.connected_at_ms
            break
        if each.source is LogSource.CONNECT:
            connected = each.at_ms
    active = [each.at_ms for each in joined.exchanges if each.source is LogSource.DEFAULT]
    active += [post.at_ms for post in joined.posts if post.outcome == "sent"]
    gone = [post.at_ms for post in joined.posts if post.outcome == "gone"]
    if known.last_active_ms is not None:
        active.append(known.last_active_ms)
    return replace(
        known,
        connected_at_ms=connected,
        last_active_ms=max(active, default=None),
        gone_at_ms=min(gone, default=None),
    )


def _user(joined: Joined) -> str | None:
    users = (each.handler.ids.user for each in joined.exchanges if each.handler)
    return next(filter(None, users), None)


def _exchange_step(each: Exchange, beside: Beside) -> Step:
    access, handler = each.access, each.handler
    status = access.status if access else None
    kind = {LogSource.CONNECT: "connect", LogSource.DISCONNECT: "disconnect"}.get(each.source, "message")
    return Step(
        at=_at(each.at_ms),
        kind=kind,
        what=(handler.event if handler else None) or (access.route if access else None) or kind,
        outcome=_outcome(each, beside),
        status=status,
        latency_ms=(access.integration_latency_ms if access else None)
        or (handler.latency_ms if handler else None),
        is_error=(status or 0) >= 400
        or each.failure is not None
        or (handler is not None and handler.level == "ERROR"),
        request_id=each.request,
        message_id=access.message_id if access else None,
        lines=tuple(event.message.rstrip() for event in each.said),
    )


def _outcome(each: Exchange, beside: Beside) -> str:
    handler, access = each.handler, each.access
    if each.failure is not None:
        return f"the function {each.source} ended with an error: {each.failure}"
    if handler is not None:
        said = [
            handler.outcome,
            *([handler.reason] if handler.reason and each.source is not LogSource.DISCONNECT else []),
        ]
        reached = len(handler.recipients) + handler.recipients_omitted
        if reached and each.source is LogSource.DEFAULT:
            failed = handler.deliveries.get("failed", 0) + handler.deliveries.get("gone", 0)
            said.append(counted(reached, "post") + (f", {failed} failed" if failed else ""))
        if handler.cold_start:
            said.append("cold start")
        return "; ".join(said)
    if access is not None and not each.request:
        error = access.integration_error or access.error
        return f"no function was called{f': {error}' if error else ''}"
    if beside.own_functions:
        return f"{each.source} (the application's own)"
    return f"no line of the function {each.source}"


def _post_step(post: PostedTo) -> Step:
    sender = post.line.ids.user or post.line.ids.connection or "another connection"
    failed = post.outcome != "sent"
    return Step(
        _at(post.at_ms),
        "post",
        f"{post.line.event} from {sender}",
        post.outcome,
        is_error=failed,
        request_id=post.line.ids.request,
    )


def _act_step(act: Act) -> Step:
    because = f" ({act.reason})" if act.reason else ""
    return Step(_at(act.at_ms), "operator", f"{act.action} by {act.by}{because}", act.outcome)


def _line_step(event: LogEvent) -> Step:
    return Step(_at(event.time_ms), "line", f"{event.source}: {event.message.rstrip()}")


def _gaps(joined: Joined, beside: Beside, end: End) -> Iterator[str]:
    """What is not known, and why it may be so."""
    yield from beside.not_read
    for group in beside.missing_groups:
        yield f"The log group {group} does not exist: what it held is lost."
    if not beside.has_access_log:
        yield "The stage writes no access log (websocket.access_logs): events that no function wrote of are not seen."
    yield from _missing_exchanges(joined, beside, end)
    yield from _missing_lines(joined, beside)
    if beside.not_looked_up:
        yield f"{beside.not_looked_up} more invocations have no line of their function; Lambda's lines of them were not read."
    if any(each.joined_by_order for each in joined.exchanges):
        yield (
            "The access log does not name invocations (its format is of an earlier version): lines were joined by their order. "
            "`provision` updates the format."
        )
    skew_s = max(map(_skew_s, joined.exchanges), default=0.0)
    if skew_s >= SKEW_S:
        yield f"The clocks of API Gateway and of the functions differ by up to {skew_s:.0f} s: the order is that of API Gateway."


def _missing_exchanges(joined: Joined, beside: Beside, end: End) -> Iterator[str]:
    if _of(joined, LogSource.CONNECT) is None:
        yield "No line of its handshake: it is older than --since, or than the log group's retention."
    without = Counter(each.source for each in joined.exchanges if each.access is None)
    if beside.has_access_log:
        for source, number in without.items():
            yield f"{_times(number)} the function {source} ran and the access log has no line of it: delivery is best effort."
    if end.state is State.CLOSED and _of(joined, LogSource.DISCONNECT) is None:
        yield "No line of its end: API Gateway calls $disconnect on a best-effort basis."


def _missing_lines(joined: Joined, beside: Beside) -> Iterator[str]:
    """Invocations without a line of the function."""
    silent = [
        each for each in joined.exchanges if each.handler is None and each.request and each.failure is None
    ]
    if beside.own_functions:
        if silent:
            yield (
                "The functions are the application's own: user, close code, bytes and deliveries are known only if "
                "their lines say so."
            )
        return
    ran = Counter(each.source for each in silent if each.platform)
    unseen = Counter(each.source for each in silent if not each.platform)
    for source, number in ran.items():
        yield (
            f"{_times(number)} the function {source} ran and wrote no line: a ping, which LOG_LEVEL {beside.log_level} "
            "leaves out, or code that is not the built-in function's."
        )
    days = f" of {beside.retention_days} days" if beside.retention_days else ""
    for source, number in unseen.items():
        yield (
            f"{_times(number)} the log group of {source} has no line of an invocation, not even Lambda's own: it arrives late, "
            f"is older than the retention{days}, or the function's role may not write logs."
        )


def _times(number: int) -> str:
    return "Once" if number == 1 else f"{number} times"


def _skew_s(each: Exchange) -> float:
    """How far the function's line lies outside of the time in which API Gateway says that it ran."""
    if each.access is None or each.handler_at_ms is None or each.handler is None:
        return 0.0
    start_ms = each.at_ms
    end_ms = start_ms + (each.access.integration_latency_ms or each.handler.latency_ms or 0)
    return max(start_ms - each.handler_at_ms, each.handler_at_ms - end_ms, 0) / 1000


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else _at(ms)
