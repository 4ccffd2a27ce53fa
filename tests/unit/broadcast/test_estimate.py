"""What a broadcast would come to: counts, time at the rate, and both rate cards."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.broadcast import estimate as module
from whatschat_ops.broadcast.audience.targets import Page, Row
from whatschat_ops.broadcast.estimate import Audience, BroadcastEstimate, audience, duration_s, estimate
from whatschat_ops.broadcast.limits import send_limit
from whatschat_ops.broadcast.message import compose
from whatschat_ops.pricing.rates import aws_card, guide_card, known_card
from whatschat_ops.quotas import API_REQUESTS, API_REQUESTS_OF_SMALL_REGIONS, RateLimit, account_limit


def estimated(connections: int, size_bytes: int = 100, read_units: float = 0.0) -> BroadcastEstimate:
    return estimate(
        Audience(connections, connections),
        compose("x" * size_bytes, None, text=True),
        API_REQUESTS,
        selection="every connection",
        read_units=read_units,
        guide=guide_card(),
        aws=aws_card(),
    )


def test_the_burst_goes_at_once_and_the_rest_at_the_rate() -> None:
    assert duration_s(5_000, API_REQUESTS) == 0
    assert duration_s(1_005_000, API_REQUESTS) == 100
    assert duration_s(251_250, API_REQUESTS_OF_SMALL_REGIONS) == 100


@given(st.integers(0, 10**8), st.integers(0, 10**6))
def test_more_connections_never_take_less_time(connections: int, more: int) -> None:
    assert duration_s(connections, API_REQUESTS) <= duration_s(connections + more, API_REQUESTS)


def test_prices_of_a_region_that_are_not_known_are_in_no_total() -> None:
    found = estimate(
        Audience(10, 10),
        compose("hello", None, text=True),
        API_REQUESTS,
        selection="every connection",
        read_units=5.0,
        guide=guide_card(),
        aws=known_card("sa-east-1"),
    )
    assert [line.aws for line in found.cost] == [None, None, None]
    assert (found.aws_total, found.price_region) == (Decimal(0), "sa-east-1")
    assert found.guide_total == Decimal("0.0000025")


def test_a_million_small_messages_cost_what_the_cards_say() -> None:
    found = estimated(1_000_000)

    messages, transfer = found.cost
    assert (messages.item, messages.quantity, messages.guide, messages.aws) == (
        "Messages",
        Decimal(1_000_000),
        Decimal("0.25"),
        Decimal("1"),
    )
    assert transfer.guide is None
    assert transfer.aws == transfer.quantity * Decimal("0.09")
    assert float(transfer.quantity) == pytest.approx(100e6 / 2**30)
    assert found.guide_total == Decimal("0.25")
    assert found.aws_total == (messages.aws or 0) + (transfer.aws or 0)
    assert found.duration_s == 99.5


def test_a_message_beyond_32_kb_is_billed_as_more_by_aws_and_not_by_the_guide() -> None:
    found = estimated(1_000_000, size_bytes=32 * 1024 + 1)

    assert found.metered_messages == 2_000_000
    assert (found.cost[0].guide, found.cost[0].aws) == (Decimal("0.25"), Decimal(2))


def test_reading_the_table_is_billed_too() -> None:
    (reading,) = (line for line in estimated(10, read_units=128.5).cost if line.item == "Reading the table")

    assert (reading.quantity, reading.aws) == (Decimal("128.5"), Decimal("128.5") * Decimal("0.125") / 10**6)


def test_no_connections_cost_nothing() -> None:
    found = estimated(0)

    assert not found.cost
    assert found.aws_total == found.duration_s == 0


def test_connections_and_users_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = [
        Page([Row("a", "u1", ""), Row("b", "u1", "")], ""),
        Page([Row("c", "u2", ""), Row("d", "", "")], ""),
    ]

    assert audience(pages) == Audience(4, 2)
    monkeypatch.setattr(module, "MOST_USERS", 1)
    assert audience(pages) == Audience(4, None)


@pytest.mark.parametrize(
    ("region", "limit"),
    [
        ("us-east-1", API_REQUESTS),
        ("mx-central-1", API_REQUESTS_OF_SMALL_REGIONS),
        ("unknown-1", API_REQUESTS),
    ],
)
def test_a_region_has_its_limit(region: str, limit: RateLimit) -> None:
    assert account_limit(region) == send_limit(region, None, None) == limit


def test_a_lower_rate_has_a_smaller_burst_unless_it_is_said() -> None:
    assert send_limit("us-east-1", 100, None) == RateLimit(100, 50)
    assert send_limit("us-east-1", 0.5, None) == RateLimit(0.5, 1)
    assert send_limit("us-east-1", 20_000, None) == RateLimit(20_000, 5_000)
    assert send_limit("us-east-1", 100, 7) == RateLimit(100, 7)
