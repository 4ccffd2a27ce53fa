"""Errors that Lambda itself returns instead of the handler: error documents with AWS's texts.

Sources of the texts: AWS's open-source emulator of the Runtime API (aws/aws-lambda-runtime-interface-emulator) and
the Lambda guide's page "troubleshooting-invocation".
"""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass, replace
from typing import Final

_SIGKILL: Final = 9
"""Lambda's number, which Windows does not know."""


@dataclass(frozen=True, slots=True)
class InvocationFailure:
    """An error document of the platform, not of the handler."""

    error_type: str
    message: str
    """Without the prefix "RequestId: … Error: " of some types; see `document`."""
    with_request_id: bool = False

    def text(self, request_id: str) -> str:
        """The message of one invocation."""
        return f"RequestId: {request_id} Error: {self.message}" if self.with_request_id else self.message

    def document(self, request_id: str) -> bytes:
        """The payload of the invocation: {"errorType", "errorMessage"}."""
        return json.dumps({"errorType": self.error_type, "errorMessage": self.text(request_id)}).encode()


class CannotStart(Exception):
    """No worker can be started for the function. Stays inside this package: it becomes the error of the invocation."""

    def __init__(self, failure: InvocationFailure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def timed_out(timeout_s: float) -> InvocationFailure:
    """The handler ran longer than the function's timeout."""
    return InvocationFailure(
        "Sandbox.Timedout", f"Task timed out after {timeout_s:.2f} seconds", with_request_id=True
    )


def exited(return_code: int) -> InvocationFailure:
    """The process exited without a response. `return_code` is negative for a signal, as in `subprocess`."""
    if return_code == 0:
        reason = "Runtime exited without providing a reason"
    elif return_code < 0:
        reason = f"Runtime exited with error: signal: {_signal_name(-return_code)}"
    else:
        reason = f"Runtime exited with error: exit status {return_code}"
    return InvocationFailure("Runtime.ExitError", reason, with_request_id=True)


def out_of_memory() -> InvocationFailure:
    """The process was killed because it used more memory than the function has.

    Recorded: the report's error type, "Runtime.OutOfMemory", and the message of a killed process.
    """
    return replace(exited(-_SIGKILL), error_type="Runtime.OutOfMemory")


def response_too_large(size_bytes: int, limit_bytes: int) -> InvocationFailure:
    """The handler returned more than Lambda allows."""
    return InvocationFailure(
        "Function.ResponseSizeTooLarge",
        f"Response payload size ({size_bytes} bytes) exceeded maximum allowed payload size ({limit_bytes} bytes).",
    )


def error_type_of(document: bytes) -> str:
    """The errorType of a runtime client's error document."""
    try:
        return str(json.loads(document)["errorType"])
    except (ValueError, RecursionError, KeyError, TypeError):
        return "Runtime.Unknown"


def _signal_name(number: int) -> str:
    """Go's name of a signal, which is what Lambda prints: 9 is `killed`, 11 `segmentation fault`."""
    description = signal.strsignal(number) if number != _SIGKILL else "killed"
    return description.lower() if description else f"signal {number}"
