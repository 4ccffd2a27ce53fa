"""A conversation in words, and connections as they change."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from whatschat_ops.choices import LogSource
from whatschat_ops.cli.ws.connections_watch import Sent, WatchedConnection, changes, note
from whatschat_ops.cli.ws.talking import Said, said_in
from whatschat_ops.logs.events import LogEvent

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"type": "message:received", "from": "bob", "content": "Hi"}, Said("bob", "Hi")),
        ({"type": "message", "from": "bob", "data": {"text": "Hi", "type": "text"}}, Said("bob", "Hi")),
        ({"type": "message:received", "userId": "bob", "content": ""}, Said("bob", "[message:received]")),
        ({"type": "call:offer", "from": "bob", "offer": {}}, Said("bob", "[call:offer]")),
        ({"type": "notice", "content": "Back soon"}, Said("?", "Back soon")),
        ({}, Said("?", "[no type]")),
        ({"type": "typing", "from": "bob", "data": {"isTyping": True}}, None),
        ({"type": "pong"}, None),
        ({"type": "message:sent", "recipients": 1, "delivered": 1, "offline": 0, "failed": 0}, None),
        ({"type": "message:sent", "offline": 2, "failed": 1}, Said(None, "Not delivered to all: 2 users offline, 1 user not reached.")),
        ({"type": "message:sent", "offline": True, "failed": "x"}, Said(None, "Not delivered to all: 1 user offline.")),
        ({"type": "error", "message": "it is meant for a chat"}, Said(None, "it is meant for a chat")),
        ({"type": "exception", "data": {"message": "no"}}, Said(None, "no")),
    ],
)  # fmt: skip
def test_message_is_said_in_words(message: dict[str, Any], said: Said | None) -> None:
    assert said_in(message) == said


def one(name: str, sent_at: datetime | None = None) -> WatchedConnection:
    return WatchedConnection(name, "alice", NOON, "ping" if sent_at else None, sent_at)


def test_changes_are_what_opened_closed_and_sent() -> None:
    before = {each.connection_id: each for each in (one("same"), one("goes"), one("sends"))}

    found = changes(before, [one("same"), one("sends", NOON), one("new")], NOON)

    assert [(each.connection.connection_id, each.change) for each in found] == [
        ("goes", "closed"),
        ("sends", "sent"),
        ("new", "opened"),
    ]


def line(at_ms: int, **fields: Any) -> LogEvent:
    given = {
        "event": "message:send",
        "outcome": "done",
        "connectionId": "c1",
        "route": "$default",
        "level": "INFO",
    }
    return LogEvent("1", LogSource.DEFAULT, "s", at_ms, at_ms, json.dumps({**given, **fields}))


def test_last_route_is_the_newest_whatever_the_order_of_the_lines() -> None:
    last: dict[str, Sent] = {}

    for event in (line(2_000), line(1_000, event="older"), line(1_500, connectionId="c2", route="join")):
        note(last, event)
    note(last, replace_message(line(9_000), "START RequestId: x"))

    assert {name: (sent.at.timestamp(), sent.route) for name, sent in last.items()} == {
        "c1": (2.0, "message:send"),
        "c2": (1.5, "join"),
    }


def replace_message(event: LogEvent, message: str) -> LogEvent:
    return event._replace(message=message)
