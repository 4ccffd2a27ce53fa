"""A file with the host names of the APIs of this AWS, one a line: functions' connections to them are led here.

A file, since the runtimes need it at the moment of a connection and without waiting (executor/python_callbacks.py,
executor/node_callbacks.mjs).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from whatschat_ops.local.interfaces import api_host
from whatschat_ops.local.layout import write_private

_log = logging.getLogger(__name__)


class ApiHosts:
    """Writes the file when APIs have been created or deleted. `apis` gives account, Region and id of each."""

    def __init__(self, path: Path, apis: Callable[[], Iterable[tuple[str, str, str]]]) -> None:
        self._path = path
        self._apis = apis
        self._written: str | None = None

    def write(self) -> None:
        """Write the file unless it is up to date."""
        text = "".join(f"{api_host(api_id, region)}\n" for _account, region, api_id in self._apis())
        if text == self._written:
            return
        try:
            write_private(self._path, text)
        except OSError as error:
            _log.error("Functions cannot call new APIs: %s", error)
        else:
            self._written = text
