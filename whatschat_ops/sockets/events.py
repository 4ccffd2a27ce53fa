"""The events of a Session, one dataclass per kind; `time` is UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Opened:
    """A socket is open; `replacement`: it replaces one that reached its maximum age."""

    time: datetime
    replacement: bool = False


@dataclass(frozen=True, slots=True)
class Received:
    """A message was received. `keep_alive`: the answer to a keep-alive ping."""

    time: datetime
    body: str
    keep_alive: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """A message was sent."""

    time: datetime
    body: str
    keep_alive: bool = False


@dataclass(frozen=True, slots=True)
class NotSent:
    """A line was not sent, and why."""

    time: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The socket was closed; `meaning` is the code in words."""

    time: datetime
    code: int
    reason: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Reconnecting:
    """The next attempt starts after `delay_s`; `why` the last one failed ("" right after a `Closed`)."""

    time: datetime
    attempt: int
    delay_s: float
    why: str


@dataclass(frozen=True, slots=True)
class HelpRequested:
    """The user typed /help."""

    time: datetime


Event = Opened | Received | Sent | NotSent | Closed | Reconnecting | HelpRequested
