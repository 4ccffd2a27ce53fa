"""What `chime.signalling` adds to the functions' policy: a meeting from creation to end, by messages of two users' clients."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from typing import Any

from websockets.sync.client import ClientConnection

from tests.minimality.functions import ANSWER_S, FunctionsScenario
from tests.minimality.removal import Broken, Document
from whatschat_ops.config import Names, Settings

SETTINGS = Settings.of({"chime": {"signalling": True}})
ADDED = ("Meetings", "CreateMeetings", "UseMeetings")
"""The statements."""


class SignallingScenario(FunctionsScenario):
    """Two users with sockets that stay open: the functions keep nothing of a policy."""

    def __init__(self, admin: Callable[[str], Any], settings: Settings, url: str) -> None:
        super().__init__(admin, settings, url)
        self._ledger = Names(settings).ledger_table
        self._calls = count(1)
        self._sockets = ExitStack()
        self.alice = self._sockets.enter_context(self._connect("alice"))
        self.bob = self._sockets.enter_context(self._connect("bob"))

    def added(self) -> Document:
        """The statements of signalling alone."""
        document = self.document
        return {
            **document,
            "Statement": [each for each in document["Statement"] if each["Sid"] in ADDED],
        }

    def attempt(self, added: Document) -> None:
        """A meeting with these statements beside the usual ones. Raises Broken at the first message that is refused."""
        whole = self.document
        usual = [each for each in whole["Statement"] if each["Sid"] not in ADDED]
        self.put({**whole, "Statement": [*usual, *added["Statement"]]})
        try:
            self._meet()
        finally:
            self.put(whole)

    def _meet(self) -> None:
        external = {"externalMeetingId": f"call-bob-{next(self._calls)}"}
        created = self.ask("create", self.alice, "chime:create-meeting", external)
        meeting = {"meetingId": created["meeting"]["meetingId"]}
        joined = self.ask("join", self.bob, "chime:join-meeting", meeting)
        self.hear("join", self.alice, "chime:attendee-joined")
        listed = self.ask("list", self.alice, "chime:list-attendees", meeting)
        if len(listed["attendees"]) != 2:
            raise Broken("list", listed)
        mine = {**meeting, "attendeeId": joined["attendee"]["attendeeId"]}
        self.ask("leave", self.bob, "chime:leave-meeting", mine)
        self.hear("leave", self.alice, "chime:attendee-left")
        self.ask("end", self.alice, "chime:end-meeting", meeting)

    def ask(self, step: str, client: ClientConnection, kind: str, data: Any) -> Any:
        """The `data` of the answer to a message, sent as the web client does."""
        began_ms = int(time.time() * 1000)
        client.send(json.dumps({"type": kind, "to": "server", "data": data, "timestamp": 1}))
        return self.hear(step, client, began_ms=began_ms)

    def hear(self, step: str, client: ClientConnection, kind: str = "chime:", *, began_ms: int = 0) -> Any:
        """The `data` of what arrives next. Raises Broken when it is an error."""
        received = json.loads(client.recv(timeout=10 * ANSWER_S))
        if not received["type"].startswith(kind):
            raise Broken(step, f"{json.dumps(received)}{self._reason('default', began_ms)}")
        return received["data"]

    def clear(self) -> None:
        """Delete the ledger's rows."""
        for key in self.ledger_rows():
            self._admin("dynamodb").delete_item(TableName=self._ledger, Key={"meetingId": {"S": key}})

    def ledger_rows(self) -> Iterator[str]:
        """The keys of the ledger."""
        rows = self._admin("dynamodb").scan(TableName=self._ledger, ConsistentRead=True)["Items"]
        return (row["meetingId"]["S"] for row in rows)

    def close(self) -> None:
        """Close the sockets."""
        self._sockets.close()
