"""The control object, and a worker's share of the rate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.worker.control import Control

CONTROL = Control(rate_per_s=1_000.0, burst=500, workers=10)


def test_control_reads_back_as_written() -> None:
    assert Control.from_bytes(CONTROL.to_bytes()) == CONTROL
    with pytest.raises(ValueError, match="another format"):
        Control.from_bytes(CONTROL.to_bytes().replace(b'"format": 1', b'"format": 9'))


def test_last_worker_has_the_whole_rate() -> None:
    assert [CONTROL.share(unfinished) for unfinished in (40, 10, 4, 1, 0)] == [100, 100, 250, 1_000, 1_000]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=10), st.integers(0, 30))
def test_shares_of_workers_that_know_of_too_few_finished_shards_stay_within_the_rate(
    late: list[int], unfinished: int
) -> None:
    at_work = late[: min(CONTROL.workers, unfinished)]
    assert sum(CONTROL.share(unfinished + more) for more in at_work) <= CONTROL.rate_per_s + 1e-6
