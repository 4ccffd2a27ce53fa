"""The secret that the environment gives, in JWT_SECRET: checked before it is stored. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from whatschat_ops.errors import ConfigError
from whatschat_ops.handlers.token_rules import MIN_SECRET_BYTES
from whatschat_ops.redaction import Secret

MAX_SECRET_BYTES: Final = 4096
"""What a standard parameter of SSM holds ("Parameter Store quotas")."""

_OTHER_KEYS: Final = ("-----BEGIN", "ssh-ed25519", "ssh-rsa", "ssh-dss", "ecdsa-sha2-nistp")
"""How PEM files, certificates and SSH keys begin. PyJWT refuses to sign with them (jpadilla/pyjwt#105, #634)."""


def given_secret(text: str, warn: Callable[[str], None]) -> Secret | None:
    """The secret in the variable JWT_SECRET; None when it is not set. Raises ConfigError for what cannot be one."""
    secret = text.rstrip("\r\n")
    if not secret:
        return None
    if secret != text:
        warn("JWT_SECRET ends with a line break, which is left out: the application must leave it out, too.")
    if is_other_key(secret):
        raise _not_a_secret("it is a key of another kind (PEM, certificate, SSH key or JWK)")
    if len(secret.encode()) > MAX_SECRET_BYTES:
        raise _not_a_secret(f"it is longer than {MAX_SECRET_BYTES:,} bytes")
    if len(secret.encode()) < MIN_SECRET_BYTES:
        warn(
            f"JWT_SECRET is shorter than {MIN_SECRET_BYTES} bytes, which is too short for HS256 (RFC 7518, 3.2)."
        )
    return Secret(secret)


def is_other_key(text: str) -> bool:
    """Whether it is a PEM file, a certificate, an SSH key or a JWK."""
    return text.lstrip().startswith(_OTHER_KEYS) or _is_jwk(text)


def _is_jwk(text: str) -> bool:
    """A JSON Web Key or a set of them (RFC 7517)."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and not document.keys().isdisjoint({"kty", "keys"})


def _not_a_secret(why: str) -> ConfigError:
    return ConfigError(
        f"JWT_SECRET cannot be the secret of HS256: {why}.",
        hint="Use random text, as openssl rand -hex 32 prints it, or unset JWT_SECRET to have it generated.",
    )
