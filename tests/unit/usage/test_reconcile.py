from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

import pytest

from tests.bills import CARD, SOLD, Row, rows
from whatschat_ops.cost.estimate import estimate
from whatschat_ops.cost.quantities import StackFacts
from whatschat_ops.cost.units import Minutes
from whatschat_ops.cost.usage import Usage, WebSocketUsage
from whatschat_ops.pricing.amounts import Amount
from whatschat_ops.usage.bills.bill import KINDS, Bill, BillLine, Kind, Owner
from whatschat_ops.usage.measured import Bounded, Measured, Name
from whatschat_ops.usage.reconcile import Gap, ReconciledLine, Reconciliation, reconcile

FIRST: Final = date(2026, 11, 1)
LATER: Final = datetime(2027, 1, 1, tzinfo=UTC)
USAGE: Final = {
    "websocket_messages": Decimal(3_000_001),
    "websocket_connection_minutes": Decimal("1234567.25"),
    "lambda_requests": Decimal(1_500_000),
    "lambda_duration_arm64": Decimal("512345.678"),
    "dynamodb_writes": Decimal("77.5"),
    "logs_ingested_lambda": Decimal("4.25"),
    "logs_ingested": Decimal("1.5"),
    "chime_audio": Decimal("1234.1"),
}


def line(row: Row, owner: Owner = Owner.UNKNOWN) -> BillLine:
    return BillLine(
        row.service, row.usage_type, row.operation, row.region, row.rate_code, KINDS[row.kind], row.day, row.unit,
        Decimal(row.quantity), Decimal(row.cost), 1, owner, row.description,
    )  # fmt: skip


def bill_of(*lines: BillLine) -> Bill:
    return Bill("CUR 2.0", 1, len(lines), lines)


def bill(days: int = 30, **usage: Decimal) -> Bill:
    return bill_of(*map(line, rows(usage or USAGE, FIRST, days)))


def measured(**quantities: Bounded | Decimal | None) -> Measured:
    found: dict[Name, Bounded | None] = {
        key: Bounded.exactly(value) if isinstance(value, Decimal) else value  # type: ignore[misc]
        for key, value in quantities.items()
    }
    return Measured("logs", "x", datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC), found)


def found_for(key: str, found: Reconciliation) -> ReconciledLine:
    return next(each for each in found.lines if each.rate == key)


def test_bill_of_the_same_usage_has_no_gap() -> None:
    found = reconcile(bill(), CARD, LATER, measured=measured(**USAGE))
    gaps = {each.rate: each.gap for each in found.lines if each.gap}
    assert set(gaps) == set(USAGE)
    assert {gap.quantity for gap in gaps.values()} == {0}
    # The bill's two kinds of logs have 5 free GB each; on the card they share them, in its order.
    assert {rate for rate, gap in gaps.items() if round(gap.cost, 2)} == {"logs_ingested"}
    assert found.remarks == ()
    assert len(found.days) == 30


def test_quantities_are_summed_over_tiers_and_days() -> None:
    found = reconcile(bill(7), CARD, LATER, measured=measured(websocket_messages=Decimal(1)))
    requests = found_for("lambda_requests", found)
    assert requests.bill is not None
    assert requests.bill.quantity == Bounded.exactly(Decimal(1_500_000))
    assert requests.bill.cost == Bounded.exactly(Decimal("0.1"))
    assert requests.rate_codes == ("lambda_requests.1", "lambda_requests.free")
    assert requests.gap is None
    assert requests.reasons == ("not measured",)
    assert found.remarks[0] == "The bill has 7 of the 30 days of 2026-11."


def test_estimate_is_scaled_to_the_days_of_the_bill() -> None:
    usage = Usage(websocket=WebSocketUsage(messages=Amount(6_000_000), connection_minutes=Minutes(300)))
    month = estimate(usage, StackFacts("us-east-1", 256, "arm64", 14), [CARD])
    found = reconcile(bill(15, websocket_messages=Decimal(3_300_000)), CARD, LATER, estimate=month)
    messages = found_for("websocket_messages", found)
    assert messages.estimate is not None
    assert messages.estimate.quantity == Bounded.exactly(Decimal(3_000_000))
    assert messages.gap == Gap("estimate", Decimal(300_000), Decimal("0.3"), Decimal("9.09"))
    assert found_for("websocket_connection_minutes", found).bill is None


def test_messages_within_their_bounds_have_no_gap_and_say_why() -> None:
    found = reconcile(
        bill(websocket_messages=Decimal(250)), CARD, LATER,
        measured=measured(websocket_messages=Bounded(Decimal(100), Decimal(400))),
    )  # fmt: skip
    messages = found_for("websocket_messages", found)
    assert messages.gap == Gap("measured", Decimal(0), Decimal(0), Decimal(0))
    assert messages.reasons == (
        "units of 32 KB: the measurement knows the number of messages, not their sizes",
    )


def priced(key: str, quantity: str, cost: str, *, owner: Owner = Owner.UNKNOWN) -> BillLine:
    service, usage_type, operation = SOLD[key]
    return line(Row(FIRST, service, usage_type, operation, quantity, cost), owner)


@pytest.mark.parametrize(
    ("key", "quantity", "cost", "counted", "reason"),
    [
        ("websocket_messages", "500", "0.0005", "300", "other resources of the account have this usage type, too"),
        ("websocket_messages", "100", "0.0001", "300", "fewer than were measured"),
        ("lambda_requests", "500", "0", "500", ""),
        ("lambda_requests", "2000000", "0", "2000000", "free tier: nothing was charged"),
        ("lambda_requests", "2000000", "0.1", "2000000", "free tier: the account has more free units"),
        ("lambda_requests", "500000", "0.1", "500000", "free tier: other usage of the account took the free units"),
        ("websocket_messages", "10000000", "8", "10000000", "tier: the account's usage reaches a cheaper one"),
        ("websocket_connection_minutes", "10000000", "2", "10000000", "a discount or a private price"),
        ("websocket_messages", "10000000", "12", "10000000", "charged above the card's price"),
    ],
)  # fmt: skip
def test_gap_has_its_likely_reason(key: str, quantity: str, cost: str, counted: str, reason: str) -> None:
    found = reconcile(
        bill_of(priced(key, quantity, cost)), CARD, LATER, measured=measured(**{key: Decimal(counted)})
    )
    assert reason in "; ".join(found_for(key, found).reasons)
    assert bool(reason) == bool(found_for(key, found).reasons)


def test_usage_marked_as_the_stacks_is_not_blamed_on_others() -> None:
    found = reconcile(
        bill_of(priced("websocket_messages", "500", "0", owner=Owner.STACK)), CARD, LATER,
        measured=measured(websocket_messages=Decimal(300)),
    )  # fmt: skip
    assert "usage that the measurement does not see" in found_for("websocket_messages", found).reasons


def test_days_under_48_hours_are_marked_and_explain_what_is_missing() -> None:
    now = datetime(2026, 11, 4, 12, tzinfo=UTC)
    found = reconcile(
        bill(3, websocket_messages=Decimal(300)),
        CARD,
        now,
        measured=measured(websocket_messages=Decimal(400)),
    )
    assert found.not_final == (date(2026, 11, 2), date(2026, 11, 3))
    assert found_for("websocket_messages", found).reasons == (
        "2 days of the bill may still grow: less than 48 hours old",
    )


def test_measured_usage_that_no_bill_has_is_named() -> None:
    found = reconcile(
        bill(websocket_messages=Decimal(1)), CARD, LATER, measured=measured(lambda_requests=Decimal(5))
    )
    assert found_for("lambda_requests", found).reasons == (
        "the bill has no such usage: up to 1,000,000 a month are free",
    )


def test_what_is_in_no_line_is_counted_with_its_cost() -> None:
    message = priced("websocket_messages", "1", "1")
    others = {
        "credit": replace(message, kind=Kind.CREDIT, cost=Decimal(-3)),
        "refund": replace(message, kind=Kind.REFUND, cost=Decimal(-4)),
        "tax": replace(message, kind=Kind.TAX, cost=Decimal(5)),
        "of other months": replace(message, day=date(2026, 10, 31), cost=Decimal(6)),
        "usage of other Regions": replace(message, region="eu-west-1", cost=Decimal(7)),
        "usage of other services": replace(message, service="AmazonEC2", cost=Decimal(8)),
        "usage of other stacks": replace(message, owner=Owner.OTHER, cost=Decimal(9)),
    }
    found = reconcile(bill_of(message, *others.values()), CARD, LATER)
    assert {each.what: (each.rows, each.cost) for each in found.beside} == {
        what: (1, each.cost) for what, each in others.items()
    }
    assert found.bill_cost == 1


def test_month_that_is_named_is_compared() -> None:
    earlier = replace(priced("websocket_messages", "7", "7"), day=date(2026, 10, 31))
    found = reconcile(bill_of(priced("websocket_messages", "1", "1"), earlier), CARD, LATER, month="2026-10")
    assert (found.month, found.bill_cost) == ("2026-10", Decimal(7))


def test_attendee_minutes_with_and_without_video_are_one_line() -> None:
    found = reconcile(
        bill(chime_audio=Decimal(30)), CARD, LATER, measured=measured(chime_audio=Decimal(10), chime_video=Decimal(20))
    )  # fmt: skip
    assert found_for("chime_audio", found).gap == Gap("measured", Decimal(0), Decimal(0), Decimal(0))


def test_measurement_of_another_time_is_said() -> None:
    found = reconcile(bill(3, websocket_messages=Decimal(1)), CARD, LATER, measured=measured())
    assert any(remark.startswith("Usage was measured from 2026-11-01 00:00") for remark in found.remarks)


def test_usage_that_aws_takes_back_is_no_negative_amount() -> None:
    found = reconcile(bill_of(priced("websocket_messages", "-5", "-1")), CARD, LATER)
    assert found_for("websocket_messages", found).bill is not None
    assert found.bill_cost == 0
