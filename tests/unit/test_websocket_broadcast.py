"""Broadcast: every connection ends in exactly one of delivered, gone and failed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.errors import (
    AwsError,
    Conflict,
    Gone,
    PermissionDenied,
    Rejected,
    Throttled,
    Unavailable,
    UsageError,
)
from whatschat_ops.websocket.broadcast import (
    BroadcastReport,
    Outcome,
    broadcast,
    classify,
    deliver,
    plan,
)
from whatschat_ops.websocket.management import metered_messages
from whatschat_ops.websocket.store import Connection

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def connection(number: int) -> Connection:
    return Connection(f"c{number}", f"user{number % 3}", NOW, NOW)


class FakeSockets:
    """Answers posts as told; remembers what was posted and pruned."""

    def __init__(self, answers: dict[str, AwsError] | None = None) -> None:
        self.answers = answers or {}
        self.posted: list[str] = []
        self.pruned: list[str] = []
        self.prune_error: AwsError | None = None

    def post(self, connection_id: str, data: bytes) -> None:
        self.posted.append(connection_id)
        if connection_id in self.answers:
            raise self.answers[connection_id]

    def prune(self, gone: Connection) -> bool:
        if self.prune_error:
            raise self.prune_error
        self.pruned.append(gone.connection_id)
        return True

    def broadcast(self, count: int, data: bytes = b"hi", concurrency: int = 4) -> BroadcastReport:
        return broadcast(
            map(connection, range(count)),
            data,
            post=self.post,
            prune=self.prune,
            clock_s=lambda: 0.0,
            concurrency=concurrency,
        )


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, Outcome.DELIVERED),
        (Gone("gone"), Outcome.GONE),
        (Throttled("slow"), Outcome.FAILED),
        (Unavailable("5xx"), Outcome.FAILED),
        (Rejected("413"), Outcome.FAILED),
    ],
)
def test_an_answer_means_one_outcome(error: AwsError | None, outcome: Outcome) -> None:
    assert classify(error) == (outcome, error.message if error and outcome is Outcome.FAILED else "")


@given(
    st.lists(st.sampled_from([None, Gone("g"), Throttled("t"), Unavailable("u")]), max_size=40),
    st.integers(1, 8),
)
def test_every_connection_ends_in_exactly_one_outcome(
    answers: list[AwsError | None], concurrency: int
) -> None:
    sockets = FakeSockets({f"c{number}": error for number, error in enumerate(answers) if error})

    report = sockets.broadcast(len(answers), concurrency=concurrency)

    assert report.connections == len(answers) == report.delivered + report.gone + report.failed
    assert sorted(sockets.posted) == sorted(f"c{number}" for number in range(len(answers)))
    assert report.gone == report.pruned == sum(isinstance(error, Gone) for error in answers)
    assert report.failed == len(report.failures)


def test_gone_connections_lose_their_row_and_others_keep_it() -> None:
    sockets = FakeSockets({"c1": Gone("gone"), "c2": Throttled("slow")})

    report = sockets.broadcast(4)

    assert sockets.pruned == ["c1"]
    assert (report.delivered, report.gone, report.failed) == (2, 1, 1)
    assert [(failure.connection_id, failure.reason) for failure in report.failures] == [("c2", "slow")]


def test_a_row_that_cannot_be_pruned_is_still_gone() -> None:
    sockets = FakeSockets({"c0": Gone("gone")})
    sockets.prune_error = Conflict("busy")

    report = sockets.broadcast(1)

    assert (report.gone, report.pruned, report.failed) == (1, 0, 0)


def test_a_refusal_of_iam_ends_the_broadcast_at_once() -> None:
    sockets = FakeSockets({f"c{number}": PermissionDenied("no ManageConnections") for number in range(1000)})

    with pytest.raises(PermissionDenied, match="stopped after 0 deliveries: no ManageConnections") as caught:
        sockets.broadcast(1000, concurrency=2)

    assert len(sockets.posted) < 20
    assert "execute-api:ManageConnections" in str(caught.value.hint)


def test_connections_are_read_as_they_are_needed() -> None:
    read = 0
    blocked = threading.Event()

    def source() -> Iterator[Connection]:
        nonlocal read
        for number in range(10_000):
            read += 1
            yield connection(number)

    def post(connection_id: str, data: bytes) -> None:
        blocked.wait(10)

    deliveries = deliver(source(), b"hi", post=post, prune=lambda _: True, concurrency=3)
    worker = threading.Thread(target=lambda: next(deliveries))
    worker.start()
    worker.join(0.05)
    assert read <= 6
    blocked.set()
    worker.join(10)
    deliveries.close()  # type: ignore[attr-defined]


def test_a_message_that_is_too_big_is_refused_before_anything_is_sent() -> None:
    sockets = FakeSockets()

    with pytest.raises(UsageError, match="131,073 bytes"):
        sockets.broadcast(1, b"x" * (128 * 1024 + 1))
    assert sockets.posted == []


@pytest.mark.parametrize(("size_bytes", "metered"), [(0, 1), (1, 1), (32_768, 1), (32_769, 2), (131_072, 4)])
def test_a_message_is_metered_by_32_kb(size_bytes: int, metered: int) -> None:
    assert metered_messages(size_bytes) == metered


def test_the_plan_counts_connections_users_and_metered_messages() -> None:
    planned = plan(map(connection, range(7)), b"x" * 40_000)

    assert (planned.connections, planned.users, planned.metered_messages) == (7, 3, 14)
