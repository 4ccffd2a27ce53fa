"""No garbage collection while something is made that lives as long as the process.

The collector would walk again and again through botocore's service models, for as long as it takes to load them.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_pausing = threading.Lock()


@contextmanager
def nothing_collected() -> Iterator[None]:
    """No garbage collection; what was made meanwhile is never looked at again."""
    with _pausing:
        was_on = gc.isenabled()
        gc.disable()
        try:
            yield
        finally:
            gc.freeze()
            if was_on:
                gc.enable()
