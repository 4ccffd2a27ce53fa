"""A conversation in words, and the messages that a user gets: what `ws chat` and `ws listen` show."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from whatschat_ops.broadcast.message import object_or_text
from whatschat_ops.cli.terminal.output import Output
from whatschat_ops.cli.terminal.terminal_lines import TerminalLines
from whatschat_ops.cli.ws.conversation import Screen, below, policy_of, printable
from whatschat_ops.plurals import counted
from whatschat_ops.sockets.adapter import Adapter
from whatschat_ops.sockets.events import Event, Received
from whatschat_ops.sockets.session import Session

_ANSWER_S: Final = 10.0
"""A function with a cold start answers sooner."""
_NOT_SHOWN = (
    "pong",
    "typing",
    "message:typing",
    "message_read",
    "message:read",
    "user_status",
    "user:status",
)


class Said(NamedTuple):
    """A line of a conversation: what `who` said, or what the application says if that is None."""

    who: str | None
    words: str


class Receipts:
    """Waits for the answer to each message before the next one is sent, so that they arrive in their order, and before the end.

    A function that runs for a connection that is closed by then delivers nothing.
    """

    def __init__(self, *, waits: bool) -> None:
        self._waits = waits
        self._id = ""
        self._came = asyncio.Event()

    def expected(self) -> str:
        """The id of the next message."""
        self._id = uuid.uuid4().hex
        self._came.clear()
        return self._id

    def take(self, body: Any) -> None:
        """A message arrived; it may be the answer."""
        if (
            isinstance(body, dict)
            and body.get("type") in ("message:sent", "error")
            and body.get("id", self._id) == self._id
        ):
            self._came.set()

    async def answered(self) -> None:
        """Wait for the answer to what was sent last, at most `_ANSWER_S`."""
        if self._waits and self._id:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._came.wait(), _ANSWER_S)


class ChatScreen(Screen):
    """The events of a session as a conversation."""

    help = """\
Every line is sent as a message to those you talk with.
/ping sends a ping, /quit or Ctrl-D ends the conversation."""

    def __init__(self, out: Output, lines: TerminalLines, receipts: Receipts) -> None:
        super().__init__(out, lines)
        self._receipts = receipts

    def show(self, event: Event) -> None:
        """One event, above what is being typed."""
        if isinstance(event, Received):
            self._receipts.take(object_or_text(event.body))
        super().show(event)

    def show_body(self, event: Received, body: Any) -> None:
        """A message in words; with --json as it is."""
        said = said_in(body) if isinstance(body, dict) else Said("?", str(body))
        if self.out.as_json:
            super().show_body(event, body)
        elif said is not None and said.who is None:
            self.out.warn(below(printable(said.words)))
        elif said is not None:
            self.out.text(
                f"{event.time.astimezone():%H:%M:%S} {below(printable(f'{said.who}: {said.words}'))}"
            )


def said_in(message: Mapping[str, Any]) -> Said | None:
    """What a message says to a person; None if nothing (docs/protocol.md: the application's three vocabularies)."""
    kind = str(message.get("type", ""))
    data = message.get("data")
    fields = {**data, **message} if isinstance(data, dict) else message
    if kind in _NOT_SHOWN:
        return None
    if kind == "message:sent":
        return _undelivered(message)
    if kind in ("error", "exception"):
        return Said(None, str(fields.get("message", "The application says no more than: error.")))
    who = str(fields.get("from") or fields.get("userId") or "?")
    words = fields.get("content") or fields.get("text")
    return Said(who, str(words)) if isinstance(words, str) else Said(who, f"[{kind or 'no type'}]")


def _undelivered(receipt: Mapping[str, Any]) -> Said | None:
    lost = [
        f"{counted(count, 'user')} {what}"
        for count, what in ((receipt.get("offline"), "offline"), (receipt.get("failed"), "not reached"))
        if isinstance(count, int) and count
    ]
    return Said(None, f"Not delivered to all: {', '.join(lost)}.") if lost else None


class Listener:
    """Shows messages of some types (none given: all) until there are `count` of them."""

    def __init__(self, out: Output, kinds: frozenset[str], count: int | None) -> None:
        self.shown = 0
        self._kinds = kinds
        self._count = count
        self._ending: asyncio.Queue[str | None] = asyncio.Queue()
        self._screen = Screen(out, TerminalLines(editing=False))

    async def run(self, make_socket: Adapter, timeout_s: float | None) -> None:
        """Listen until enough messages came, or for so long. Raises what the session raises."""
        policy = policy_of(make_socket.mode, reconnect=True, wait_s=0.0)
        session = Session(make_socket, self._ending, self._show, policy)
        timer = asyncio.get_running_loop().call_later(timeout_s, self._end) if timeout_s else None
        await session.run()
        if timer is not None:
            timer.cancel()

    def _end(self) -> None:
        self._ending.put_nowait("/quit")

    def _show(self, event: Event) -> None:
        if isinstance(event, Received):
            if event.keep_alive or not self._is_wanted(event) or self.shown == self._count:
                return
            self.shown += 1
            if self.shown == self._count:
                self._end()
        self._screen.show(event)

    def _is_wanted(self, event: Received) -> bool:
        body = object_or_text(event.body)
        return not self._kinds or (isinstance(body, dict) and body.get("type") in self._kinds)
