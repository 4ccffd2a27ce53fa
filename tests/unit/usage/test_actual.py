"""Sources side by side: what is priced, where they differ, what it costs."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from whatschat_ops.cost.quantities import StackFacts
from whatschat_ops.pricing.pricing import FreeTiers
from whatschat_ops.pricing.rates import aws_card, guide_card
from whatschat_ops.usage.actual import Actual, actual, narrowest
from whatschat_ops.usage.measured import Bounded, Measured, Name, Source, units

SINCE, UNTIL = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
FACTS = StackFacts("us-east-1", 256, "arm64", 14, alarms=5, dashboards=1, metrics=2, count_every_minutes=5)


def said(source: Source, **quantities: Bounded | None) -> Measured:
    named: dict[Name, Bounded | None] = {}
    for name, amount in quantities.items():
        named[name] = amount  # type: ignore[index]
    return Measured(source, "here", SINCE, UNTIL, named)


def priced(*sources: Measured, free_tiers: FreeTiers = FreeTiers.NONE) -> Actual:
    return actual(sources, FACTS, [guide_card(), aws_card()], free_tiers)


def bounded(low: str, high: str) -> Bounded:
    return Bounded(Decimal(low), Decimal(high))


def test_what_was_measured_is_priced_on_both_cards_within_its_bounds() -> None:
    found = priced(
        said("cloudwatch", websocket_messages=units(1_000_000), chime_audio=Bounded.exactly(1_000))
    )
    assert found.totals == {"Guide": bounded("1.95", "2.7"), "AWS": bounded("2.7", "5.7")}
    assert [line.rate for line in found.lines] == ["websocket_messages", "chime_audio"]
    assert found.lines[0].cost == {"Guide": bounded("0.25", "1"), "AWS": bounded("1", "4")}
    assert found.complete == ("Guide", "AWS")
    assert "API Gateway WebSocket, connection minutes" in found.not_measured


def test_a_price_that_a_card_lacks_leaves_its_total_incomplete() -> None:
    found = priced(said("cloudwatch", lambda_requests=Bounded.exactly(1_000_000)))
    assert found.complete == ("AWS",)
    assert (found.lines[0].cost["Guide"], found.totals["AWS"]) == (None, Bounded.exactly(Decimal("0.2")))


def test_free_units_are_deducted_once_from_lines_of_one_price() -> None:
    found = priced(
        said("cloudwatch", lambda_requests=bounded("900000", "1100000")), free_tiers=FreeTiers.ALWAYS
    )
    assert found.totals["AWS"] == bounded("0", "0.02")


def test_the_narrowest_source_is_priced_and_the_first_of_equals() -> None:
    sources = [
        said("cloudwatch", websocket_messages=units(10), meetings=None, lambda_requests=Bounded.exactly(3)),
        said("logs", websocket_messages=Bounded.exactly(12), lambda_requests=Bounded.exactly(2)),
    ]
    found = priced(*sources)
    assert {line.rate: line.priced for line in found.lines} == {
        "websocket_messages": "logs",
        "lambda_requests": "cloudwatch",
    }
    assert narrowest(sources).get("websocket_messages") == Bounded.exactly(12)
    assert narrowest(sources).get("meetings") is None


def test_sources_that_differ_are_named_with_the_difference_and_its_reason() -> None:
    found = priced(
        said("cloudwatch", messages=Bounded.exactly(1_204), websocket_messages=units(1_204)),
        said("logs", messages=Bounded.exactly(1_198), websocket_messages=Bounded.exactly(1_300)),
    )
    (difference,) = found.differences
    assert (difference.rate, difference.first, difference.second, difference.by) == (
        "messages",
        "cloudwatch",
        "logs",
        Decimal(-6),
    )
    assert difference.text.startswith("cloudwatch says 1,204, logs 1,198: 6 fewer; lines are missing")


def test_bounds_that_meet_are_no_difference_and_those_that_do_not_differ_by_the_gap() -> None:
    ours, theirs = said("ledger", chime_audio=bounded("1", "5")), said("calls", chime_audio=bounded("5", "9"))
    assert priced(ours, theirs).differences == ()
    further = said("calls", chime_audio=bounded("6.5", "9"))
    assert [each.by for each in priced(ours, further).differences] == [Decimal("1.5")]


def test_counts_cost_nothing_and_are_shown_where_any_source_has_them() -> None:
    found = priced(said("ledger", meetings=Bounded.exactly(2)), said("calls", attendances=Bounded.exactly(9)))
    assert [(line.rate, dict(line.by_source)) for line in found.counts] == [
        ("meetings", {"ledger": Bounded.exactly(2), "calls": None}),
        ("attendances", {"ledger": None, "calls": Bounded.exactly(9)}),
    ]
    assert (found.lines, found.totals) == ((), {"Guide": None, "AWS": None})
