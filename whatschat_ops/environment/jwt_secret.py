"""The application's JWT_SECRET held against the stack's. Neither is ever shown."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from whatschat_ops.aws import Aws
from whatschat_ops.config import Settings
from whatschat_ops.environment.comparing import ApplicationFile, Mismatch, Status
from whatschat_ops.errors import Hint, OpsError
from whatschat_ops.redaction import Secret
from whatschat_ops.stack.jwt_secret import accepted_secrets

NAME: Final = "JWT_SECRET"


def compare_jwt_secret(file: ApplicationFile, settings: Settings, aws: Aws, now: datetime) -> Mismatch | None:
    """Why tokens of a backend with this file are, or will be, refused; None if they are accepted.

    The stack's secret is read only if the file has one.
    """
    fix = Hint((*file.rendering.argv, "--show-secrets"), "Give the application the stack's secret")
    if not file.get(NAME):
        return Mismatch(NAME, Status.WARN, "is not set here; the backend signs tokens with it.", fix)
    try:
        current, *others = accepted_secrets(settings, aws, now)
    except OpsError as error:
        return Mismatch(
            NAME,
            Status.WARN,
            f"cannot be compared with the stack's: {error.message}",
            error.hint or Hint(("doctor",)),
        )
    return _judge(Secret(file.get(NAME)), current, others, fix)


def _judge(given: Secret, current: Secret, others: list[Secret], fix: Hint) -> Mismatch | None:
    if given == current:
        return None
    if given in others:
        detail = "is the other secret of a rotation, which is accepted until the rotation's grace is over."
        return Mismatch(NAME, Status.WARN, detail, fix)
    detail = "is not the stack's: the functions refuse every token that the backend signs."
    return Mismatch(NAME, Status.FAIL, detail, fix)
