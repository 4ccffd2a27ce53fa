"""What to do about an error, by its kind and the command that failed with it.

A library says what happened; what to type next is said here, unless only the library can know it (which run, which function).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from whatschat_ops.errors import (
    PROVISION,
    AwsError,
    Blocked,
    ChecksFailed,
    ConfigError,
    Conflict,
    CredentialsError,
    Gone,
    Hint,
    Interrupted,
    LocalError,
    Missing,
    NotFound,
    NotProvisioned,
    OpsError,
    PartlyDone,
    PermissionDenied,
    Rejected,
    Throttled,
    TimedOut,
    Unavailable,
    UsageError,
)

_POLICY: Final = Hint(
    ("iam", "policies", "operator"), "The identity needs an IAM policy that allows {operation}. See"
)
_LOG_POLICY: Final = Hint(
    ("iam", "policies", "operator-logs"), "The identity needs an IAM policy that allows {operation}. See"
)
_MIGRATION_POLICY: Final = Hint(
    ("iam", "policies", "operator-migration"), "The identity needs an IAM policy that allows {operation}. See"
)
_CONNECTIONS: Final = Hint(("ws", "connections", "list"))
_FUNCTIONS: Final = Hint(("lambda", "list"))
_MEETINGS: Final = Hint(("chime", "meeting", "list", "--all"))
_IN_DOUBT: Final = Hint(("chime", "meeting", "list"), "See whether the meeting exists")
_ATTENDEES: Final = Hint(("chime", "attendee", "list", "MEETING"))

ADVICE: Final[tuple[tuple[type[OpsError], str, Hint], ...]] = (
    (NotProvisioned, "", PROVISION),
    (PermissionDenied, "logs", _LOG_POLICY),
    (PermissionDenied, "migrate", _MIGRATION_POLICY),
    (PermissionDenied, "", _POLICY),
    (NotFound, "table", Hint(("table", "create"))),
    (NotFound, "lambda", _FUNCTIONS),
    (Missing, "lambda", _FUNCTIONS),
    (Conflict, "lambda", _FUNCTIONS),
    (NotFound, "ws broadcast", Hint(("ws", "endpoint"))),
    (NotFound, "ws connections", _CONNECTIONS),
    (Missing, "ws connections", _CONNECTIONS),
    (Gone, "ws send", _CONNECTIONS),
    (Rejected, "ws send", _CONNECTIONS),
    (Unavailable, "chime meeting create", _IN_DOUBT),
    (Throttled, "chime meeting create", _IN_DOUBT),
    (NotFound, "chime", _MEETINGS),
    (NotFound, "local chime", _MEETINGS),
    (Missing, "chime", _MEETINGS),
    (UsageError, "chime attendee get", _ATTENDEES),
    (UsageError, "chime attendee delete", _ATTENDEES),
)
"""Kind of error, the command or its group ("" is any), the hint. The first that fits counts, so the special kind is above.

`{operation}` in a text is the API operation that failed.
"""


_LATER: Final = Hint(("doctor",), "Run it again in a moment. If it fails again")

OTHERWISE: Final[tuple[tuple[type[OpsError], Hint], ...]] = (
    (ChecksFailed, Hint(text="Fix what is named above, then run it again.")),
    (PartlyDone, Hint(text="Run it again for what was not done.")),
    (ConfigError, Hint(("config", "reference"), "See every key and what it may be")),
    (LocalError, Hint(("local", "logs"))),
    (CredentialsError, Hint(text="Check the credentials with: aws sts get-caller-identity")),
    (NotFound, Hint(("status",))),
    (Missing, Hint(("status",))),
    (Gone, _CONNECTIONS),
    (Conflict, Hint(("status",), "Run it again when the other change is done. See")),
    (Blocked, Hint(("status",), "Run it again when the other change is done. See")),
    (Throttled, Hint(text="Run it again in a moment.")),
    (TimedOut, _LATER),
    (Unavailable, _LATER),
    (OpsError, Hint(text="Run it again with --debug for more details.")),
)
"""Kind of error and the hint when nothing better is known. The first that fits counts."""

_APPLYING: Final = ("provision", "destroy", "table", "lambda deploy")
_AGAIN: Final = Hint(text="Run the same command again: it continues from here.")


def advise(error: OpsError, command: str) -> Hint | None:
    """The hint of an error that `command` (without the program's name) ended with.

    Its own, else that of the table, else that of what caused it.
    """
    cause = error.__cause__
    hint = error.hint or _advice(error, command)
    if hint is None and isinstance(cause, OpsError) and cause is not error:  # `raise error from error`
        hint = advise(cause, command)
    if hint is None and isinstance(error, (PartlyDone, Interrupted)) and _is_in(command, _APPLYING):
        hint = _AGAIN
    return hint


def hint_of(error: OpsError, command: str) -> Hint | None:
    """What to show with an error that `command` ended with: every refusal says what to do next. None for an interrupt."""
    hint = advise(error, command)
    if hint is not None or isinstance(error, Interrupted):
        return hint
    if isinstance(error, UsageError):
        return Hint((*command.split(), "--help"))
    return next(hint for kind, hint in OTHERWISE if isinstance(error, kind))


def _advice(error: OpsError, command: str) -> Hint | None:
    operation = error.operation if isinstance(error, AwsError) else ""
    for kind, prefix, hint in ADVICE:
        if isinstance(error, kind) and _is_in(command, (prefix,)):
            return Hint(hint.argv, hint.text.format(operation=operation or "the call"))
    return None


def _is_in(command: str, prefixes: Sequence[str]) -> bool:
    """Whether it is one of these commands, or of their group. "" is the group of all."""
    return any(f"{command} ".startswith(f"{prefix} ".lstrip()) for prefix in prefixes)
