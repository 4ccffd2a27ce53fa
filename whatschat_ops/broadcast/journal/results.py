"""Results -> rows of a journal. Pure.

Nearly all results are delivered at the first attempt; their rows hold a number and a latency only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from whatschat_ops.broadcast.journal.file import DELIVERED, FAILED, GONE, TO_PRUNE
from whatschat_ops.sender.model import Outcome, Result

USUAL_COLUMNS = ("number", "latency_us")
OTHER_COLUMNS = ("number", "outcome", "attempts", "latency_us", "reason")
GONE_COLUMNS = ("number", "pruning")


class ResultRows(NamedTuple):
    """The values of rows, one row after the other, of the columns above.

    `usual` and `others` go into the table `result`, `gone` into `gone`. `latencies_us` are those of what was delivered or gone,
    `counts` what the rows add to `summary.Counts`.
    """

    usual: Sequence[int]
    others: Sequence[Any]
    gone: Sequence[int]
    latencies_us: Sequence[int]
    counts: Mapping[str, int]


def rows_of(results: Sequence[Result]) -> ResultRows:
    """The rows of these results."""
    delivered, gone = Outcome.DELIVERED, Outcome.GONE
    usual: list[int] = []
    others: list[Any] = []
    gone_values: list[int] = []
    latencies_us: list[int] = []
    attempts_in_all = 0
    for number, outcome, reason, attempts, latency_s in results:
        attempts_in_all += attempts
        latency_us = int(latency_s * 1e6)
        if outcome is delivered and attempts == 1:
            usual += (number, latency_us)
        elif outcome is delivered:
            others += (number, DELIVERED, attempts, latency_us, None)
        elif outcome is gone:
            others += (number, GONE, attempts, latency_us, None)
            gone_values += (number, TO_PRUNE)
        else:
            others += (number, FAILED, attempts, latency_us, reason)
            continue
        latencies_us.append(latency_us)
    gone_count = len(gone_values) // len(GONE_COLUMNS)
    counts = {
        "delivered": len(latencies_us) - gone_count,
        "gone": gone_count,
        "failed": len(results) - len(latencies_us),
        "attempts": attempts_in_all,
    }
    return ResultRows(usual, others, gone_values, latencies_us, counts)
