"""Log lines: one JSON object each, on standard output, which Lambda sends to the function's log group.

Takes the event and its outcome. Must never be given a token, a secret or a message's content.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Final

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")


class Log:
    """Writes lines with the ids of one invocation."""

    def __init__(self, request_id: str, connection_id: str, *, level: str | None = None) -> None:
        level = level or os.environ.get("LOG_LEVEL", "INFO")
        self._threshold = LEVELS.index(level) if level in LEVELS else LEVELS.index("INFO")
        self._ids = {"requestId": request_id, "connectionId": connection_id}

    def debug(self, event: str, outcome: str, **fields: object) -> None:
        """For frequent events that rarely matter, such as a ping."""
        self._write("DEBUG", event, outcome, fields)

    def info(self, event: str, outcome: str, **fields: object) -> None:
        """For expected outcomes, including refusals."""
        self._write("INFO", event, outcome, fields)

    def error(self, event: str, outcome: str, **fields: object) -> None:
        """For failures of our own."""
        self._write("ERROR", event, outcome, fields)

    def _write(self, level: str, event: str, outcome: str, fields: dict[str, object]) -> None:
        if LEVELS.index(level) >= self._threshold:
            line = {"level": level, "event": event, "outcome": outcome, **self._ids, **fields}
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()
