"""The secret that signs tokens: is it there, can it sign, how old is it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from whatschat_ops.aws import Aws
from whatschat_ops.config import Settings
from whatschat_ops.doctor.areas.stack import THERE
from whatschat_ops.doctor.check import Check, Finding, fail, of, ok, warn
from whatschat_ops.errors import Hint
from whatschat_ops.handlers.token_rules import MIN_SECRET_BYTES
from whatschat_ops.stack.given_secret import is_other_key
from whatschat_ops.stack.jwt_secret import AT_ONCE, Rotation, StoredSecret, read_rotation, stored_secret


def secret(settings: Settings, aws: Aws) -> Finding:
    """The JWT secret of the stack, and its rotation."""
    return judge_secret(stored_secret(settings, aws), read_rotation(settings, aws), datetime.now(UTC))


def judge_secret(stored: StoredSecret, rotation: Rotation | None, now: datetime) -> Finding:
    """What a stored secret and its last rotation are worth now."""
    text = stored.value.reveal()
    if is_other_key(text):
        return fail("The JWT secret is a key of another kind, which cannot sign or check tokens.", AT_ONCE)
    if len(text.encode()) < MIN_SECRET_BYTES:
        return warn(
            f"The JWT secret is shorter than {MIN_SECRET_BYTES} bytes, which is too short for HS256 (RFC 7518, 3.2).",
            Hint(("token", "secret", "rotate")),
        )
    detail = f"The JWT secret was stored {_age(now - stored.stored_at)} ago."
    if rotation is None or not rotation.is_about(stored.value, now):
        return ok(detail)
    until = f"{rotation.until:%Y-%m-%d %H:%M} UTC"
    if stored.value == rotation.previous:
        return warn(f"{detail} A rotation was interrupted.", Hint(("token", "secret", "rotate")))
    return ok(f"{detail} Tokens of the previous one are accepted until {until}.")


def _age(span: timedelta) -> str:
    hours = int(span.total_seconds() // 3600)
    if hours < 1:
        return "less than an hour"
    count, unit = (hours // 24, "day") if hours >= 48 else (hours, "hour")
    return f"{count} {unit}{'' if count == 1 else 's'}"


CHECKS: Final = (Check("WS030", "websocket.secret", "Can tokens be signed and checked?", of(secret), THERE),)
