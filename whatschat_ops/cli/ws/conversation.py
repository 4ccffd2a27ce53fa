"""`ws connect` on the screen: a Session's events as lines, and lines from the terminal or a pipe."""

from __future__ import annotations

import asyncio
import sys
import unicodedata
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import Any

from whatschat_ops.broadcast.message import object_or_text
from whatschat_ops.choices import SocketMode
from whatschat_ops.cli.terminal.output import Output
from whatschat_ops.cli.terminal.terminal_lines import TerminalLines
from whatschat_ops.errors import OpsError, PartlyDone
from whatschat_ops.sockets.adapter import Adapter
from whatschat_ops.sockets.events import (
    Closed,
    Event,
    HelpRequested,
    NotSent,
    Opened,
    Received,
    Reconnecting,
    Sent,
)
from whatschat_ops.sockets.session import Session, SessionPolicy, SessionReport, at_once

_LINES_AHEAD = 100
_LEFT_AS_THEY_ARE = frozenset("\n\t")
_BIDIRECTIONAL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They change the direction of the text after them, which can make it read as something else."""


@dataclass(frozen=True, slots=True)
class MessageLine:
    """One received message, as --json prints it: `body` is an object or a list if the message is one in JSON."""

    direction: str
    time: datetime
    body: Any


async def converse(
    out: Output,
    make_socket: Adapter,
    *,
    wait_s: float,
    reconnect: bool,
    view: Callable[[Output, TerminalLines], Screen] | None = None,
    message_of: Callable[[str], str] = str,
    answered: Callable[[], Awaitable[None]] = at_once,
) -> SessionReport:
    """Send and show messages until the input ends; `view` shows them, `message_of` makes them, `answered` is waited for after each.

    Raises what the session raises.
    """
    typed = sys.stdin.isatty()
    lines = TerminalLines(editing=typed and out.stdout.isatty() and not out.as_json)
    screen = (view or Screen)(out, lines)
    queue: asyncio.Queue[str | None] = asyncio.Queue(_LINES_AHEAD)
    policy = policy_of(make_socket.mode, reconnect=reconnect, wait_s=0.0 if typed else wait_s)
    try:
        session = Session(
            make_socket,
            queue,
            screen.show,
            policy,
            on_first_open=lambda: lines.start(queue),
            message_of=message_of,
            answered=answered,
        )
        report = await session.run()
    finally:
        await lines.stop()
    if lines.failure is not None:
        raise lines.failure
    return report


def require_sent(report: SessionReport) -> None:
    """Raise PartlyDone, or OpsError if nothing was sent, for lines that were not."""
    if report.not_sent:
        failure = PartlyDone if report.sent else OpsError
        raise failure(f"{report.not_sent} of {report.sent + report.not_sent} messages were not sent.")


def policy_of(mode: SocketMode, *, reconnect: bool, wait_s: float) -> SessionPolicy:
    """Pings and replacements as the mode needs them: only API Gateway closes idle and old connections."""
    if mode is SocketMode.APIGATEWAY:
        return SessionPolicy(reconnect=reconnect, wait_s=wait_s)
    return SessionPolicy(reconnect=reconnect, wait_s=wait_s, keep_alive_s=inf, replace_after_s=inf)


class Screen:
    """Shows the events of a session: messages on stdout, the rest on stderr."""

    help = """\
Every line is sent as it is; the functions read JSON (docs/protocol.md), for example:
  {"type": "message:send", "recipients": ["bob"], "content": "Hello"}
/ping sends a ping, /quit or Ctrl-D ends the session."""
    """The answer to /help."""

    def __init__(self, out: Output, lines: TerminalLines) -> None:
        self.out = out
        self._lines = lines

    def show(self, event: Event) -> None:
        """One event, above what is being typed."""
        self._lines.print_above(lambda: self._show(event))

    def _show(self, event: Event) -> None:
        match event:
            case Received():
                self._show_message(event)
            case Sent(keep_alive=keep_alive, body=body):
                self.out.detail("Sent a ping to stay connected." if keep_alive else f"Sent {printable(body)}")
            case NotSent(reason=reason):
                self.out.warn(f"Not sent. {reason}")
            case HelpRequested():
                self.out.note(self.help)
            case _:
                self.out.note(_words(event))

    def _show_message(self, event: Received) -> None:
        if event.keep_alive and not self.out.verbose:
            return
        self.show_body(event, object_or_text(event.body))

    def show_body(self, event: Received, body: Any) -> None:
        """A message; `body` is an object or a list if it is one in JSON."""
        self.out.stream(MessageLine("in", event.time, body), lambda _: _render(event))


def printable(text: str) -> str:
    """`text` without control characters: a message must not control the terminal that shows it."""
    return "".join(_escaped(character) if _controls_terminal(character) else character for character in text)


def below(text: str) -> str:
    """`text` with its further lines indented under the first: none of them looks like a message of its own, with a time and a name."""
    return text.replace("\n", "\n" + " " * len("00:00:00 "))


def _controls_terminal(character: str) -> bool:
    if character in _LEFT_AS_THEY_ARE:
        return False
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in _BIDIRECTIONAL


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _words(event: Opened | Closed | Reconnecting) -> str:
    match event:
        case Opened(replacement=True):
            return "Reconnected before the two-hour limit."
        case Opened():
            return "Connected."
        case Closed(meaning=meaning):
            return f"Disconnected: {meaning}."
        case Reconnecting(attempt=attempt, delay_s=delay_s, why=why):
            return f"Reconnecting in {delay_s:.1f} s (attempt {attempt}). {why}".rstrip()


def _render(received: Received) -> Any:
    from rich.text import Text

    text = Text.assemble((f"{received.time.astimezone():%H:%M:%S} ", "dim"), ("< ", "bold cyan"))
    kind = _kind(received.body)
    if kind is not None:
        styles = {"error": "bold red", "pong": "dim"}
        text.append(f"{kind} ", style=styles.get(kind, "bold green"))
    return text.append(below(printable(received.body)))


def _kind(body: str) -> str | None:
    """The `type` of a message that has one."""
    document = object_or_text(body)
    kind = document.get("type") if isinstance(document, dict) else None
    return printable(kind) if isinstance(kind, str) else None
