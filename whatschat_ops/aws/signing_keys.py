"""The caller's AWS keys, for who signs requests without boto3 (the sender of a broadcast)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from whatschat_ops.aws.session import Aws
from whatschat_ops.redaction import Secret

VALID_FOR = timedelta(minutes=5)
"""botocore renews temporary keys at the latest 10 minutes before they expire: what it hands out is good for this long."""


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """Keys to sign with. `expires_at` says when to ask again; None for keys that do not expire."""

    access_key_id: str
    secret_access_key: Secret
    session_token: Secret | None
    expires_at: datetime | None


def signing_keys(aws: Aws, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> SigningKeys:
    """The keys of this moment, renewed if need be. Raises CredentialsError when there are none."""
    session = aws.botocore_session()
    credentials: Any = session.get_credentials()
    if credentials is None:
        raise session.explained(None)
    frozen = credentials.get_frozen_credentials()
    renewed = hasattr(credentials, "refresh_needed")
    return SigningKeys(
        frozen.access_key,
        Secret(frozen.secret_key),
        Secret(frozen.token) if frozen.token else None,
        now() + VALID_FOR if renewed else None,
    )
