"""What sends the targets of a run: the protocol of engines, and the engine that sends from this process.

The other one is `distributed.engine.DistributedEngine`, which sends from Lambda functions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from whatschat_ops.broadcast.journal.journal import Journal
from whatschat_ops.sender.model import Snapshot

if TYPE_CHECKING:
    from whatschat_ops.sender.sender import Sender


class Engine(Protocol):
    """Sends the targets of a journal and writes their outcomes into it."""

    def run(self, journal: Journal, should_stop: Callable[[], bool]) -> None:
        """Send to all targets, or to no more once `should_stop`; returns when nothing of it is in flight here."""
        ...

    def snapshot(self) -> Snapshot:
        """Where it is; from any thread."""
        ...

    def detail(self) -> str:
        """What it has to add to its snapshot, in words; "" for nothing. From any thread."""
        ...


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """Sends from this process."""

    sender: Sender

    def run(self, journal: Journal, should_stop: Callable[[], bool]) -> None:
        """As `Engine.run`. Raises what `sender.Sender.run` raises."""
        self.sender.run(journal.claim, journal.record_results, should_stop, journal.add_in_doubt)

    def snapshot(self) -> Snapshot:
        """As `Engine.snapshot`."""
        return self.sender.snapshot()

    def detail(self) -> str:
        """Nothing."""
        return ""
