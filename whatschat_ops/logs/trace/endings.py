"""How a connection ended, and why: from its close code, the times, and what else is known. Pure.

API Gateway closes a connection after ten idle minutes and after two hours, both with 1001 (API Gateway developer guide,
"Quotas for WebSocket APIs"; seen codes). A browser that leaves the page sends 1001, too: only the times tell them apart.
Codes: RFC 6455, section 7.4.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from whatschat_ops.logs.trace.joining import Exchange
from whatschat_ops.quotas import MAX_CONNECTION_S, MAX_IDLE_S

TOLERANCE_S: Final = 60.0
"""Ours: API Gateway's timers are looked at every so often, and two clocks differ."""

CODES: Final = {
    1000: "normal closure",
    1001: "going away",
    1002: "protocol error",
    1003: "data of a kind that is not accepted",
    1005: "closed without a code",
    1006: "connection lost: no close frame was received",
    1007: "text that is not UTF-8",
    1008: "policy violation",
    1009: "message too big",
    1010: "an extension is missing",
    1011: "internal error",
    1012: "service restart",
    1015: "TLS failure",
}


class State(StrEnum):
    """Whether the connection is there."""

    OPEN = "open"
    CLOSED = "closed"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Cause(StrEnum):
    """Why it ended."""

    NONE = "none"
    TOKEN = "token refused"
    REJECTED = "rejected by the function"
    FUNCTION_FAILED = "function failed"
    THROTTLED = "throttled"
    FORBIDDEN = "forbidden"
    OPERATOR = "closed by an operator"
    IDLE = "idle for 10 minutes"
    TWO_HOURS = "open for 2 hours"
    CLIENT = "closed by the client"
    CLIENT_LEFT = "client went away"
    NETWORK = "connection lost"
    TOO_BIG = "message too big"
    PROTOCOL = "protocol error"
    ROW_PRUNED = "row deleted as stale"
    ROW_EXPIRED = "row expired"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Act:
    """What an operator did, from the audit log."""

    at_ms: int
    by: str
    action: str
    reason: str | None = None
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known beside the logs. Times are ms since the epoch.

    `last_active_ms`: of the last message in either direction. `is_live`: what API Gateway says; None if it was not asked.
    `row_expires_ms`: of the row in the table, None without a row. `gone_at_ms`: when a post found the connection closed.
    """

    now_ms: int
    connected_at_ms: int | None = None
    last_active_ms: int | None = None
    is_live: bool | None = None
    has_row: bool = False
    row_expires_ms: int | None = None
    gone_at_ms: int | None = None
    acts: Sequence[Act] = ()


@dataclass(frozen=True, slots=True)
class End:
    """`code` is the close code or, of a refused handshake, the HTTP status. `why` is a sentence. `by`: an ARN."""

    state: State
    cause: Cause
    why: str
    at_ms: int | None = None
    code: int | None = None
    meaning: str = ""
    by: str | None = None


def ending(connect: Exchange | None, disconnect: Exchange | None, known: Known) -> End:
    """How it ended, or that it did not."""
    if disconnect is not None:
        return _closed(disconnect, known)
    if connect is not None and (refused := _refused(connect)) is not None:
        return refused
    if known.is_live:
        return End(State.OPEN, Cause.NONE, "API Gateway has it open.")
    return _without_an_end(known)


def _refused(connect: Exchange) -> End | None:
    """None if the handshake succeeded."""
    access, handler = connect.access, connect.handler
    status = access.status if access else None
    accepted = status in range(200, 300) if status is not None else _was_accepted(connect)
    if accepted:
        return None
    cause, why = _why_refused(connect, status)
    reason = handler.reason if handler else None
    return End(State.REFUSED, cause, why, connect.at_ms, status, meaning=reason or "")


def _was_accepted(connect: Exchange) -> bool:
    return connect.handler is not None and connect.handler.outcome == "accepted"


def _why_refused(connect: Exchange, status: int | None) -> tuple[Cause, str]:
    access, handler = connect.access, connect.handler
    if handler is not None and handler.outcome == "refused":
        return Cause.TOKEN, f"Its token was refused: {handler.reason or 'no reason was written'}."
    if connect.failure:
        return Cause.FUNCTION_FAILED, f"The function connect ended with an error: {connect.failure}."
    if handler is not None and handler.level == "ERROR":
        return Cause.FUNCTION_FAILED, f"The function connect failed: {handler.reason or handler.outcome}."
    error = (access.integration_error or access.error) if access else None
    if status == 429:
        return Cause.THROTTLED, "API Gateway had more handshakes than its limit."
    if status == 403 and not connect.request:
        return Cause.FORBIDDEN, "API Gateway refused it before any function was called."
    if status is not None and status >= 500:
        return (
            Cause.FUNCTION_FAILED,
            f"The function connect could not be called or ended with an error: {error}.",
        )
    said = "the function connect responded" if connect.request else "API Gateway responded"
    return Cause.REJECTED, f"{said[0].upper()}{said[1:]} {status}."


def _closed(disconnect: Exchange, known: Known) -> End:
    handler = disconnect.handler
    code, reason = (handler.code, handler.reason) if handler else (None, None)
    at_ms = disconnect.at_ms
    if (act := _act_before(at_ms, known.acts)) is not None:
        because = f": {act.reason}" if act.reason else ""
        cause, why, by = Cause.OPERATOR, f"{act.by} closed it with {act.action}{because}.", act.by
    else:
        (cause, why), by = _why_closed(code, at_ms, known), None
    meaning = CODES.get(code, "") if code is not None else ""
    if reason and reason.lower() != meaning:
        meaning = f"{meaning}; {reason}" if meaning else reason
    return End(State.CLOSED, cause, why, at_ms, code, meaning, by)


def _act_before(at_ms: int, acts: Sequence[Act]) -> Act | None:
    """The last act that closes connections, within a minute before the end."""
    near = [
        act
        for act in acts
        if closes(act.action) and -TOLERANCE_S * 1000 <= at_ms - act.at_ms <= 2 * TOLERANCE_S * 1000
    ]
    return max(near, key=lambda act: act.at_ms, default=None)


def closes(action: str) -> bool:
    """Whether an action of the audit log closes connections."""
    return action.startswith("ws.") and any(word in action for word in ("disconnect", "delete"))


def _why_closed(code: int | None, at_ms: int, known: Known) -> tuple[Cause, str]:
    if code in (1001, None) and (cut := _cut(at_ms, known)) is not None:
        return cut
    return _OF_CODE.get(code, (Cause.CLIENT, f"Closed with the code {code}, which the application chose."))


def _cut(at_ms: int, known: Known) -> tuple[Cause, str] | None:
    """What API Gateway's two timers say. Pings are activity, too, and no log has them."""
    if known.connected_at_ms is not None:
        age_s = (at_ms - known.connected_at_ms) / 1000
        if age_s >= MAX_CONNECTION_S - TOLERANCE_S:
            return (
                Cause.TWO_HOURS,
                "API Gateway closes every connection after two hours: clients connect again.",
            )
    active_ms = known.last_active_ms or known.connected_at_ms
    if active_ms is None:
        return None
    idle_s = (at_ms - active_ms) / 1000
    if idle_s < MAX_IDLE_S - 1:
        return None
    since = f"Nothing was sent for {idle_s / 60:.0f} minutes"
    if idle_s <= MAX_IDLE_S + TOLERANCE_S:
        return (
            Cause.IDLE,
            f"{since}: API Gateway closes idle connections after 10. A ping every few minutes keeps one open.",
        )
    return (
        Cause.IDLE,
        f"{since}: API Gateway's limit of 10 idle minutes, if pings (which no log has) kept it open before.",
    )


_PROTOCOL: Final = (Cause.PROTOCOL, "One side ended it for an error of the protocol.")
_OF_CODE: Final[dict[int | None, tuple[Cause, str]]] = {
    None: (
        Cause.UNKNOWN,
        "The close code is in no log: only the built-in function disconnect writes it.",
    ),
    1000: (
        Cause.CLIENT,
        "The client closed it, or a program called DeleteConnection: the audit log has no such act of this tool.",
    ),
    1001: (
        Cause.CLIENT_LEFT,
        "The client went away, as a browser does that leaves the page, or the stage was taken down.",
    ),
    1005: (Cause.CLIENT, "The client closed it."),
    1006: (
        Cause.NETWORK,
        "The network or the client's process ended without closing the connection.",
    ),
    1009: (Cause.TOO_BIG, "The client sent a message over 128 KB, or a frame over 32 KB."),
    **dict.fromkeys((1002, 1003, 1007, 1008, 1010, 1011, 1015), _PROTOCOL),
}


def _without_an_end(known: Known) -> End:
    """No line says that it ended: API Gateway's $disconnect is best effort."""
    age_s = None if known.connected_at_ms is None else (known.now_ms - known.connected_at_ms) / 1000
    lost = "no log has its end ($disconnect is best effort)"
    prunes = [act for act in known.acts if "prune" in act.action]
    if known.gone_at_ms is not None:
        return End(
            State.CLOSED,
            Cause.ROW_PRUNED,
            f"A message to it found it closed, so its row was deleted; {lost}.",
            known.gone_at_ms,
        )
    if prunes and not known.has_row:
        why = f"{prunes[-1].by} deleted its row with {prunes[-1].action}; {lost}."
        return End(State.CLOSED, Cause.ROW_PRUNED, why, by=prunes[-1].by)
    if known.has_row and known.row_expires_ms is not None and known.row_expires_ms <= known.now_ms:
        return End(State.CLOSED, Cause.ROW_EXPIRED, f"Its row has expired; {lost}.")
    if age_s is not None and age_s >= MAX_CONNECTION_S + TOLERANCE_S:
        return End(
            State.CLOSED, Cause.TWO_HOURS, f"No connection is open for more than two hours, but {lost}."
        )
    if known.is_live is False:
        kept = (
            "its row is still there: `ws prune` deletes it"
            if known.has_row
            else "its row is not there either"
        )
        return End(State.CLOSED, Cause.UNKNOWN, f"API Gateway does not have it any more; {lost}; {kept}.")
    return End(State.UNKNOWN, Cause.UNKNOWN, f"It is not known whether it is open: {lost}.")
