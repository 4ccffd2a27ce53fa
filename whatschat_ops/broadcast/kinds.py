"""The kinds of runs, in words. One journal and one set of workers are for all: what differs is what is done to a connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from whatschat_ops.worker.kinds import BROADCAST as BROADCAST
from whatschat_ops.worker.kinds import DISCONNECT as DISCONNECT
from whatschat_ops.worker.kinds import PRUNE as PRUNE


@dataclass(frozen=True, slots=True)
class Kind:
    """`delivered` is what a connection is that the operation succeeded for, `failed` what did not happen to one for which it failed;
    `does` is what the workers do, `doubt` what an attempt without an answer, or a worker's end, may have caused.
    """

    command: tuple[str, ...]
    delivered: str
    does: str
    failed: str
    doubt: str


KINDS: Final = {
    BROADCAST: Kind(
        ("ws", "broadcast"), "delivered", "post", "did not get the message", "second copies may have arrived"
    ),
    PRUNE: Kind(
        ("ws", "prune"), "live", "ask about connections", "could not be probed", "were probed more than once"
    ),
    DISCONNECT: Kind(
        ("ws", "disconnect"),
        "closed",
        "close connections",
        "could not be closed",
        "of the gone may have been closed by this run",
    ),
}
