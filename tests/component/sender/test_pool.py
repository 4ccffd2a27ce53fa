"""The pool of TCP connections when no more of them can be opened."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from selectors import DefaultSelector

import pytest

from whatschat_ops.errors import Unavailable
from whatschat_ops.sender.pool import Pool
from whatschat_ops.sender.route import Addresses, route_to

GIVE_UP_AFTER_S = 30.0


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@pytest.fixture
def pool(listener: socket.socket) -> Iterator[Pool]:
    route = route_to(f"http://127.0.0.1:{listener.getsockname()[1]}/prod")
    made = Pool(
        route,
        None,
        Addresses(*route.next_hop, time.monotonic),
        DefaultSelector(),
        limit=8,
        give_up_after_s=GIVE_UP_AFTER_S,
        jitter=lambda: 0.0,
    )
    yield made
    made.close_all()


def try_to_open(pool: Pool, now_s: float) -> None:
    """Open one more, until that has succeeded or failed."""
    pool.open(now_s)
    until_opened_or_failed(pool, now_s)


def until_opened_or_failed(pool: Pool, now_s: float) -> None:
    until_s = time.monotonic() + 60
    while pool.opening and time.monotonic() < until_s:
        for key, _ in pool.wait(0.1):
            if key.data.opening:
                pool.advance(key.data, now_s)
    assert not pool.opening


def test_those_that_are_open_go_on_when_no_more_can_be_opened(listener: socket.socket, pool: Pool) -> None:
    try_to_open(pool, 0.0)
    with listener.accept()[0]:
        listener.close()
        for now_s in (10.0, 50.0, 90.0):
            try_to_open(pool, now_s)
        assert len(pool.idle) == len(pool.all) == 1


def test_it_is_given_up_when_none_is_open_for_too_long(listener: socket.socket, pool: Pool) -> None:
    try_to_open(pool, 0.0)
    with listener.accept()[0]:
        listener.close()
        try_to_open(pool, 50.0)
    pool.close(pool.idle[0])
    try_to_open(pool, 60.0)
    with pytest.raises(Unavailable, match="cannot be reached: Connection refused"):
        try_to_open(pool, 60.0 + GIVE_UP_AFTER_S)


def test_after_one_was_opened_several_may_be_opened_at_once_again(
    listener: socket.socket, pool: Pool
) -> None:
    port = listener.getsockname()[1]
    try_to_open(pool, 0.0)
    with listener.accept()[0]:
        listener.close()
        try_to_open(pool, 1.0)
        pool.open(2.0)
        assert not pool.may_open(2.0)  # one at a time while it fails
        until_opened_or_failed(pool, 2.0)
        with socket.create_server(("127.0.0.1", port)):
            try_to_open(pool, 10.0)
            assert len(pool.idle) == 2
            pool.open(11.0)
            assert pool.opening == 1
            assert pool.may_open(11.0)
