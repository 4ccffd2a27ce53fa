"""Who connects: the token of a $connect event, and whether it is good.

Takes the event, the secret and the time; gives a user id or a BadToken. Pure. A BadToken's reason is fit for a log:
it never holds a part of the token. What a good token is: `token_rules`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from .aws_api import NotConfigured
from .token_rules import (
    ALGORITHM,
    MAX_TOKEN_CHARACTERS,
    ONLY_SIGNATURE,
    START_CLAIMS,
    UNREADABLE,
    has_audience,
    is_subprotocol,
    looks_like_jwt,
    starts_later,
    time_of,
    user_of,
)


class BadToken(Exception):
    """The token does not say who the client is: answer 401."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class WrongSignature(BadToken):
    """Another secret may help."""

    def __init__(self) -> None:
        super().__init__("signature")


@dataclass(frozen=True, slots=True)
class TokenSources:
    """What a $connect event offers: every different token, and the subprotocol to accept (None: none offered)."""

    tokens: tuple[str, ...]
    subprotocol: str | None

    def only_token(self) -> str:
        """The token. Raises BadToken when there is none, more than one, or one too long or malformed to be a JWT."""
        if not self.tokens:
            raise BadToken("missing")
        if len(self.tokens) > 1:
            raise BadToken("several tokens")
        token = self.tokens[0]
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise BadToken("too long")
        if not looks_like_jwt(token):
            raise BadToken("malformed")
        return token


def parse_token_sources(event: Mapping[str, Any]) -> TokenSources:
    """Look for tokens in `?token=`, `Authorization: Bearer` and `Sec-WebSocket-Protocol`.

    Browsers can set no header but the last: `new WebSocket(url, ["whatschat", token])`. They fail the connection
    unless one of the offered subprotocols comes back, which is the first that is not the token, if there is one.
    """
    offered = [
        protocol.strip()
        for value in _headers(event, "sec-websocket-protocol")
        for protocol in value.split(",")
        if is_subprotocol(protocol.strip())
    ]
    tokens = [
        *_query(event, "token"),
        *_bearer_tokens(event),
        *(protocol for protocol in offered if _is_token(protocol)),
    ]
    named = [protocol for protocol in offered if not _is_token(protocol)]
    return TokenSources(tuple(dict.fromkeys(tokens)), next(iter([*named, *offered]), None))


def verify(token: str, secret: str, now_s: float) -> str:
    """The user id of a good token. Raises BadToken, NotConfigured for a secret that is a key of another kind."""
    try:
        claims = jwt.decode(token, secret, algorithms=[ALGORITHM], options=ONLY_SIGNATURE)
    except jwt.InvalidSignatureError:
        raise WrongSignature from None
    except jwt.InvalidKeyError:  # PyJWT takes no PEM and no SSH key for HS256
        raise NotConfigured("the JWT secret is a key of another kind") from None
    except jwt.InvalidAlgorithmError:
        raise BadToken("algorithm") from None
    except (jwt.PyJWTError, *UNREADABLE):
        raise BadToken("malformed") from None
    if has_audience(claims):
        raise BadToken("audience")
    _check_times(claims, now_s)
    user_id = user_of(claims)
    if user_id is None:
        raise BadToken("no user")
    return user_id


def _check_times(claims: Mapping[str, Any], now_s: float) -> None:
    expires_s = _time(claims, "exp")
    if expires_s is None:
        raise BadToken("no expiry")
    if expires_s <= now_s:
        raise BadToken("expired")
    if any(starts_later(_time(claims, claim), now_s) for claim in START_CLAIMS):
        raise BadToken("not yet valid")


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    try:
        return time_of(claims, name)
    except ValueError as error:
        raise BadToken(str(error)) from None


def _is_token(protocol: str) -> bool:
    """A JWT begins with the base64 of `{"`; no subprotocol in use does."""
    return protocol.startswith("eyJ") and protocol.count(".") == 2


def _bearer_tokens(event: Mapping[str, Any]) -> Iterator[str]:
    for value in _headers(event, "authorization"):
        scheme, _, token = value.strip().partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            yield token.strip()


def _headers(event: Mapping[str, Any], name: str) -> Iterator[str]:
    """All values of a header, from `multiValueHeaders` and `headers`; its name may have any casing."""
    for values in (event.get("multiValueHeaders"), event.get("headers")):
        for key, value in (values or {}).items():
            if key.lower() == name:
                yield from _strings(value)


def _query(event: Mapping[str, Any], name: str) -> Iterator[str]:
    for values in (event.get("multiValueQueryStringParameters"), event.get("queryStringParameters")):
        yield from _strings((values or {}).get(name))


def _strings(value: object) -> Iterator[str]:
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, str) and one:
            yield one
