"""What a worker does to each connection of its shard. All else is the same: scan, rate, parts, stop, the next attempt.

    broadcast    posts the message; deletes the rows of gone connections
    prune        asks API Gateway about it; deletes the rows of gone ones, unless they are less than a minute old
    disconnect   closes it; deletes the rows of closed and of gone ones

A row that is deleted is still the one that was read (pruning.py). In the totals, what succeeded is `delivered`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from whatschat_ops.sender.model import DELETE, GET, POST, Operation, Outcome, Result
from whatschat_ops.worker.kinds import BROADCAST, DISCONNECT, PRUNE
from whatschat_ops.worker.pruning import Pruning
from whatschat_ops.worker.rows import Row, seconds_of

OPENING_S: Final = 60.0
"""As in `connections.pruning`: `$connect` may have written the row of a socket that is still being opened."""
_NO_SUCH_ID: Final = "HTTP 400 BadRequestException"
"""What API Gateway answers for an id that no connection can have."""


@dataclass(frozen=True, slots=True)
class Action:
    """`deletes`: rows of connections that ended so are deleted. `of_table`: every row is meant, expired ones and those whose id no
    connection can have, too.
    """

    operation: Operation
    deletes: frozenset[Outcome] = frozenset({Outcome.GONE})
    of_table: bool = True
    keeps_young: bool = False

    def judged(self, result: Result) -> Result:
        """The result as it counts."""
        if self.of_table and result.outcome is Outcome.FAILED and result.reason.startswith(_NO_SUCH_ID):
            return result._replace(outcome=Outcome.GONE, reason="")
        return result

    def pruner(
        self, prune: Callable[[Sequence[Row]], Sequence[Pruning]], now_s: Callable[[], float]
    ) -> Callable[[Sequence[Row]], Sequence[Pruning]]:
        """`prune`, without the rows that are to stay for now: they count as written again."""
        if not self.keeps_young:
            return prune

        def prune_old(rows: Sequence[Row]) -> Sequence[Pruning]:
            since_s = now_s() - OPENING_S
            old = [row for row in rows if (seconds_of(row.connected_at) or 0.0) <= since_s]
            became = dict(zip(old, prune(old) if old else (), strict=True))
            return [became.get(row, Pruning.REWRITTEN) for row in rows]

        return prune_old


ACTIONS: Final = {
    BROADCAST: Action(POST, of_table=False),
    PRUNE: Action(GET, keeps_young=True),
    DISCONNECT: Action(DELETE, frozenset({Outcome.DELIVERED, Outcome.GONE})),
}
