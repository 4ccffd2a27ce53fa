"""What Lambda answers when it is not the handler that answers: error documents in AWS's words.

Sources of the words: the open-source emulator of the Runtime API that AWS ships with its base images
(aws/aws-lambda-runtime-interface-emulator) and the Lambda guide's page "troubleshooting-invocation".
"""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InvocationFailure:
    """An error document that the platform, not the handler, is the author of."""

    error_type: str
    message: str
    """Without the "RequestId: … Error: " that some types begin with; see `document`."""
    with_request_id: bool = False

    def text(self, request_id: str) -> str:
        """The message of one invocation."""
        return f"RequestId: {request_id} Error: {self.message}" if self.with_request_id else self.message

    def document(self, request_id: str) -> bytes:
        """The payload of the invocation: {"errorType", "errorMessage"}."""
        return json.dumps({"errorType": self.error_type, "errorMessage": self.text(request_id)}).encode()


class CannotStart(Exception):
    """No worker can be started for the function. Never leaves this package: it becomes the invocation's error."""

    def __init__(self, failure: InvocationFailure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def timed_out(timeout_s: float) -> InvocationFailure:
    """The handler ran longer than the function's timeout."""
    return InvocationFailure(
        "Sandbox.Timedout", f"Task timed out after {timeout_s:.2f} seconds", with_request_id=True
    )


def exited(return_code: int) -> InvocationFailure:
    """The process ended without an answer. `return_code` is negative for a signal, as in `subprocess`."""
    if return_code == 0:
        reason = "Runtime exited without providing a reason"
    elif return_code < 0:
        reason = f"Runtime exited with error: signal: {_signal_name(-return_code)}"
    else:
        reason = f"Runtime exited with error: exit status {return_code}"
    return InvocationFailure("Runtime.ExitError", reason, with_request_id=True)


def response_too_large(size_bytes: int, limit_bytes: int) -> InvocationFailure:
    """The handler returned more than Lambda passes on."""
    return InvocationFailure(
        "Function.ResponseSizeTooLarge",
        f"Response payload size ({size_bytes} bytes) exceeded maximum allowed payload size ({limit_bytes} bytes).",
    )


def error_type_of(document: bytes) -> str:
    """The errorType of a runtime client's error document."""
    try:
        return str(json.loads(document)["errorType"])
    except (ValueError, KeyError, TypeError):
        return "Runtime.Unknown"


def _signal_name(number: int) -> str:
    """Go's word for a signal, which is what Lambda prints: 9 is `killed`, 11 `segmentation fault`."""
    description = signal.strsignal(number)
    return description.lower() if description else f"signal {number}"
