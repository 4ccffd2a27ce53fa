"""Quantities with bounds: their sums, their usage, and the findings beside them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.cost.estimate import estimate
from whatschat_ops.cost.quantities import StackFacts
from whatschat_ops.pricing.pricing import FreeTiers
from whatschat_ops.pricing.rates import aws_card, guide_card
from whatschat_ops.usage.measured import (
    MEASURABLE,
    Bounded,
    Findings,
    Measured,
    Name,
    gigabytes,
    message_units,
    months,
    to_usage,
    total,
    units,
)

SINCE = datetime(2026, 11, 1, tzinfo=UTC)
UNTIL = datetime(2026, 11, 8, tzinfo=UTC)
FACTS = StackFacts("us-east-1", 256, "arm64", 14)


def measured(**quantities: Bounded) -> Measured:
    return Measured("cloudwatch", "whatschat-local", SINCE, UNTIL, quantities)  # type: ignore[arg-type]


def test_bounds_that_are_reversed_or_negative_are_refused() -> None:
    for low, high in ((2, 1), (-1, 1)):
        with pytest.raises(ValueError, match="is not a range"):
            Bounded(Decimal(low), Decimal(high))


def test_bounds_add_up_and_what_was_not_measured_adds_nothing() -> None:
    assert total([None, Bounded.exactly(5), Bounded(Decimal(1), Decimal(4))]) == Bounded(
        Decimal(6), Decimal(9)
    )
    assert total([None, None]) is None
    assert total([]) is None


def test_messages_of_unknown_sizes_are_one_to_four_units_each() -> None:
    assert units(10) == Bounded(Decimal(10), Decimal(40))


@pytest.mark.parametrize(("size_bytes", "expected"), [(0, 1), (1, 1), (32_768, 1), (32_769, 2), (131_072, 4)])
def test_a_message_is_one_unit_for_each_32_kb_begun(size_bytes: int, expected: int) -> None:
    assert message_units(size_bytes) == expected


def test_every_measurable_quantity_is_priced_as_it_was_measured() -> None:
    amounts: dict[Name, Bounded | None] = {
        name: Bounded(Decimal(place), Decimal(place + 100)) for place, name in enumerate(MEASURABLE, start=1)
    }
    one = Measured("cloudwatch", "x", SINCE, UNTIL, {**amounts, "connections": Bounded.exactly(9)})
    for bound in ("low", "high"):
        result = estimate(
            to_usage(one, bound),
            FACTS,
            [guide_card(), aws_card()],
            free_tiers=FreeTiers.NONE,
            is_measured=True,
        )
        known = {line.rate: line.quantity for line in result.lines if line.quantity is not None}
        assert known == {name: getattr(amount, bound) for name, amount in amounts.items()}
        assert all(line.basis == "" for line in result.lines if line.quantity is not None)


def test_what_was_not_measured_is_not_derived() -> None:
    usage = to_usage(measured(websocket_messages=units(1_000)), "low")
    lines = estimate(usage, FACTS, [aws_card()], is_measured=True).lines
    assert [line.rate for line in lines if line.quantity is not None] == ["websocket_messages"]


def test_findings_are_counted_by_reason_with_a_few_samples_without_secrets() -> None:
    findings = Findings()
    for number in range(5):
        findings.add("not JSON", f"line {number} " + "x" * 500)
    findings.add("no time", "token=abcdefghijklmnop")
    findings.add("no time", count=4)
    findings.add("no time", count=2)
    findings.add("nothing", count=0)
    most, least = findings.found
    assert (most.reason, most.count, len(most.samples)) == ("no time", 7, 1)
    assert "abcdefgh" not in most.samples[0]
    assert (least.reason, least.count, [len(sample) for sample in least.samples]) == (
        "not JSON",
        5,
        [160] * 3,
    )


@pytest.mark.parametrize(
    ("since", "days", "expected"),
    [("2026-02-01", 28, "1"), ("2026-02-01", 7, "0.25"), ("2026-01-31", 15, "0.532258064516"), ("2026-01-01", 0, "0")],
)  # fmt: skip
def test_months_are_calendar_months(since: str, days: int, expected: str) -> None:
    first = datetime.fromisoformat(since).replace(tzinfo=UTC)
    assert months(first, first + timedelta(days=days)) == Decimal(expected)


@given(st.integers(0, 10**15))
def test_gigabytes_are_exact(size_bytes: int) -> None:
    with localcontext(prec=80):
        assert gigabytes(size_bytes) * 1024**3 == size_bytes
