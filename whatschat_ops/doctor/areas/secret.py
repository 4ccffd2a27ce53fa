"""The secret that signs tokens: is it there, can it sign, is it strong, how old is it, and did its rotation end.

What is known of the secret is found out once, as facts about it (`SecretFacts`): a recording has them, and not the secret.
"""

from __future__ import annotations

import math
from collections import Counter
from datetime import datetime, timedelta
from typing import Final, Literal

from msgspec import Struct

from whatschat_ops.aws import Aws
from whatschat_ops.config import Settings
from whatschat_ops.doctor.areas.stack import THERE
from whatschat_ops.doctor.check import Check, Finding, fail, ok, warn
from whatschat_ops.doctor.facts import Facts
from whatschat_ops.errors import ConfigError, Hint
from whatschat_ops.handlers.token_rules import MIN_SECRET_BYTES
from whatschat_ops.plurals import counted
from whatschat_ops.stack.given_secret import is_other_key
from whatschat_ops.stack.jwt_secret import AT_ONCE, Rotation, StoredSecret, read_rotation, stored_secret

SECRET: Final = "WS030"
LEAST_BITS: Final = 128
"""Of entropy, by the frequencies of the characters: random hexadecimal text of 32 bytes has 256, a phrase of four words about 100."""
OLD: Final = timedelta(days=365)
_ROTATE: Final = Hint(("token", "secret", "rotate"))

RotationState = Literal["none", "ended", "lasts", "interrupted", "unreadable"]


class SecretFacts(Struct, frozen=True):
    """What is known of the stored secret. `bits` is its entropy, `until` the end of a rotation that lasts."""

    other_key: bool
    size_bytes: int
    bits: float
    stored_at: datetime
    rotation: RotationState
    until: datetime | None = None


def read_facts(settings: Settings, aws: Aws, now: datetime) -> SecretFacts:
    """Reads the secret and its rotation. Raises NotProvisioned."""
    stored = stored_secret(settings, aws)
    try:
        rotation = read_rotation(settings, aws)
    except ConfigError:
        return facts_of(stored, None, now, unreadable=True)
    return facts_of(stored, rotation, now)


def facts_of(
    stored: StoredSecret, rotation: Rotation | None, now: datetime, *, unreadable: bool = False
) -> SecretFacts:
    """What a stored secret and its last rotation are worth now."""
    text = stored.value.reveal()
    lasts = rotation is not None and rotation.is_about(stored.value, now)
    state: RotationState = "unreadable" if unreadable else "none" if rotation is None else "ended"
    if lasts and rotation:
        state = "interrupted" if stored.value == rotation.previous else "lasts"
    return SecretFacts(
        is_other_key(text),
        len(text.encode()),
        round(entropy_bits(text), 1),
        stored.stored_at,
        state,
        rotation.until if lasts and rotation else None,
    )


def entropy_bits(text: str) -> float:
    """Shannon's entropy of the characters, for all of them together; of a text that is a repetition, of what is repeated.

    >>> entropy_bits("abcd")
    8.0
    >>> entropy_bits("abcd" * 20)
    8.0
    >>> entropy_bits("aaaaaaaa")
    0.0
    """
    unit = text[: (text + text).find(text, 1)] if text else ""
    return abs(sum(count * math.log2(len(unit) / count) for count in Counter(unit).values()))


def known_secret(facts: Facts) -> SecretFacts:
    """What is known of the secret, found out once. Raises NotProvisioned."""
    return facts.observe("secret", SecretFacts, lambda: read_facts(facts.settings, facts.aws, facts.now))


def secret(facts: Facts) -> Finding:
    """The secret is there, and can sign."""
    found = known_secret(facts)
    if found.other_key:
        return fail("The JWT secret is a key of another kind, which cannot sign or check tokens.", AT_ONCE)
    return ok("The JWT secret is stored, and can sign.")


def strength(facts: Facts) -> Finding:
    """The secret is long and random enough."""
    found = known_secret(facts)
    if found.size_bytes < MIN_SECRET_BYTES:
        return warn(
            f"The JWT secret is shorter than {MIN_SECRET_BYTES} bytes, which is too short for HS256 (RFC 7518, 3.2).",
            _ROTATE,
            f"GetParameter.Value: {found.size_bytes} bytes",
        )
    if found.bits < LEAST_BITS:
        return warn(
            f"The JWT secret has little that cannot be guessed: about {found.bits:.0f} bits.",
            _ROTATE,
            f"GetParameter.Value: {found.size_bytes} bytes, {found.bits:.0f} bits of entropy",
        )
    return ok(f"The JWT secret has {found.size_bytes} bytes, and about {found.bits:.0f} bits of entropy.")


def age(facts: Facts) -> Finding:
    """The secret is not older than a year."""
    old = facts.now - known_secret(facts).stored_at
    detail = f"The JWT secret was stored {_age(old)} ago."
    return warn(detail, _ROTATE) if old > OLD else ok(detail)


def rotation(facts: Facts) -> Finding:
    """The last rotation came to its end."""
    found = known_secret(facts)
    if found.rotation == "unreadable":
        return fail(
            "The SSM parameter of the rotation is not what this program wrote: the functions cannot read it.",
            AT_ONCE,
        )
    if found.rotation == "interrupted":
        return warn(
            "A rotation of the JWT secret was interrupted: tokens are still signed with the previous one.",
            _ROTATE,
        )
    if found.until is not None:
        return ok(f"Tokens of the previous secret are accepted until {found.until:%Y-%m-%d %H:%M} UTC.")
    return ok("No rotation is under way.")


def _age(span: timedelta) -> str:
    hours = int(span.total_seconds() // 3600)
    if hours < 1:
        return "less than an hour"
    count, unit = (hours // 24, "day") if hours >= 48 else (hours, "hour")
    return counted(count, unit)


_READS: Final = ("ssm:GetParameter",)
CHECKS: Final = (
    Check(
        SECRET,
        "websocket.secret",
        "Can tokens be signed and checked?",
        secret,
        THERE,
        _READS,
        watches=("secret.jwt:",),
        meaning="The SSM parameter with the secret does not exist, or holds a key of another kind: every handshake fails.",
        fix=AT_ONCE,
    ),
    Check(
        "WS034",
        "websocket.secret-strength",
        "Is the secret strong?",
        strength,
        (*THERE, SECRET),
        _READS,
        meaning="Whoever guesses the secret can sign tokens for any user.",
        fix=_ROTATE,
    ),
    Check(
        "WS035",
        "websocket.secret-age",
        "Is the secret younger than a year?",
        age,
        (*THERE, SECRET),
        _READS,
        meaning="A secret that is never changed leaks at some time.",
        fix=_ROTATE,
    ),
    Check(
        "WS036",
        "websocket.secret-rotation",
        "Did the last rotation come to its end?",
        rotation,
        (*THERE, SECRET),
        _READS,
        meaning="`token secret rotate` was interrupted between its two steps, or its parameter was overwritten.",
        fix=_ROTATE,
    ),
)
