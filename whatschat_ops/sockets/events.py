"""What happens in a Session, one dataclass for each kind of event; `time` is UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Opened:
    """A socket is open; `replacement` when it takes the place of one that grew old."""

    time: datetime
    replacement: bool = False


@dataclass(frozen=True, slots=True)
class Received:
    """A message came in. `keep_alive` marks the answer to a ping of our own."""

    time: datetime
    body: str
    keep_alive: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """A message went out."""

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
    """The socket is closed; `meaning` says the code in words."""

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
class HelpAsked:
    """Somebody typed /help."""

    time: datetime


Event = Opened | Received | Sent | NotSent | Closed | Reconnecting | HelpAsked
