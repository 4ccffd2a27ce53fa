"""Reference reader of a migration, for a backend in Python. Standard library only: copy it into the application.

    ssm = boto3.client("ssm")
    reader = MigrationReader(lambda: ssm.get_parameter(Name="/whatschat-ops/whatschat-production/migration")["Parameter"]["Value"],
                             is_missing=lambda error: isinstance(error, ssm.exceptions.ParameterNotFound))
    reader.for_client("alice")    {"webrtc": "native", "reoffer": "native", "websocket": "socketio"}

Serve `for_client` to the web client (an authenticated GET, not cached), which asks before each call and each socket. The old
server refuses a new socket where `accepts_old_socket` is False.

- A variable that is not `true` turns its service off for all users, and nothing is read for it.
- With `true` and no parameter, all users are on the service: 0 and 100 % work with the variables alone.
- The parameter is read again after `cache_s` seconds (the setting migration.reader_cache_seconds). Where that fails, what was
  read last goes on; where nothing was read yet, the error is raised: a backend that guesses would move users.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

SCHEMA: Final = 1
VARIABLES: Final = {"chime": "AWS_CHIME_ENABLED", "websocket": "AWS_API_GATEWAY_WEBSOCKET_ENABLED"}
OFF, NEW, ALL = "off", "new", "all"
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def bucket(stack: str, service: str, user: str) -> int:
    """0 to 99, always the same: docs/reader/cohort-vectors.json."""
    text = _LONE_SURROGATE.sub("\ufffd", f"{stack}\n{service}\n{user}")
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") * 100 >> 32


class MigrationReader:
    """See above. Thread-safe."""

    def __init__(
        self,
        fetch: Callable[[], str],
        *,
        is_missing: Callable[[Exception], bool] = lambda _error: False,
        cache_s: float = 10.0,
        variables: Mapping[str, str] = os.environ,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`fetch` gives the parameter's value; `is_missing` says which of its errors means that there is no parameter."""
        self._fetch = fetch
        self._is_missing = is_missing
        self._cache_s = cache_s
        self._variables = variables
        self._now_s = now_s
        self._lock = threading.Lock()
        self._read: dict[str, Any] | None = None
        self._until_s: float | None = None

    def mode(self, service: str, user: str) -> str:
        """`off`, `new` (what begins) or `all` (what was there, too) of a user; `service` is `chime` or `websocket`."""
        if self._variables.get(VARIABLES[service], "").lower() != "true":
            return OFF
        state = self._state()
        if state is None:
            return ALL
        shares, own = state[service], bucket(state["stack"], service, user)
        return ALL if own < shares["all"] else NEW if own < shares["new"] else OFF

    def for_client(self, user: str) -> dict[str, str]:
        """What the web client is told: how it begins a call, how it offers one again, where it opens its socket."""
        calls, sockets = self.mode("chime", user), self.mode("websocket", user)
        return {
            "webrtc": "native" if calls == OFF else "chime",
            "reoffer": "chime" if calls == ALL else "native",
            "websocket": "socketio" if sockets == OFF else "apigateway",
        }

    def accepts_old_socket(self, user: str) -> bool:
        """Whether the old server takes a new socket of this user: not in phase 4."""
        return self.mode("websocket", user) != ALL

    def _state(self) -> dict[str, Any] | None:
        """The parameter as it was read in the last `cache_s` seconds; None: there is none."""
        with self._lock:
            if self._until_s is None or self._now_s() >= self._until_s:
                self._refresh()
            return self._read

    def _refresh(self) -> None:
        try:
            read = _parsed(self._fetch())
        except Exception as error:
            if not self._is_missing(error):
                if self._until_s is None:
                    raise
                self._until_s = self._now_s() + self._cache_s  # what was read last goes on; asked again then
                return
            read = None
        self._read, self._until_s = read, self._now_s() + self._cache_s


def _parsed(text: str) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(text)
    if state["schema"] != SCHEMA:
        raise ValueError(f"schema {state['schema']} of the migration's parameter: this reader knows {SCHEMA}")
    for service in VARIABLES:  # a KeyError now, not for some users later
        state[service]["new"], state[service]["all"]
    return state
