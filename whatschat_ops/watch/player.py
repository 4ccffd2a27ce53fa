"""Where a replay is, and what each key makes of it. Pure; speeds are in seconds of the recording for a second that passes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from whatschat_ops.watch.snapshot import Snapshot

SPEEDS: Final = (1, 10, 60, 300, 900)
LONGEST_WAIT_S: Final = 3.0
"""Between two snapshots, also where the recording has a gap."""


@dataclass(frozen=True, slots=True)
class Player:
    """A place in a recording of at least one snapshot."""

    snapshots: Sequence[Snapshot]
    place: int = 0
    speed: int = 60
    paused: bool = False

    @property
    def now(self) -> Snapshot:
        """What is shown."""
        return self.snapshots[self.place]

    @property
    def is_last(self) -> bool:
        """Whether nothing follows."""
        return self.place == len(self.snapshots) - 1

    @property
    def wait_s(self) -> float | None:
        """Until the next snapshot is due; None: it does not come by itself."""
        if self.paused or self.is_last:
            return None
        passed = (self.snapshots[self.place + 1].at - self.now.at).total_seconds()
        return min(max(0.0, passed / self.speed), LONGEST_WAIT_S)

    def step(self, snapshots: int) -> Player:
        """Go on, or back if negative, by so many snapshots."""
        return replace(self, place=min(max(0, self.place + snapshots), len(self.snapshots) - 1))

    def jump(self, by: timedelta) -> Player:
        """Go on, or back, by so much time of the recording: to the first snapshot from there on."""
        wanted = bisect_left(self.snapshots, self.now.at + by, key=lambda snapshot: snapshot.at)
        return self.step(wanted - self.place)

    def seek(self, since_start: timedelta) -> Player:
        """Go to so long after the start."""
        return replace(self, place=0).jump(since_start)

    def change_speed(self, steps: int) -> Player:
        """Faster, or slower if negative."""
        place = min(max(0, bisect_left(SPEEDS, self.speed) + steps), len(SPEEDS) - 1)
        return replace(self, speed=SPEEDS[place])

    def toggle(self) -> Player:
        """Pause, or go on; at the end from the start again."""
        return replace(self, place=0, paused=False) if self.is_last else replace(self, paused=not self.paused)
