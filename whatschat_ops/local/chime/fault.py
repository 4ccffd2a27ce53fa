"""How an operation refuses: one exception, named as AWS names the error."""

from __future__ import annotations


class ChimeFault(Exception):
    """An error answer. `code` is the error shape (`NotFoundException`); `status` only where no shape states it."""

    def __init__(
        self, code: str, message: str, *, status: int | None = None, resource: str | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.resource = resource


def bad_request(message: str) -> ChimeFault:
    """400: the request is not acceptable."""
    return ChimeFault("BadRequestException", message)


def meeting_not_found(meeting_id: str) -> ChimeFault:
    """404: never made here, made in another Region, or ended. Chime does not tell these apart."""
    return ChimeFault("NotFoundException", f"Meeting <{meeting_id}> not found")
