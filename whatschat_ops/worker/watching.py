"""What a worker looks at while it sends: the control object, and how many shards are not finished. One thread, every few seconds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from whatschat_ops.worker.bucket import Objects
from whatschat_ops.worker.control import CONTROL_S, Control
from whatschat_ops.worker.objects import Keys


@dataclass(slots=True)
class Unfinished:
    """Counts shards without totals. They are finished about in order: what is known to be is not listed again."""

    objects: Objects
    keys: Keys
    up_to: int = 0
    """All shards up to this number are finished."""

    def count(self, shards: int) -> int:
        """How many of the run's `shards` are not finished."""
        after = self.keys.done(self.up_to)
        done = {self.keys.done_of_key(key) for key in self.objects.keys(self.keys.all_done, after=after)}
        finished = self.up_to + len(done)
        while self.up_to + 1 in done:
            self.up_to += 1
        return max(1, shards - finished)


@dataclass(slots=True)
class Watch:
    """Keeps `control` and this worker's share of the rate."""

    objects: Objects
    keys: Keys
    interval_s: float = CONTROL_S
    control: Control = field(default_factory=lambda: Control(1.0, 1, 1))
    unfinished: int = 1
    _shards: Unfinished = field(init=False)
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __post_init__(self) -> None:
        self._shards = Unfinished(self.objects, self.keys)

    def is_stopped(self) -> bool:
        """Whether nothing more may be begun."""
        return self.control.stop

    @property
    def share_per_s(self) -> float:
        """What this worker may send per second."""
        return self.control.share(self.unfinished)

    @property
    def burst(self) -> int:
        """What it may send at once."""
        return max(1, int(self.control.burst * self.share_per_s / self.control.rate_per_s))

    def look(self) -> None:
        """Read both. Raises what reading raises."""
        self.control = Control.from_bytes(self.objects.get(self.keys.control))
        self.unfinished = self._shards.count(self.control.shards)

    def start(self, changed: Callable[[float], None]) -> None:
        """Look from time to time, and tell each share that is another one."""

        def work() -> None:
            share = self.share_per_s
            while not self._ended.wait(self.interval_s):
                try:
                    self.look()
                except Exception:  # noqa: BLE001 - what is known holds until the next look
                    continue
                if self.share_per_s != share:
                    share = self.share_per_s
                    changed(share)

        self._thread = threading.Thread(target=work, name="watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
