"""Hides secrets in tables, JSON, errors and logs.

A value that is a secret (a join token, the JWT secret) is a `Secret` from where it is created or read; text from
elsewhere (an error of AWS, a URL) passes through `redact` before it is shown.
"""

from __future__ import annotations

import re

REDACTED = "********"

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # A JWT: three base64url parts, the first of which starts with {" (eyJ).
    (re.compile(r"eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+\.?[A-Za-z0-9_-]*"), REDACTED),
    (
        re.compile(r"(?i)([?&](?:token|access_token|X-Amz-Security-Token|X-Amz-Signature)=)[^&\s\"']+"),
        rf"\1{REDACTED}",
    ),
    (re.compile(r"(?i)(Bearer\s+)[A-Za-z0-9._~+/=-]+"), rf"\1{REDACTED}"),
    (
        re.compile(
            r"(?i)((?:secret_?access_?key|jwt_?secret|session_?token|security-token|join_?token)[\"']?\s*[=:]\s*[\"']?)[^\s\"',}]+"
        ),
        rf"\1{REDACTED}",
    ),
    (re.compile(r"(://[^/\s:@]+:)[^/\s@]+(?=@)"), rf"\1{REDACTED}"),  # a password in a URL
)


class Secret:
    """A string that is shown only by `reveal`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself: for using the value, never for a message."""
        return self._value

    def __str__(self) -> str:
        return REDACTED

    def __repr__(self) -> str:
        return f"Secret({REDACTED!r})"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


def redact(text: str) -> str:
    """`text` with all tokens, signatures and keys replaced."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text
