"""The control object of a run, `runs/RUN/control`: what the command tells workers that are at work. Pure.

The command writes it whole when a run begins; later writes change one field and keep the others (`dataclasses.replace`). Each worker
reads it before it sends anything, and every CONTROL_S after that.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Final

FORMAT: Final = 1
CONTROL_S: Final = 3.0
"""A worker reads the object at most this often, so a stop is noticed within it and what is in flight ends after that."""


@dataclass(frozen=True, slots=True)
class Control:
    """`rate_per_s` and `burst` are those of all workers together, `workers` is how many may be at work at once at most.

    `shards` is how many the run has. `stop`: begin nothing more. A worker finishes what is in flight, writes its last part and returns.
    """

    rate_per_s: float
    burst: int
    workers: int
    shards: int = 1
    stop: bool = False

    def to_bytes(self) -> bytes:
        """As JSON."""
        return json.dumps({"format": FORMAT, **asdict(self)}).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Control:
        """From JSON. Raises ValueError when another version wrote it."""
        found = json.loads(content)
        if found.pop("format", None) != FORMAT:
            raise ValueError("the control object has another format than this version reads")
        return cls(**found)

    def share(self, unfinished: int) -> float:
        """What one worker may send per second while so many shards are not finished.

        At most so many workers are at work, and shards are only ever finished: who knows of too few of them sends too slowly,
        never too fast. So the shares never add up to more than the rate, and the last worker has all of it.
        """
        return self.rate_per_s / max(1, min(self.workers, unfinished))
