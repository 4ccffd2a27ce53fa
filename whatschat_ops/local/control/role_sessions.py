"""Credentials of Lambda functions: a session of each function's role, as Lambda gets one by sts:AssumeRole."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Mapping
from typing import Any

_KEY_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

Register = Callable[[str, dict[str, Any]], None]
"""Registers an access key id and its session record with STS."""


class RoleSessions:
    """One session for each function version and role, for the lifetime of this process.

    Not ministack's own (`lambda_runtime.execution_credentials`): those are hashes of the ARNs, which any process on
    this machine could compute.
    """

    def __init__(self, register: Register) -> None:
        self._register = register
        self._sessions: dict[tuple[str, str], dict[str, str]] = {}

    def of(self, account_id: str, config: Mapping[str, Any]) -> Mapping[str, str]:
        """AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN for a function's configuration."""
        role_arn = str(config.get("Role") or "")
        key = (str(config.get("FunctionArn")), role_arn)
        if key not in self._sessions:
            self._sessions[key] = self._make(account_id, str(config["FunctionName"])[:64], role_arn)
        return self._sessions[key]

    def _make(self, account_id: str, name: str, role_arn: str) -> dict[str, str]:
        role = role_arn.rpartition("/")[2]
        access_key_id = "ASIA" + "".join(random.SystemRandom().choices(_KEY_CHARACTERS, k=16))
        session = {
            "AWS_ACCESS_KEY_ID": access_key_id,
            "AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(30),
            "AWS_SESSION_TOKEN": secrets.token_urlsafe(90),
        }
        self._register(
            access_key_id,
            {
                "Arn": f"arn:aws:sts::{account_id}:assumed-role/{role}/{name}",
                "UserId": f"{role}:{name}",
                "SecretAccessKey": session["AWS_SECRET_ACCESS_KEY"],
                "SessionToken": session["AWS_SESSION_TOKEN"],
            },
        )
        return session
