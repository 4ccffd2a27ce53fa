"""How a load test is divided among workers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from whatschat_ops.choices import Traffic
from whatschat_ops.errors import UsageError
from whatschat_ops.load.distributed.sharing import (
    MOST_SOCKETS_OF_A_WORKER,
    MOST_WORKERS,
    check_bounds,
    longest_s,
    plans_of,
    workers_for,
)
from whatschat_ops.load.plan import LoadPlan
from whatschat_ops.quotas import MAX_FUNCTION_TIMEOUT_S

PLAN = LoadPlan(
    url="",
    sockets=20,
    users=8,
    connect_rate_per_s=400.0,
    interval_s=1.0,
    duration_s=60.0,
    message_size_bytes=100,
    traffic=Traffic.MIXED,
    drain_s=3.0,
)


@pytest.mark.parametrize("workers", [1, 3, 7])
def test_shares_add_up_to_the_whole(workers: int) -> None:
    plans = plans_of(PLAN, workers)
    assert len(plans) == workers
    assert sum(plan.sockets for plan in plans) == 20
    assert sum(plan.users for plan in plans) == 8
    assert sum(plan.connect_rate_per_s for plan in plans) == pytest.approx(400.0)
    assert all(plan.sockets >= plan.users >= 1 for plan in plans)
    assert max(plan.sockets for plan in plans) - min(plan.sockets for plan in plans) <= 1


def test_no_worker_has_more_sockets_than_a_function_has_files() -> None:
    most = MOST_SOCKETS_OF_A_WORKER
    assert [workers_for(sockets, None) for sockets in (1, most, most + 1, most * MOST_WORKERS)] == [
        1,
        1,
        2,
        MOST_WORKERS,
    ]
    assert workers_for(most, 5) == 5
    for sockets, wanted in ((most + 1, 1), (most * MOST_WORKERS + 1, None), (10, MOST_WORKERS + 1)):
        with pytest.raises(UsageError):
            workers_for(sockets, wanted)


def test_test_has_to_fit_into_the_time_of_a_function_and_each_worker_has_a_user() -> None:
    longest = replace(PLAN, duration_s=PLAN.duration_s + MAX_FUNCTION_TIMEOUT_S - longest_s(PLAN))
    check_bounds(longest, 8)
    with pytest.raises(UsageError, match="takes up to 901 s"):
        check_bounds(replace(longest, duration_s=longest.duration_s + 1), 8)
    for plan, workers in ((PLAN, 9), (replace(PLAN, users=21), 1)):
        with pytest.raises(UsageError, match="at least one user"):
            check_bounds(plan, workers)
