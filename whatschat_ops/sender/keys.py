"""The keys in use: renewed before they expire, and after an answer that says that they did."""

from __future__ import annotations

from datetime import UTC
from typing import Final

from whatschat_ops.errors import CredentialsError
from whatschat_ops.sender.model import Credentials, CredentialsSource

RENEW_BEFORE_S: Final = 60.0
ASK_AGAIN_S: Final = 5.0
"""When the source gives keys that expire within RENEW_BEFORE_S, it is called again after this."""
MOST_RENEWALS_IN_A_ROW: Final = 3


class Keys:
    """`version` grows with every change of the keys."""

    def __init__(self, source: CredentialsSource, now_s: float) -> None:
        self._source = source
        self.current = source()
        self.version = 1
        self._refused = 0
        self._renew_at_s = _renew_at_s(self.current, now_s)

    def renew_if_due(self, now_s: float) -> bool:
        """Renew keys that expire soon; says whether there are new ones. `now_s` is seconds since 1970."""
        return now_s >= self._renew_at_s and self._renew(now_s)

    def renew_expired(self, version: int, now_s: float) -> bool:
        """AWS said that the keys of `version` have expired; says whether there are new ones.

        Raises CredentialsError when the source has no others.
        """
        if version != self.version:
            return False
        self._refused += 1
        if self._refused > MOST_RENEWALS_IN_A_ROW or not self._renew(now_s):
            raise CredentialsError(
                "The AWS credentials have expired, and there are no newer ones.",
                hint="Log in again (aws sso login, or new keys), then resume.",
                aws_code="ExpiredTokenException",
                operation="PostToConnection",
            )
        return True

    def accepted(self) -> None:
        """AWS took a request signed with the keys."""
        self._refused = 0

    def _renew(self, now_s: float) -> bool:
        fresh = self._source()
        changed = _material(fresh) != _material(self.current)
        self.version += changed
        self.current = fresh
        self._renew_at_s = _renew_at_s(fresh, now_s)
        return changed


def _material(keys: Credentials) -> tuple[object, ...]:
    return keys.access_key_id, keys.secret_access_key, keys.session_token


def _renew_at_s(keys: Credentials, now_s: float) -> float:
    if keys.expires_at is None:
        return float("inf")
    expires_at = keys.expires_at if keys.expires_at.tzinfo else keys.expires_at.replace(tzinfo=UTC)
    due_s = expires_at.timestamp() - RENEW_BEFORE_S
    return due_s if due_s > now_s else now_s + ASK_AGAIN_S
