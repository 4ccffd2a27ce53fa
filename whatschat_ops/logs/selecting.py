"""Which lines belong to a user or to a connection: by their ids, or by what other lines said about those ids. Pure.

A line of our handlers names the user and the connection; the access log and Lambda's own lines do not, nor does the
traceback of a crash. They are found by the connection, the request, and what a stream wrote within that request.
"""

from __future__ import annotations

from collections.abc import Collection

from whatschat_ops.logs.events import LogEvent
from whatschat_ops.logs.parsed import AccessLine, HandlerLine, Line, PlatformLine


class Selection:
    """The lines of one user, or of one connection; all lines without either. `users`: the user's id, in each of its forms."""

    def __init__(self, users: Collection[str] = (), connection: str | None = None) -> None:
        self.is_all = not users and connection is None
        self.users = frozenset(users)
        self._connections = set() if connection is None else {connection}
        self._requests: set[str] = set()
        self._requests_of_streams: dict[str, str] = {}

    def learn(self, line: Line) -> None:
        """Take what a line says about the ids that are looked for. Before `wants`, for as many lines as are known."""
        if self.is_all or not self._names(line):
            return
        requests = [line.ids.request]
        if isinstance(line, AccessLine):
            requests.append(line.integration_request)
        self._requests.update(filter(None, requests))
        if line.ids.connection and line.ids.user in self.users:
            self._connections.add(line.ids.connection)

    def wants(self, event: LogEvent, line: Line) -> bool:
        """Whether the line is one of those that are looked for. Called for the lines of a stream in their order."""
        if self.is_all:
            return True
        self.learn(line)
        self._follow_stream(event, line)
        request = line.ids.request or self._requests_of_streams.get(event.stream)
        return self._names(line) or request in self._requests

    def _names(self, line: Line) -> bool:
        if line.ids.user in self.users or line.ids.connection in self._connections:
            return True
        return isinstance(line, HandlerLine) and not self._connections.isdisjoint(line.recipients)

    def _follow_stream(self, event: LogEvent, line: Line) -> None:
        """A stream is one worker of Lambda, which has one request at a time (Lambda developer guide, concurrency)."""
        if isinstance(line, PlatformLine) and line.kind == "report":
            self._requests_of_streams.pop(event.stream, None)
        elif isinstance(line, PlatformLine | HandlerLine) and line.ids.request:
            self._requests_of_streams[event.stream] = line.ids.request


def pattern_of_users(users: Collection[str]) -> str:
    """A filter pattern for the lines that name one of them, and maybe others: `*` stands for unusual characters."""
    names = ("".join(each if each.isalnum() or each in "-_.@:" else "*" for each in user) for user in users)
    conditions = " || ".join(f'($.userId = "{name}")' for name in names)
    return f"{{ {conditions} }}"
