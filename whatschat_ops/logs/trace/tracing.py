"""Traces a connection, or the connections of a user: asks the table, the logs, API Gateway and the audit log.

What may not be read is named among the trace's gaps, and the rest is shown all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from whatschat_ops.audit import AuditEntry
from whatschat_ops.choices import LogSource
from whatschat_ops.config import Settings
from whatschat_ops.connections.management import ConnectionInfo
from whatschat_ops.connections.store import Connection
from whatschat_ops.errors import NotProvisioned, PermissionDenied
from whatschat_ops.logs.groups import LogGroup
from whatschat_ops.logs.parsed import HandlerLine, parse
from whatschat_ops.logs.trace.endings import CODES, Act, Known, State
from whatschat_ops.logs.trace.finding import SLACK_MS, Finder, Findings, is_disconnect
from whatschat_ops.logs.trace.joining import join
from whatschat_ops.logs.trace.life import Beside, Step, Trace, trace_of

T = TypeVar("T")


class Rows(Protocol):
    """The part of ConnectionStore that this module needs."""

    def get(self, connection_id: str) -> Connection | None:
        """The row, expired or not."""
        ...

    def of_user(self, user_id: str) -> Iterable[Connection]:
        """The rows of a user that have not expired."""
        ...


@dataclass(frozen=True, slots=True)
class Sources:
    """Where to ask. `live` asks API Gateway; `acts` gives audit entries of a time; `broadcasts` messages to a connection."""

    rows: Rows
    live: Callable[[str], ConnectionInfo | None]
    acts: Callable[[datetime, datetime], Iterable[AuditEntry]]
    broadcasts: Callable[[str, datetime, datetime], Sequence[Step]]


@dataclass(frozen=True, slots=True)
class UserConnection:
    """One connection of a user, as far as the functions' lines and the table say."""

    connection_id: str
    connected_at: datetime | None
    ended_at: datetime | None = None
    code: int | None = None
    state: State = State.UNKNOWN

    @property
    def meaning(self) -> str:
        """Of the close code."""
        return CODES.get(self.code, "") if self.code is not None else ""


@dataclass(slots=True)
class Tracing:
    """Traces within one range of time. `now_ms` is AWS's time, as far as it is known."""

    finder: Finder
    sources: Sources
    settings: Settings
    groups: Sequence[LogGroup]
    now_ms: int
    _not_read: list[str] = field(default_factory=list)

    def connection(self, connection_id: str) -> Trace | None:
        """The trace of one connection; None if nothing knows it."""
        self._not_read.clear()
        row = self._ask("the connections table", lambda: self.sources.rows.get(connection_id))
        connected_ms = _ms(row.connected_at) if row else None
        found = self.finder.connection(connection_id, connected_ms)
        if not found.events and row is None:
            return None
        joined = join(found.events, connection_id)
        if more := self.finder.invocations(joined.exchanges, found):
            of_failures = self.finder.failures(joined.exchanges, more)
            joined = join([*of_failures, *found.events, *more], connection_id)
        user = row.user_id if row else next((x.handler.ids.user for x in joined.exchanges if x.handler), None)
        return trace_of(connection_id, joined, self._beside(connection_id, user, row, found))

    def of_user(self, user: str, pattern: str, names: Sequence[str]) -> list[UserConnection]:
        """The user's connections, the newest first. `names` are the user's id as lines have it: plain, and hashed."""
        found: dict[str, UserConnection] = {}
        for event in self.finder.lines_of_user(pattern):
            line = parse(event)
            if isinstance(line, HandlerLine) and line.ids.user in names and line.ids.connection:
                before = found.get(line.ids.connection, UserConnection(line.ids.connection, None))
                found[line.ids.connection] = _with(before, event.source, event.time_ms, line)
        for row in self._ask("the connections table", lambda: list(self.sources.rows.of_user(user))) or ():
            known = found.get(row.connection_id)
            if known is None or known.ended_at is None:
                found[row.connection_id] = UserConnection(
                    row.connection_id, row.connected_at, state=State.OPEN
                )
        oldest = datetime.min.replace(tzinfo=UTC)
        return sorted(
            found.values(), key=lambda each: each.connected_at or each.ended_at or oldest, reverse=True
        )

    def _beside(
        self, connection_id: str, user: str | None, row: Connection | None, found: Findings
    ) -> Beside:
        first_ms = found.first_ms if found.first_ms is not None else self.now_ms
        last_ms = found.last_ms if found.last_ms is not None else self.now_ms
        span = (_moment(first_ms - SLACK_MS), _moment(last_ms + SLACK_MS))
        ended = any(map(is_disconnect, found.events))
        live = None if ended else self._ask("API Gateway", lambda: [self.sources.live(connection_id)])
        info = live[0] if live else None
        known = Known(
            now_ms=max([self.now_ms, *(event.time_ms for event in found.events)]),
            connected_at_ms=_ms(row.connected_at) if row else None,
            last_active_ms=_ms(info.last_active_at) if info else None,
            is_live=None if live is None else info is not None,
            has_row=row is not None,
            row_expires_ms=_ms(row.ttl) if row else None,
            acts=self._acts(connection_id, user, *span),
        )
        lambda_ = self.settings.lambda_
        return Beside(
            known,
            own_functions=bool(lambda_.source.path),
            log_level=lambda_.log_level,
            has_access_log=any(group.source is LogSource.ACCESS for group in self.groups),
            retention_days=lambda_.log_retention_days,
            user_id=row.user_id if row else None,
            missing_groups=[group.name for group in found.missing],
            not_looked_up=found.not_looked_up,
            broadcasts=self.sources.broadcasts(connection_id, *span),
            not_read=tuple(self._not_read),
        )

    def _acts(self, connection_id: str, user: str | None, since: datetime, until: datetime) -> list[Act]:
        entries = self._ask("the audit log", lambda: list(self.sources.acts(since, until)))
        acts = [
            Act(_ms(entry.at) or 0, entry.by, entry.action, entry.reason, str(entry.outcome))
            for entry in entries or ()
            if entry.action.startswith("ws.") and _concerns(entry, connection_id, user)
        ]
        return sorted(acts, key=lambda act: act.at_ms)

    def _ask(self, what: str, question: Callable[[], T]) -> T | None:
        """The answer. None of what is not provisioned, and of what may not be read, which is a gap."""
        try:
            return question()
        except NotProvisioned:
            return None
        except PermissionDenied as denied:
            self._not_read.append(f"Not read: {what}. {denied.message}")
            return None


def with_trace(connection: UserConnection, traces: Iterable[Trace]) -> UserConnection:
    """The connection with what its trace found, if it is among the traces: more than its own lines say."""
    for trace in traces:
        if trace.connection_id == connection.connection_id:
            return UserConnection(
                connection.connection_id, trace.connected_at, trace.ended_at, trace.code, trace.state
            )
    return connection


def _concerns(entry: AuditEntry, connection_id: str, user: str | None) -> bool:
    """Whether the entry names the connection; one that names connections and not this one does not concern it."""
    if entry.concerns(connection=connection_id):
        return True
    return "connection_id" not in entry.target and user is not None and entry.concerns(user=user)


def _with(before: UserConnection, source: LogSource, at_ms: int, line: HandlerLine) -> UserConnection:
    if source is LogSource.DISCONNECT:
        return UserConnection(
            before.connection_id, before.connected_at, _moment(at_ms), line.code, State.CLOSED
        )
    refused = line.outcome != "accepted"
    state = State.REFUSED if refused else before.state
    connected_at = _moment(at_ms - round(line.latency_ms or 0))
    return UserConnection(before.connection_id, connected_at, before.ended_at, before.code, state)


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(max(ms, 0) / 1000, UTC)
