"""Mints and inspects the tokens that `$connect` accepts (`handlers.token_rules`).

`inspect` reads a token without trusting it and lists all its problems, so that a rejected handshake can be explained
to the client. Pure: the clock, the secret and the id are arguments.
"""

from __future__ import annotations

import json
import warnings
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from whatschat_ops.errors import PROVISION, ConfigError, Hint, UsageError
from whatschat_ops.handlers import token_rules as rules
from whatschat_ops.handlers.limits import MAX_USER_ID_CHARACTERS, is_user_id
from whatschat_ops.plurals import counted
from whatschat_ops.redaction import Secret

RESERVED_CLAIMS = (*rules.USER_CLAIMS, "iat", "exp", "jti")
MINT = Hint(("token", "mint", "--user", "alice"))


@dataclass(frozen=True, slots=True)
class MintedToken:
    """A new token."""

    token: Secret
    user_id: str
    token_id: str
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Inspection:
    """The contents of a token, and its problems.

    `expires_in_s` is negative once the token has expired. `signature_valid` is None when no secret was given.
    """

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    user_id: str | None
    issued_at: datetime | None
    not_before: datetime | None
    expires_at: datetime | None
    expires_in_s: int | None
    signature_valid: bool | None
    problems: tuple[str, ...]


def mint(
    user_id: str,
    secret: Secret,
    *,
    ttl: timedelta,
    now: datetime,
    token_id: str,
    claims: Mapping[str, Any] | None = None,
) -> MintedToken:
    """A token for `user_id` that is valid from `now` for `ttl`; with a negative one it expired that long ago. Raises UsageError for values that a token cannot have,
    ConfigError for an empty secret.
    """
    extra = dict(claims or {})
    if not is_user_id(user_id):
        raise UsageError(
            f"A user id has 1 to {MAX_USER_ID_CHARACTERS} characters, none of them a control character.",
            hint=MINT,
        )
    if not secret:
        raise ConfigError("The JWT secret of this stack is empty.", hint=PROVISION)
    if not ttl:
        raise UsageError("The lifetime of a token must not be 0 minutes.")
    if taken := sorted(set(extra) & set(RESERVED_CLAIMS)):
        raise UsageError(f"The claim {taken[0]} is set by the program and cannot be an extra claim.")
    expires_at = now.astimezone(UTC).replace(microsecond=0) + ttl
    issued_at = expires_at - abs(ttl)
    payload = {
        **extra,
        **dict.fromkeys(rules.USER_CLAIMS, user_id),
        "iat": int(issued_at.timestamp()),
        "exp": int(expires_at.timestamp()),
        "jti": token_id,
    }
    return MintedToken(Secret(_sign(payload, secret)), user_id, token_id, issued_at, expires_at)


def inspect(token: str, *, now: datetime, secret: Secret | None = None) -> Inspection:
    """Read a token without trusting it; with `secret`, also check its signature.

    Raises UsageError when it is not a JWT; the message never shows the token.
    """
    token = token.strip()
    if not rules.looks_like_jwt(token):
        raise _not_a_token("it is not three base64url strings separated by dots")
    parts = token.split(".")
    header, claims = _decode(parts[0], "header"), _decode(parts[1], "payload")
    times = {name: _time(claims, name) for name in ("iat", "nbf", "exp")}
    expires_at = times["exp"]
    valid = None if secret is None else _signature_matches(token, secret)
    return Inspection(
        header=header,
        claims=claims,
        user_id=rules.user_of(claims),
        issued_at=times["iat"],
        not_before=times["nbf"],
        expires_at=expires_at,
        expires_in_s=None if expires_at is None else int((expires_at - now).total_seconds()),
        signature_valid=valid,
        problems=tuple(
            problem
            for part in (_form_problems(token, header, claims, valid), _time_problems(claims, times, now))
            for problem in part
        ),
    )


def _sign(payload: Mapping[str, Any], secret: Secret) -> str:
    import jwt

    with warnings.catch_warnings():
        # PyJWT warns about a short key through Python's warnings; `Run.stack` warns about it instead.
        warnings.simplefilter("ignore", UserWarning)
        try:
            return jwt.encode(dict(payload), secret.reveal(), algorithm=rules.ALGORITHM)
        except jwt.InvalidKeyError as error:
            raise ConfigError(
                "The JWT secret of this stack cannot sign tokens: it is a key of another kind (PEM or SSH).",
                hint=Hint(("token", "secret", "rotate", "--grace", "0")),
            ) from error


def _signature_matches(token: str, secret: Secret) -> bool:
    import jwt

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            jwt.decode(token, secret.reveal(), algorithms=[rules.ALGORITHM], options=rules.ONLY_SIGNATURE)
    except (jwt.PyJWTError, *rules.UNREADABLE):
        return False
    return True


def _form_problems(
    token: str, header: Mapping[str, Any], claims: Mapping[str, Any], signature_valid: bool | None
) -> list[str]:
    algorithm = header.get("alg")
    unsigned = str(algorithm).lower() == "none"
    found = [
        (unsigned, "It is not signed: alg is none."),
        (
            not unsigned and algorithm != rules.ALGORITHM,
            f"It is signed with {algorithm}; only {rules.ALGORITHM} is accepted.",
        ),
        (signature_valid is False, "Its signature does not match the secret of this stack."),
        (
            rules.user_of(claims) is None,
            f"It names no user: {' or '.join(rules.USER_CLAIMS)} must be a string of 1 to {MAX_USER_ID_CHARACTERS} characters.",
        ),
        (rules.has_audience(claims), "It is for another application: it has an audience (aud)."),
        (
            len(token) > rules.MAX_TOKEN_CHARACTERS,
            f"It is too long: {len(token):,} characters, at most {rules.MAX_TOKEN_CHARACTERS:,}.",
        ),
    ]
    return [text for applies, text in found if applies]


def _time_problems(
    claims: Mapping[str, Any], times: Mapping[str, datetime | None], now: datetime
) -> list[str]:
    found = [
        f"Its claim {name} is not a time."
        for name in times
        if claims.get(name) is not None and times[name] is None
    ]
    if claims.get("exp") is None:
        found.append("It never expires: the claim exp is missing.")
    expires_at = times["exp"]
    if expires_at is not None and expires_at <= now:
        found.append(f"It expired {ago(now - expires_at)} ago.")
    starts_at = max((time for name in rules.START_CLAIMS if (time := times[name])), default=now)
    if rules.starts_later(starts_at.timestamp(), now.timestamp()):
        found.append(f"It is not valid yet: it will be in {ago(starts_at - now)}. Check the clocks.")
    return found


def _time(claims: Mapping[str, Any], name: str) -> datetime | None:
    """A claim that is a time; None when it is absent or not a time. A time beyond the calendar is its first or last day."""
    try:
        value = rules.time_of(claims, name)
    except ValueError:
        return None
    if value is None:
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, ValueError, OSError):
        return (datetime.max if value > 0 else datetime.min).replace(tzinfo=UTC)


def _decode(part: str, what: str) -> Mapping[str, Any]:
    try:
        document = json.loads(_base64url(part))
    except (ValueError, RecursionError) as error:  # bad base64, bad UTF-8 and bad JSON are all ValueErrors
        raise _not_a_token(f"its {what} is not base64url-encoded JSON") from error
    if not isinstance(document, dict):
        raise _not_a_token(f"its {what} is not a JSON object")
    return document


def _base64url(part: str) -> bytes:
    try:
        return urlsafe_b64decode(part.encode("ascii") + b"=" * (-len(part) % 4))
    except (UnicodeEncodeError, Base64Error) as error:
        raise ValueError("not base64url") from error


def _not_a_token(why: str) -> UsageError:
    return UsageError(f"This is not a JWT: {why}.", hint=MINT)


def ago(span: timedelta) -> str:
    """A span of time in its largest unit: `3 minutes`."""
    seconds = int(span.total_seconds())
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            return counted(seconds // size, unit)
    return counted(seconds, "second")
