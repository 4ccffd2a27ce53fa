"""The stack of a run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from whatschat_ops.cli.command import Run

if TYPE_CHECKING:
    from whatschat_ops.stack.stack import Stack


def open_stack(run: Run, *, reading: bool = False) -> Stack:
    """The stack of this run's settings, with the JWT secret of the environment.

    Unless it is for `reading` only, nobody else may be changing the stack now (OpsError), nor until it is applied.
    """
    from whatschat_ops.redaction import Secret
    from whatschat_ops.stack.stack import Stack
    from whatschat_ops.stack.waiting import Waiting

    secret = os.environ.get("JWT_SECRET")
    if secret and len(secret.encode()) < 32:
        run.out.warn("JWT_SECRET is shorter than 32 bytes, which is too short for HS256 (RFC 7518, 3.2).")
    jwt_secret = Secret(secret) if secret else None
    stack = Stack(run.settings, run.aws, jwt_secret, Waiting(say=run.out.note), say=run.out.note)
    if not reading:
        stack.guard(run.command_path)
    return stack
