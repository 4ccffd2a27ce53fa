"""A file with the host names of the APIs of this AWS, one a line: functions' connections to them are led here.

A file, since the runtimes need it at the moment of a connection and without waiting (executor/python_callbacks.py,
executor/node_callbacks.mjs).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from whatschat_ops.local.interfaces import api_host
from whatschat_ops.local.layout import write_private

_log = logging.getLogger(__name__)


class ApiHosts:
    """Writes the file when APIs have been created or deleted. `stores` are ministack's, for each version of the API."""

    def __init__(self, path: Path, *stores: Any) -> None:
        self._path = path
        self._stores = stores
        self._written: str | None = None

    def write(self) -> None:
        """Write the file unless it is up to date."""
        text = "".join(f"{host}\n" for host in self._hosts())
        if text == self._written:
            return
        try:
            write_private(self._path, text)
        except OSError as error:
            _log.error("Functions cannot call new APIs: %s", error)
        else:
            self._written = text

    def _hosts(self) -> Iterator[str]:
        for store in self._stores:
            for (_, region, api_id), _record in store.all_items():
                yield api_host(api_id, region)
