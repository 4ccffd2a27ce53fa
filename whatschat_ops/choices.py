"""Values that a user chooses by name. Both the options of the command line and the features take them from here.

Imports nothing but the standard library: the command line needs them before any feature is imported.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final


class TokenVia(StrEnum):
    """Where the token of a handshake travels. A header stays out of access logs; browsers cannot set one and use the others."""

    HEADER = "header"
    QUERY = "query"
    SUBPROTOCOL = "subprotocol"


class SocketMode(StrEnum):
    """The path of messages, by the names of `frontend.websocket_mode`: API Gateway, the server's Socket.IO, or this process alone."""

    APIGATEWAY = "apigateway"
    SOCKETIO = "socketio"
    SIMULATED = "simulated"


class Traffic(StrEnum):
    """What a load test sends."""

    PING = "ping"
    MESSAGE = "message"
    MIXED = "mixed"


class EngineName(StrEnum):
    """What sends a broadcast: this process, or Lambda functions under a Step Functions Distributed Map."""

    LOCAL = "local"
    DISTRIBUTED = "distributed"


class UsageBy(StrEnum):
    """What attendee-minutes of Chime are added up by."""

    USER = "user"
    PURPOSE = "purpose"
    DAY = "day"


class OutputFormat(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"


class PriceSource(StrEnum):
    """Where the prices of a Region are read: AWS's public price list files, or the Query API of the same list."""

    BULK = "bulk"
    API = "api"


class Processor(StrEnum):
    """Of a Lambda function."""

    ARM64 = "arm64"
    X86_64 = "x86_64"


class RateType(StrEnum):
    """Which rates AWS's pricing calculator uses (botocore's model, WorkloadEstimateRateType)."""

    BEFORE_DISCOUNTS = "before_discounts"
    AFTER_DISCOUNTS = "after_discounts"
    AFTER_DISCOUNTS_AND_COMMITMENTS = "after_discounts_and_commitments"


class CallMode(StrEnum):
    """How a test call is made: two peers over the WebSocket API, a Chime meeting, or inside this process only."""

    NATIVE = "native"
    CHIME = "chime"
    SIMULATED = "simulated"


class CallVocabulary(StrEnum):
    """Whose message types signal a call: the web client's, or the server's (docs/protocol.md)."""

    WEB = "web"
    SERVER = "server"


class LogSource(StrEnum):
    """Where a log event is from: one of the functions behind the routes, or the stage's access log."""

    CONNECT = "connect"
    DISCONNECT = "disconnect"
    DEFAULT = "default"
    ACCESS = "access"


class LogFunction(StrEnum):
    """The functions behind the routes, by their names as a `LogSource`."""

    CONNECT = LogSource.CONNECT
    DISCONNECT = LogSource.DISCONNECT
    DEFAULT = LogSource.DEFAULT


class LogOutput(StrEnum):
    """How log events are printed: made readable, as a JSON object each, or as they were written."""

    TEXT = "text"
    JSON = "json"
    RAW = "raw"


class UsageEngine(StrEnum):
    """What aggregates logs."""

    DUCKDB = "duckdb"
    ATHENA = "athena"


BROADCAST: Final = "broadcast"
PRUNE: Final = "prune"
DISCONNECT: Final = "disconnect"
"""The kinds of runs, as `worker.kinds` has them, which takes nothing from here: it travels in a zip."""


_CUTOFF: Final = 0.65
_OPTION_CUTOFF: Final = 0.8
"""How alike two names are at least to be a slip of each other (`difflib`): `stage` and `staging` are 0.67, `--usr` and `--user` 0.91,
`--query` and `--user`, which share their dashes, 0.77."""


def meant(word: str, known: Iterable[str]) -> str | None:
    """The known name that `word` is short for, that it begins with, or that it nearly is; None when there is none.

    >>> meant("prod", ["local", "production"])
    'production'
    """
    names = {name.lower(): name for name in known}
    typed = word.lower()
    if not typed.strip("-"):
        return None
    begun = [name for name in names if name.startswith(typed) or (len(name) > 2 and typed.startswith(name))]
    from difflib import get_close_matches  # only what is wrong pays for it

    found = begun or get_close_matches(typed, names, 1, _OPTION_CUTOFF if typed.startswith("-") else _CUTOFF)
    return names[min(found, key=len)] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The question to put behind a sentence about an unknown name, with a space before it; empty when no name is near."""
    found = meant(word, known)
    return f" Did you mean {found!r}?" if found else ""
