"""Counting by workers: however the table is cut into segments and objects, the sums are those of one machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.worker.shard_fakes import KEYS, Bucket
from whatschat_ops.broadcast.distributed.counting import merged
from whatschat_ops.connections.statistics import Census, ConnectionStats
from whatschat_ops.connections.store import Connection
from whatschat_ops.worker.counting import count_segment
from whatschat_ops.worker.tally import stored_time

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
Item = Mapping[str, Mapping[str, str]]

TIMES = st.one_of(
    st.none(),
    st.integers(SECONDS - 200_000, SECONDS + 10_000).map(lambda at: {"N": str(at)}),
    st.integers(SECONDS - 200_000, SECONDS + 10_000).map(lambda at: {"N": f"{at}000"}),
    st.integers(0, 100_000).map(lambda age: {"S": (NOW - timedelta(seconds=age)).isoformat()}),
    st.just({"S": "no time"}),
)
ITEMS = st.lists(st.tuples(st.none() | st.sampled_from("abcdé"), TIMES, TIMES), max_size=30)


def item(name: str, user: str | None, connected_at: Any, ttl: Any) -> Item:
    found = {"userId": user and {"S": user}, "connectedAt": connected_at, "ttl": ttl}
    return {"connectionId": {"S": name}} | {key: value for key, value in found.items() if value}


def here(items: Sequence[Item], top: int) -> ConnectionStats:
    """As one machine counts them."""
    rows = (
        Connection(
            each["connectionId"]["S"],
            each.get("userId", {}).get("S", ""),
            stored_time(each.get("connectedAt")),
            stored_time(each.get("ttl")),
            each.get("connectedAt"),
            each.get("ttl"),
        )
        for each in items
    )
    return Census(NOW).add_all(rows).stats(top=top)


def by_workers(segments: Sequence[Sequence[Item]], top: int, users: int) -> ConnectionStats:
    """As workers count them, each with `users` in memory."""
    bucket = Bucket()
    for number, items in enumerate(segments, 1):
        pages = [items[at : at + 3] for at in range(0, len(items), 3)] or [[]]
        count_segment(bucket, KEYS, number, "attempt", pages, NOW, users_of_an_object=users)
    return merged(bucket, KEYS, range(1, len(segments) + 1), top=top)


@given(ITEMS, st.integers(1, 5), st.integers(1, 4), st.integers(0, 4))
def test_any_cut_of_the_table_merges_to_the_figures_of_one_machine(
    drawn: list[tuple[Any, Any, Any]], segments: int, users: int, top: int
) -> None:
    items = [item(f"c{number:02}", *each) for number, each in enumerate(drawn)]
    cut = [items[at::segments] for at in range(segments)]
    assert by_workers(cut, top, users) == here(items, top)


def test_second_attempt_at_a_segment_counts_nothing_twice() -> None:
    bucket = Bucket()
    items = [item(f"c{number}", user, None, None) for number, user in enumerate("aab")]
    count_segment(bucket, KEYS, 1, "first", [items], NOW)
    count_segment(bucket, KEYS, 1, "second", [items[:1], items[1:]], NOW, users_of_an_object=1)
    assert merged(bucket, KEYS, [1], top=2) == here(items, 2)
    assert bucket.done().delivered == 3


def test_no_object_has_more_users_than_a_worker_keeps_and_a_page() -> None:
    bucket = Bucket()
    pages = [[item(f"c{page}", f"user-{page}", None, None)] for page in range(5)]
    count_segment(bucket, KEYS, 1, "first", pages, NOW, users_of_an_object=2)
    assert len(bucket.keys(f"{KEYS.root}users/")) == 3
    assert merged(bucket, KEYS, [1], top=0).users == 5
