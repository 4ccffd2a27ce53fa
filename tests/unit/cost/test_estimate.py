"""Usage -> quantities -> an estimate on two cards."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.cost.cards import rate_rows
from whatschat_ops.cost.estimate import estimate
from whatschat_ops.cost.quantities import StackFacts, traffic
from whatschat_ops.cost.result import Estimate, Line, State
from whatschat_ops.cost.usage import Usage, load_usage
from whatschat_ops.errors import ConfigError
from whatschat_ops.pricing.pricing import FreeTiers
from whatschat_ops.pricing.rates import RateKey, aws_card, guide_card

STACK = StackFacts(region="us-east-1", memory_mb=256, architecture="arm64", log_retention_days=14)
GUIDE, AWS = guide_card(), aws_card()


def usage(**sections: dict[str, Any]) -> Usage:
    """Usage from sections of keys; `lambda_` stands for `lambda`."""
    flags = {
        f"{section.rstrip('_')}.{key}": (f"--{key}", value)
        for section, keys in sections.items()
        for key, value in keys.items()
    }
    return load_usage(None, flags)


def priced(free_tiers: FreeTiers = FreeTiers.ALWAYS, **sections: dict[str, Any]) -> Estimate:
    """An estimate for `STACK` on the shipped cards."""
    return estimate(usage(**sections), STACK, [GUIDE, AWS], free_tiers=free_tiers)


def these(*values: object) -> tuple[object, ...]:
    """Values to compare at once, Decimal with int."""
    return values


def line(result: Estimate, price: RateKey) -> Line:
    """The first line with a price."""
    return next(each for each in result.lines if each.rate == price)


def known(result: Estimate) -> dict[str, Decimal | None]:
    """Price -> quantity, of the lines whose quantity is known."""
    return {each.rate: each.quantity for each in result.lines if each.quantity is not None}


def costs(found: Line) -> tuple[object, object]:
    """What the guide and AWS charge for a line."""
    return (found.charges["Guide"].cost, found.charges["AWS"].cost)


def test_ten_million_messages_and_a_thousand_users_are_priced_on_both_cards() -> None:
    result = priced(websocket={"messages": "10M", "users": 1000, "hours_per_day": 8})
    assert costs(line(result, "websocket_messages")) == (Decimal("2.5"), 10)
    minutes = line(result, "websocket_connection_minutes")
    assert these(minutes.quantity, minutes.basis) == (14_400_000, "users × hours a day × 30 days")
    assert costs(minutes) == (Decimal("5.04"), Decimal("3.6"))
    assert these(result.totals["Guide"].common, result.totals["AWS"].common) == (
        Decimal("7.54"),
        Decimal("13.6"),
    )
    assert result.totals["AWS"].common - result.totals["Guide"].common == Decimal("6.06")


def test_chime_is_priced_per_attendee_minute_on_both_cards() -> None:
    result = priced(chime={"audio_attendee_minutes": 1100, "video_attendee_minutes": 1000})
    assert costs(line(result, "chime_audio")) == (Decimal("1.7"), Decimal("1.87"))
    assert costs(line(result, "chime_video")) == (7, Decimal("1.7"))
    assert any("AWS has one rate for audio, video and screen share" in note for note in result.notes)
    assert any("100 free attendee-minutes" in note for note in result.notes)


def test_usage_that_was_not_given_is_unknown_and_shows_its_price() -> None:
    video = line(priced(websocket={"messages": 1}), "chime_video")
    assert these(video.quantity, *costs(video)) == (None, None, None)
    prices = [on.price for on in video.charges.values()]
    assert [price and price.amount for price in prices] == [Decimal("0.007"), Decimal("0.0017")]
    assert {on.state for on in video.charges.values()} == {State.DEPENDS_ON_USAGE}


def test_no_usage_has_no_total_and_says_what_is_needed() -> None:
    result = priced()
    assert {each.quantity for each in result.lines} == {None}
    assert these(result.totals["Guide"].cost, result.totals["AWS"].cost) == (None, None)
    assert result.totals["AWS"].depends_on_usage == len(result.lines)
    assert "Give at least --messages and --connection-minutes" in result.notes[0]
    assert len(result.notes) == 2


def test_zero_usage_is_known_and_costs_nothing() -> None:
    result = priced(
        websocket={"messages": 0, "connection_minutes": 0},
        chime={"audio_attendee_minutes": 0, "video_attendee_minutes": 0},
    )
    assert {each.quantity for each in result.lines} == {0, None}
    assert these(result.totals["Guide"].cost, result.totals["AWS"].cost) == (0, 0)
    assert len(result.notes) == 1
    assert "their usage was not given" in result.notes[0]


def test_derived_quantities_say_how() -> None:
    result = priced(websocket={"messages": 3_000_000, "users": 100, "hours_per_day": 3, "days": 20})
    amounts = known(result)
    connections = 100 * 20 * 2  # three hours take two connections of at most two
    assert amounts["websocket_connection_minutes"] == 100 * 3 * 60 * 20
    assert amounts["lambda_requests"] == 1_000_000 + 2 * connections
    assert amounts["lambda_duration_arm64"] == Decimal(1_008_000) * 50 / 1000 / 4
    assert amounts["dynamodb_writes"] == 4 * connections
    assert amounts["dynamodb_reads"] == 1_500_000
    assert amounts["data_transfer_out"] == (Decimal(2_000_000) / 1024 / 1024).quantize(Decimal("1e-9"))
    derived = [each for each in result.lines if each.rate.startswith(("lambda", "dynamodb", "logs_in"))]
    assert all(each.basis for each in derived if each.quantity is not None)
    assert line(result, "websocket_messages").basis == ""


def test_connection_minutes_alone_give_connections_of_two_hours() -> None:
    found = traffic(usage(websocket={"messages": 0, "connection_minutes": 241}), STACK)
    assert found.requests.amount == 6


def test_given_quantities_are_not_derived() -> None:
    result = priced(
        websocket={"messages": 9, "inbound_messages": 9, "connection_minutes": 9, "connections": 9},
        lambda_={"requests": 5, "duration_ms": 1000, "memory_mb": 1024, "architecture": "x86_64"},
        dynamodb={"write_request_units": 1, "read_request_units": 2, "storage_gb": 3},
        logs={"ingested_gb": 4, "access_gb": 7, "stored_gb": 5, "scanned_gb": 8},
        data_transfer={"out_gb": 6},
    )
    amounts = known(result)
    assert amounts["lambda_requests"] == 5
    assert amounts["lambda_duration_x86_64"] == 5
    assert "lambda_duration_arm64" not in amounts
    assert these(amounts["dynamodb_writes"], amounts["dynamodb_reads"], amounts["dynamodb_storage"]) == (
        1,
        2,
        3,
    )
    assert these(amounts["logs_ingested_lambda"], amounts["logs_ingested"]) == (4, 7)
    assert these(amounts["logs_stored"], amounts["logs_scanned"], amounts["data_transfer_out"]) == (5, 8, 6)


def test_large_messages_are_metered_and_noted() -> None:
    result = priced(websocket={"messages": 1_000_000, "message_size_kb": 100})
    assert costs(line(result, "websocket_messages")) == (Decimal("0.25"), 4)
    assert any("one of 100 KB is billed as 4" in note for note in result.notes)
    assert not any("assumed" in note for note in result.notes)


def test_an_assumed_message_size_is_noted() -> None:
    assert any("1 KB assumed" in note for note in priced(websocket={"messages": 1}).notes)


def test_free_tiers_are_none_the_permanent_or_also_those_of_the_first_year() -> None:
    sections: dict[str, Any] = {
        "websocket": {"messages": 3_000_000, "connection_minutes": 750_000},
        "lambda_": {"requests": 2_000_000},
    }
    always = priced(**sections)
    none = priced(FreeTiers.NONE, **sections)
    first_year = priced(FreeTiers.FIRST_YEAR, **sections)
    assert costs(line(none, "lambda_requests"))[1] == Decimal("0.4")
    assert costs(line(always, "lambda_requests"))[1] == Decimal("0.2")
    assert costs(line(always, "websocket_messages"))[1] == 3
    assert costs(line(first_year, "websocket_messages"))[1] == 2
    assert costs(line(first_year, "websocket_connection_minutes"))[1] == 0
    assert none.totals["AWS"].free_tier == none.totals["Guide"].free_tier == 0
    saved = (none.totals["AWS"].cost or 0) - (always.totals["AWS"].cost or 0)
    assert saved == always.totals["AWS"].free_tier


def test_totals_are_the_sums_of_the_lines() -> None:
    totals = (result := priced(websocket={"messages": "10M", "users": 9, "hours_per_day": 8})).totals
    for card in ("Guide", "AWS"):
        assert totals[card].cost == sum(each.charges[card].cost or 0 for each in result.lines)
    both = [costs(each) for each in result.lines if None not in costs(each)]
    assert these(totals["Guide"].common, totals["AWS"].common) == tuple(map(sum, zip(*both, strict=True)))


def test_prices_of_another_region_are_noted() -> None:
    elsewhere = StackFacts("eu-west-1", 256, "arm64", 14)
    result = estimate(usage(websocket={"messages": 1}), elsewhere, [GUIDE, AWS])
    assert any("the stack is in eu-west-1" in note for note in result.notes)


amounts = st.decimals(min_value=0, max_value=10**12, places=3)


@given(amounts, amounts, st.decimals(min_value=0, max_value=128, places=2))
def test_more_messages_never_cost_less(one: Decimal, other: Decimal, size_kb: Decimal) -> None:
    less, more = (
        priced(websocket={"messages": count, "message_size_kb": size_kb, "connection_minutes": 1000}).totals
        for count in sorted((one, other))
    )
    for card in ("Guide", "AWS"):
        assert (less[card].cost or 0) <= (more[card].cost or 0)


@given(amounts, amounts, amounts)
def test_more_of_a_pooled_line_never_costs_less(audio: Decimal, video: Decimal, more: Decimal) -> None:
    before = priced(chime={"audio_attendee_minutes": audio, "video_attendee_minutes": video}).totals
    after = priced(chime={"audio_attendee_minutes": min(audio + more, Decimal(10**12)),
                          "video_attendee_minutes": video}).totals  # fmt: skip
    if audio + more <= 10**12:
        for card in ("Guide", "AWS"):
            assert (before[card].cost or 0) <= (after[card].cost or 0)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"websocket": {"messages": -1}}, "must be at least 0"),
        ({"websocket": {"messages": "nan"}}, "expected a number"),
        ({"websocket": {"messages": "1e30"}}, "must be at most 1000000000000000"),
        ({"websocket": {"messages": "0.0000000000001"}}, "no more than 12 decimal places"),
        ({"websocket": {"messages": 1, "message_size_kb": 129}}, "must be at most 128"),
        ({"websocket": {"users": 1, "hours_per_day": 25}}, "must be at most 24"),
        ({"websocket": {"days": 3}}, "days needs users, which is missing"),
        ({"websocket": {"hours_per_day": 3}}, "hours_per_day needs users, which is missing"),
        ({"websocket": {"messages_per_day": 3}}, "messages_per_day needs users, which is missing"),
        (
            {"websocket": {"users": 1, "messages_per_day": 3, "messages": 1}},
            "either messages or messages_per_day",
        ),
        (
            {"websocket": {"messages": 1, "inbound_messages": 1, "fan_out": 1}},
            "either inbound_messages or fan_out",
        ),
        ({"websocket": {"message_sizes": [{"kb": 1, "percent": 99}]}}, "must add up to 100"),
        (
            {"websocket": {"message_sizes": [{"kb": 1, "percent": 100}], "message_size_kb": 1}},
            "either message_size_kb or message_sizes",
        ),
        ({"chime": {"meetings": 1, "minutes": 1}}, "meetings, attendees and minutes need each other"),
        (
            {"chime": {"meetings": 1, "attendees": 1, "minutes": 1, "audio_attendee_minutes": 1}},
            "either attendee-minutes or attendees and minutes",
        ),
        ({"chime": {"video_percent": 1}}, "video_percent needs meetings"),
        ({"broadcasts": {"count": 1}}, "count and connections need each other"),
        ({"lambda": {"tmp_mb": 511}}, "must be at least 512"),
        (
            {"websocket": {"users": 1, "hours_per_day": 1, "connection_minutes": 1}},
            "either connection_minutes or users",
        ),
        ({"websocket": {"messages": 1, "inbound_messages": 2}}, "inbound_messages are part of messages"),
        ({"websocket": {"inbound_messages": 2}}, "inbound_messages are part of messages"),
        ({"lambda": {"architecture": "sparc"}}, "'sparc' is not allowed"),
        ({"chime": {"minuts": 1}}, "unknown key"),
    ],
)
def test_invalid_usage_is_rejected_with_its_origin(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        usage(**sections)
    assert caught.value.message.startswith("flag --")


def test_flags_win_over_the_usage_file_and_lines_are_named(tmp_path: Path) -> None:
    path = tmp_path / "usage.yaml"
    path.write_text("websocket:\n  messages: 5M\n  message_size_kb: 2\n", encoding="utf-8")
    found = load_usage(path, {"websocket.messages": ("--messages", "7")})
    assert these(found.websocket.messages, found.websocket.message_size_kb) == (7, 2)
    path.write_text("websocket:\n  messages: 5\n  mesages: 6\n", encoding="utf-8")
    with pytest.raises(
        ConfigError, match=r"usage\.yaml:3: websocket\.mesages: unknown key\. Did you mean messages"
    ):
        load_usage(path, {})
    with pytest.raises(ConfigError, match=r"absent\.yaml cannot be read: No such file or directory"):
        load_usage(tmp_path / "absent.yaml", {})


def test_given_rates_replace_those_of_the_card(tmp_path: Path) -> None:
    path = tmp_path / "rates.yaml"
    path.write_text(
        'title: Ours\nrates:\n  websocket_messages:\n    tiers: [{price: "0.90"}]\n    as_of: 2026-01-02\n',
        encoding="utf-8",
    )
    card = aws_card(path)
    ours = card.rates["websocket_messages"]
    assert these(card.title, ours.tiers[0].price, ours.metered_kb) == ("Ours", Decimal("0.90"), 32)
    assert these(ours.source, ours.as_of) == (str(path), date(2026, 1, 2))
    assert card.rates["chime_audio"] == AWS.rates["chime_audio"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rates:\n  tea:\n    per: 1\n", r"rates\.yaml:\d: rates\.tea"),
        ("rates:\n  chime_audio:\n    cost: 1\n", r"rates\.yaml:3: .*cost: unknown key.*Known here: .*per"),
        ("rates:\n  chime_audio:\n    per: 0\n", r"rates\.yaml:3: .*must be more than 0"),
        ("rates:\n  chime_audio:\n    tiers: []\n", r"rates\.yaml:3: "),
        ("rates:\n  chime_audio:\n    tiers: [{price: -1}]\n", r"rates\.yaml:3: .*must be at least 0"),
        (
            "rates:\n  chime_audio:\n    tiers: [{price: 1}, {price: 2}]\n",
            "every tier but the last needs up_to",
        ),
        (
            "rates:\n  chime_audio:\n    tiers: [{price: 1, up_to: 5}]\n",
            "every tier but the last needs up_to",
        ),
        (
            "rates:\n  chime_audio:\n    tiers: [{price: 1, up_to: 5}, {price: 1, up_to: 5}, {price: 2}]\n",
            "up_to must go up",
        ),
    ],
)
def test_invalid_rates_are_rejected_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "rates.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        aws_card(path)


def test_rate_rows_show_both_cards() -> None:
    rows = {row.rate: row for row in rate_rows(GUIDE, AWS)}
    assert {rate for rate, row in rows.items() if row.aws is not None} == set(AWS.rates)
    assert {row.free_kind for row in rows.values()} == {"always", "first_year", "none"}
    assert rows["chime_hd"].aws is None
    assert rows["websocket_messages"].guide is not None
    assert rows["websocket_messages"].guide[0].price == Decimal("0.25")
    assert [tier.up_to for tier in rows["websocket_messages"].aws or ()] == [10**9, None]
    assert rows["lambda_requests"].guide is None
