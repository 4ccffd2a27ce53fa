"""Why a handshake was rejected (401, 403), as far as the client can tell from its token, the stack's secrets and other channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from whatschat_ops.choices import TokenVia
from whatschat_ops.errors import Hint, UsageError
from whatschat_ops.redaction import Secret
from whatschat_ops.sockets.tokens import Inspection, ago, inspect

MINT = Hint(("token", "mint", "--user", "USER"))


@dataclass(frozen=True, slots=True)
class Cause:
    """Why, as the rest of a sentence that begins with "the connection was refused:", and what to do."""

    why: str
    hint: Hint


def cause_in_token(token: Secret, secrets: Sequence[Secret], now: datetime) -> Cause | None:
    """What is wrong with the token itself; None when nothing is. Without `secrets` its signature is not checked."""
    try:
        found = _inspect(token, secrets, now)
    except UsageError as malformed:
        return Cause(malformed.message, MINT)
    if found.expires_in_s is not None and found.expires_at is not None and found.expires_at <= now:
        return Cause(f"the token expired {ago(now - found.expires_at)} ago.", MINT)
    if not found.problems:
        return None
    if found.signature_valid is False and len(found.problems) == 1:
        return Cause(
            "the token is signed with another secret than this stack's, such as another stack's.", MINT
        )
    return Cause(f"the token is not valid. {' '.join(found.problems)}", MINT)


def cause_in_channel(via: TokenVia, accepted: TokenVia | None, *, verified: bool) -> Cause | None:
    """The cause when nothing is wrong with the token and it was `accepted` through another channel, or through none.

    `verified`: its signature is the stack's. Else it may still be another stack's, and None is given when no channel helped.
    """
    if accepted is not None:
        return Cause(
            f"this handler does not read the token from the {_place(via)}; it reads the {_place(accepted)}.",
            Hint(text=f"Run the same command again with --token-via {accepted.value}."),
        )
    if not verified:
        return None
    channels = ", ".join(_place(each) for each in TokenVia)
    return Cause(
        f"the token is valid for this stack, and this handler accepts it in no channel ({channels}).",
        Hint(("lambda", "invoke", "connect", "--tail"), "See why"),
    )


def _inspect(token: Secret, secrets: Sequence[Secret], now: datetime) -> Inspection:
    """As the secret sees it that signed it, else as the first does."""
    found = [inspect(token.reveal(), now=now, secret=secret) for secret in secrets or (None,)]
    return next((each for each in found if each.signature_valid), found[0])


def _place(via: TokenVia) -> str:
    return "Authorization header" if via is TokenVia.HEADER else via.value
