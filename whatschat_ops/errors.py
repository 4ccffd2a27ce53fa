"""The errors of the program, with their exit codes.

    OpsError                    exit 1   something failed
    ├── UsageError              exit 2   the command line is not valid
    ├── ConfigError             exit 2   a setting is missing or has a wrong value
    ├── ChecksFailed            exit 3   the plan has changes, or a check failed
    ├── PartlyDone              exit 4   some of the work was done
    ├── Interrupted             exit 130 Ctrl-C
    ├── LocalError              exit 1   the embedded AWS cannot be started or reached
    ├── Missing                 exit 1   what was named does not exist
    ├── Blocked                 exit 1   a change is not possible as things are
    ├── Unusable                exit 1   a resource exists and does not work
    ├── TimedOut                exit 1   waited too long
    └── AwsError                exit 1   AWS refused a call, or it could not be reached
        ├── CredentialsError             no, wrong or expired credentials
        ├── PermissionDenied             403: IAM does not allow the call
        ├── NotFound                     404
        │   └── NotProvisioned           something that provisioning creates is not there
        ├── Gone                         410: the WebSocket connection no longer exists
        ├── Conflict                     409: it exists already, or is being changed
        ├── Throttled                    429
        ├── Rejected                     400, 413, 422: AWS does not accept the request
        └── Unavailable                  5xx, timeouts, connection refused

A message is `{what happened}: {why}`; a hint is what to do next, if possible a command. A hint that
follows from the kind of error is not given here but by the command line (`cli/advice.py`).
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Final, Self

PROGRAM: Final = "whatschat-ops"


@dataclass(frozen=True, slots=True)
class Hint:
    """What to do next: a command of this program, words, or words that introduce the command.

    `argv` is without the program's name, and without the options that lead to an environment: they are added when it is shown.
    `other` is a command that one may choose instead.
    """

    argv: tuple[str, ...] = ()
    text: str = ""
    other: tuple[str, ...] = ()

    def words(self, typed: Callable[[tuple[str, ...]], tuple[str, ...]]) -> str:
        """The hint as a person reads it; `typed` makes the whole command line of a command."""
        commands = ", or: ".join(shlex.join(typed(argv)) for argv in (self.argv, self.other) if argv)
        return ": ".join(filter(None, (self.text, commands)))

    def __str__(self) -> str:
        return self.words(lambda argv: (PROGRAM, *argv))


PROVISION: Final = Hint(("provision",))
"""The hint when a part of the stack is missing."""


class ExitCode(IntEnum):
    """The exit codes (docs/commands.md shows them to users)."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    CHANGES = 3
    PARTLY_DONE = 4
    INTERRUPTED = 130


class OpsError(Exception):
    """A failure with a message for the user, a hint and an exit code."""

    code: ClassVar[str] = "failed"
    exit_code: ClassVar[ExitCode] = ExitCode.FAILED

    def __init__(self, message: str, *, hint: Hint | str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = Hint(text=hint) if isinstance(hint, str) else hint


class UsageError(OpsError):
    """The command line is not valid."""

    code = "usage"
    exit_code = ExitCode.USAGE


class ConfigError(OpsError):
    """A setting is missing, unknown or has a value that is not allowed."""

    code = "config"
    exit_code = ExitCode.USAGE


class ChecksFailed(OpsError):
    """A check did not pass, or `--detailed-exitcode` found changes."""

    code = "checks_failed"
    exit_code = ExitCode.CHANGES


class PartlyDone(OpsError):
    """Some of the work was done and some was not; running the command again continues."""

    code = "partly_done"
    exit_code = ExitCode.PARTLY_DONE


class Interrupted(OpsError):
    """The user pressed Ctrl-C."""

    code = "interrupted"
    exit_code = ExitCode.INTERRUPTED


class LocalError(OpsError):
    """The embedded AWS cannot be started, reached or stopped."""

    code = "local"


class Missing(OpsError):
    """What was named does not exist; not the answer to one call, which is NotFound."""

    code = "not_found"


class Blocked(OpsError):
    """A change is not possible as things are: locked, in progress, not of this stack."""

    code = "conflict"


class Unusable(OpsError):
    """A resource exists and does not work."""

    code = "rejected"


class TimedOut(OpsError):
    """Waited too long for something to happen."""

    code = "unavailable"


class AwsError(OpsError):
    """AWS refused a call or could not be reached.

    `aws_code` is AWS's own error code (for example `ResourceNotFoundException`), `operation` the API
    operation (for example `DescribeTable`); both are empty when the call never reached AWS.
    """

    code = "aws"

    def __init__(
        self, message: str, *, hint: Hint | str | None = None, aws_code: str = "", operation: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.aws_code = aws_code
        self.operation = operation

    @classmethod
    def of(cls, error: AwsError, message: str, *, hint: Hint | str | None = None) -> Self:
        """A failure of AWS in the words of a caller that knows what the call was for."""
        return cls(message, hint=hint, aws_code=error.aws_code, operation=error.operation)


class CredentialsError(AwsError):
    """There are no AWS credentials, or AWS does not accept them."""

    code = "credentials"


class PermissionDenied(AwsError):
    """IAM does not allow the call."""

    code = "permission_denied"


class NotFound(AwsError):
    """The thing does not exist."""

    code = "not_found"


class NotProvisioned(NotFound):
    """The stack, or the part of it that is needed, does not exist: provisioning creates it."""


class Gone(AwsError):
    """The WebSocket connection no longer exists (HTTP 410, GoneException)."""

    code = "gone"


class Conflict(AwsError):
    """The thing exists already or is being changed by another caller."""

    code = "conflict"


class Throttled(AwsError):
    """AWS throttled the call and all its retries."""

    code = "throttled"


class Rejected(AwsError):
    """AWS understood the request and does not accept it."""

    code = "rejected"


class Unavailable(AwsError):
    """AWS answered 5xx, did not answer in time, or the connection was refused."""

    code = "unavailable"
