"""Which tokens `$connect` accepts: the rules alone, without the library that checks a signature.

A token is a JWT signed with HS256 (no other algorithm is accepted, whatever its header says) that expires and has not
expired. The user is the claim `userId`, else `sub`: a string of 1 to 256 characters, none of them a control character.
A number is refused, for `42` and `"42"` would become the same user. `nbf` and `iat` are honoured; a token with an
audience (`aud`) is for another application and refused (RFC 7519, 4.1.3).

`tokens` applies the rules in Lambda; `sockets.tokens` makes tokens by them and explains a refusal.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from .limits import is_user_id

ALGORITHM: Final = "HS256"

MIN_SECRET_BYTES: Final = 32
"""A shorter secret is too weak for HS256 (RFC 7518, 3.2)."""

SECRET_KEPT_S: Final = 60.0
"""How long a function keeps a secret: after so long, all of them know of a change."""

ROTATION_SUFFIX: Final = "-rotation"
"""What follows the name of the secret's SSM parameter in that of its rotation."""

MAX_TOKEN_CHARACTERS: Final = 8 * 1024

CLOCK_SKEW_S: Final = 5
"""How far the issuer's clock may be ahead of ours (`nbf`, `iat`). Nothing is added to `exp`."""

USER_CLAIMS: Final = ("userId", "sub")
"""Where the user is, the first that is there counts."""

START_CLAIMS: Final = ("nbf", "iat")
"""The times before which a token is not valid yet."""

ONLY_SIGNATURE: Final[Any] = {
    f"verify_{claim}": False for claim in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")
}
"""Options for PyJWT: the claims are checked by these rules, against a given clock and for values that PyJWT does not expect."""

UNREADABLE: Final = (ValueError, TypeError, RecursionError)
"""What PyJWT raises beside its own errors: a header can be nested deeper than the JSON parser can follow, for example,
and that is before any signature."""

_JWT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*", re.ASCII)
_SUBPROTOCOL: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
"""A token of HTTP (RFC 9110, 5.6.2), as which RFC 6455 lets a client offer a subprotocol; every JWT is one."""


def looks_like_jwt(text: str) -> bool:
    """Whether `text` is two base64url texts and a signature, which may be empty, with dots between them."""
    return _JWT.fullmatch(text) is not None


def is_subprotocol(text: str) -> bool:
    """Whether `text` can be sent as a subprotocol."""
    return _SUBPROTOCOL.fullmatch(text) is not None


def user_of(claims: Mapping[str, Any]) -> str | None:
    """The user of a token; None when its claims name none."""
    value = next((claims[name] for name in USER_CLAIMS if claims.get(name) is not None), None)
    return value if is_user_id(value) else None


def time_of(claims: Mapping[str, Any], name: str) -> float | None:
    """A claim that is a time, in seconds since the epoch; None when it is absent. Raises ValueError for another value."""
    value = claims.get(name)
    if value is None:
        return None
    seconds = None if isinstance(value, bool) else _float(value)
    if seconds is None or not math.isfinite(seconds):
        raise ValueError(f"{name} is not a time")
    return seconds


def _float(value: object) -> float | None:
    """None when it is no number, or one beyond a float, which JSON can hold."""
    try:
        return float(value) if isinstance(value, int | float) else None
    except OverflowError:
        return None


def has_audience(claims: Mapping[str, Any]) -> bool:
    """Whether a token is for some application: also with an empty `aud`, which PyJWT takes for none."""
    return claims.get("aud") is not None


def starts_later(start_s: float | None, now_s: float) -> bool:
    """Whether a token with this `nbf` or `iat` is not valid yet."""
    return start_s is not None and start_s > now_s + CLOCK_SKEW_S
