"""The secrets that tokens may be signed with, from SSM, kept for a minute.

The parameter holds the current secret as it is. Beside it, a rotation leaves a parameter of the same name with
`-rotation` at its end: `{"secrets": ["the previous", "the current"], "until": 1800000000}`. Both are accepted until then
(epoch seconds), as long as the current one is among them: a secret that was set in another way ends the rotation. The
second parameter is read only when a signature does not match, and neither more than once a minute, so that bad tokens
cannot spend the account's SSM quota. Raises AwsCallFailed, NotConfigured.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from .aws_api import AwsCallFailed, NotConfigured
from .connections_table import JsonApi
from .token_rules import ROTATION_SUFFIX, SECRET_KEPT_S


class JwtSecret:
    """The values of one SSM parameter (SecureString) and of its rotation."""

    def __init__(self, api: JsonApi, parameter: str, *, clock: Callable[[], float] = time.time) -> None:
        self._current = _Parameter(api, parameter, clock, optional=False)
        self._rotation = _Parameter(api, parameter + ROTATION_SUFFIX, clock, optional=True)

    def current(self) -> str:
        """The secret that signs new tokens. When it cannot be read again, the one that was read last stays."""
        value = self._current.value()
        if not value:
            raise NotConfigured("the SSM parameter of the JWT secret is empty")
        return value

    def others(self, now_s: float) -> tuple[str, ...]:
        """What else is accepted. Raises AwsCallFailed, once a minute, when something could not be read again."""
        rotation = self._rotation.value()
        failures = [self._current.taken_failure(), self._rotation.taken_failure()]
        for failure in filter(None, failures):
            raise failure
        return _accepted(rotation, self.current(), now_s) if rotation else ()


class _Parameter:
    """One parameter, read at most once a minute. An `optional` one may not exist: its value is None then."""

    def __init__(self, api: JsonApi, name: str, clock: Callable[[], float], *, optional: bool) -> None:
        self._api = api
        self._name = name
        self._clock = clock
        self._optional = optional
        self._value: str | None = None
        self._read_at_s = -SECRET_KEPT_S
        self._failure: AwsCallFailed | None = None

    def value(self) -> str | None:
        if self._clock() - self._read_at_s >= SECRET_KEPT_S:
            self._value, self._failure = self._read()
            self._read_at_s = self._clock()
        return self._value

    def taken_failure(self) -> AwsCallFailed | None:
        """The failure of the last reading, the first time that it is asked for."""
        failure, self._failure = self._failure, None
        return failure

    def _read(self) -> tuple[str | None, AwsCallFailed | None]:
        request = {"Name": self._name, "WithDecryption": True}
        try:
            return self._api.call("ssm", "AmazonSSM.GetParameter", request)["Parameter"]["Value"], None
        except AwsCallFailed as failure:
            if self._optional and failure.code == "ParameterNotFound":
                return None, None
            if self._value is None and not self._optional:
                raise
            return self._value, failure


def _accepted(document: str, current: str, now_s: float) -> tuple[str, ...]:
    """The secrets of a rotation that has not ended; none when it is not about the current secret."""
    try:
        rotation = json.loads(document)
        secrets, until_s = rotation["secrets"], float(rotation["until"])
    except (ValueError, RecursionError, TypeError, LookupError) as error:
        raise NotConfigured("the SSM parameter of the JWT secret's rotation cannot be read") from error
    if now_s >= until_s or current not in secrets:
        return ()
    return tuple(secret for secret in secrets if secret != current)
