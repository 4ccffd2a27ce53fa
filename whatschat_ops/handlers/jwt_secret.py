"""The secret that tokens are signed with, from SSM, kept for the life of the execution environment.

After a rotation the kept secret is wrong: a signature that fails is a reason to read it again, but not more than
once a minute, so that bad tokens cannot spend the account's SSM quota. Raises AwsCallFailed, NotConfigured.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from .aws_api import NotConfigured
from .connections_table import JsonApi

MIN_AGE_S: Final = 60.0


class JwtSecret:
    """The value of one SSM parameter (SecureString)."""

    def __init__(self, api: JsonApi, parameter: str, *, clock: Callable[[], float] = time.time) -> None:
        self._api = api
        self._parameter = parameter
        self._clock = clock
        self._value: str | None = None
        self._tried_at_s = 0.0

    def current(self) -> str:
        """The secret, read once."""
        if self._value is None:
            self._value = self._read()
        return self._value

    def rotated(self) -> str | None:
        """Another secret than `current`, if SSM has one by now; None if not, or if we asked in the last minute."""
        if self._clock() - self._tried_at_s < MIN_AGE_S:
            return None
        before, self._value = self._value, self._read()
        return self._value if self._value != before else None

    def _read(self) -> str:
        self._tried_at_s = self._clock()
        request = {"Name": self._parameter, "WithDecryption": True}
        value = self._api.call("ssm", "AmazonSSM.GetParameter", request)["Parameter"]["Value"]
        if not isinstance(value, str) or not value:
            raise NotConfigured("the SSM parameter of the JWT secret is empty")
        return value
