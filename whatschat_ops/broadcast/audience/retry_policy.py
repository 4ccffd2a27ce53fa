"""Retries when DynamoDB throttles: a busy table must not end a broadcast."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from whatschat_ops.errors import NotFound, NotProvisioned, Throttled

T = TypeVar("T")

ATTEMPTS = 10
PAUSE_S = 2.0


def retry_throttled(read: Callable[[], T], *, sleep: Callable[[float], None] = time.sleep) -> T:
    """What `read` gives. It is called again when it was throttled in spite of the client's own retries.

    Raises what it raised last, and NotProvisioned when there is no table.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return read()
        except Throttled:
            sleep(PAUSE_S)
        except NotFound as error:
            raise NotProvisioned.of(
                error,
                f"There is no connections table: {error.message}",
            ) from error
    return read()
