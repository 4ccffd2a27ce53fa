"""The error of an operation: one exception, named as AWS names the error."""

from __future__ import annotations


class ChimeFault(Exception):
    """An error response. `code` is the error shape (`NotFoundException`); `status` only where no shape has one."""

    def __init__(
        self, code: str, message: str, *, status: int | None = None, resource: str | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.resource = resource


def bad_request(message: str) -> ChimeFault:
    """400: the request is not valid."""
    return ChimeFault("BadRequestException", message)


def meeting_not_found(meeting_id: str) -> ChimeFault:
    """404: never created here, created in another Region, or ended. Chime does not distinguish these."""
    return ChimeFault("NotFoundException", f"Meeting <{meeting_id}> not found")
