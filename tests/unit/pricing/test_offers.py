"""AWS's price list files -> a card, and what `cost rates` and `cost estimate` make of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.unit.pricing.offer_files import offers
from whatschat_ops.cli.main import main
from whatschat_ops.cost.cards import rate_changes
from whatschat_ops.errors import Missing, Unusable
from whatschat_ops.pricing.offer_files import read_offer
from whatschat_ops.pricing.offers import PRICES, refreshed
from whatschat_ops.pricing.pricing import FreeTiers, charge
from whatschat_ops.pricing.rates import aws_card

SHIPPED = aws_card()
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory without cards, and a working directory without configs."""
    monkeypatch.setenv("WHATSCHAT_OPS_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def folder(path: Path, region: str) -> str:
    """A folder with the files of a Region."""
    path.mkdir(exist_ok=True)
    for offer in offers(region):
        (path / f"{offer['offerCode']}.json").write_text(json.dumps(offer), encoding="utf-8")
    return str(path)


def test_the_files_of_us_east_1_give_the_shipped_prices() -> None:
    found = refreshed(offers("us-east-1"), "us-east-1", SHIPPED)
    assert rate_changes(SHIPPED, found.card) == [
        change for change in rate_changes(SHIPPED, found.card) if change.b is None
    ]
    assert set(found.card.rates) == set(PRICES)
    assert set(found.not_found) == {"chime_audio", "chime_video", "dashboards", "logs_live_tail"}


def test_every_price_has_its_sku_rate_code_and_offer_version() -> None:
    card = refreshed(offers("us-east-1"), "us-east-1", SHIPPED).card
    for key, rate in card.rates.items():
        assert rate.sku.startswith("SKU"), key
        assert [tier.rate_code.split(".")[0] for tier in rate.tiers] == [rate.sku] * len(rate.tiers)
        assert "20260930120000" in rate.source
        assert rate.as_of == card.as_of == date(2026, 9, 30)
    assert set(card.offers.values()) == {"20260930120000"}


def test_the_free_band_of_a_price_becomes_the_free_tier_and_not_a_tier() -> None:
    storage = refreshed(offers("us-east-1"), "us-east-1", SHIPPED).card.rates["dynamodb_storage"]
    assert [(tier.price, tier.up_to) for tier in storage.tiers] == [(Decimal("0.25"), None)]
    assert charge(Decimal(30), storage).cost == Decimal("1.25")


def test_another_region_has_its_own_prices_and_its_own_tiers() -> None:
    """Seoul: 1.1 billion messages are $1,234, where us-east-1 has $1,080."""
    card = refreshed(offers("ap-northeast-2"), "ap-northeast-2", SHIPPED).card
    count = Decimal(1_100_000_000)
    messages = charge(count, card.rates["websocket_messages"], free_tiers=FreeTiers.NONE)
    at_home = charge(count, SHIPPED.rates["websocket_messages"], free_tiers=FreeTiers.NONE)
    assert [int(each.cost) for each in (messages, at_home)] == [1234, 1080]


def test_files_of_another_region_have_no_price() -> None:
    with pytest.raises(Unusable, match="no price of this stack in eu-central-1"):
        refreshed(offers("us-east-1"), "eu-central-1", SHIPPED)


def broken(change: Callable[[dict[str, Any]], None]) -> list[dict[str, Any]]:
    """The files of us-east-1 with a change in that of API Gateway."""
    found = offers("us-east-1")
    change(found[0])
    return found


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda offer: offer["terms"].clear(), "no readable price"),
        (lambda offer: offer["terms"]["OnDemand"]["SKU00"].update(second={}), "no readable price"),
        (lambda offer: offer.update(publicationDate="soon"), "no publicationDate"),
        (
            lambda offer: offer["terms"]["OnDemand"]["SKU00"]["SKU00.JRTCKXETXF"]["priceDimensions"][
                "SKU00.JRTCKXETXF.0"
            ].update(pricePerUnit={"CNY": "1"}),
            "no readable price",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(change: Callable[[dict[str, Any]], None], reason: str) -> None:
    with pytest.raises(Unusable, match=reason):
        refreshed(broken(change), "us-east-1", SHIPPED)


def test_two_products_of_a_usage_type_are_not_found_and_the_others_are() -> None:
    def add(offer: dict[str, Any]) -> None:
        offer["products"]["X"] = offer["products"]["SKU00"]

    found = refreshed(broken(add), "us-east-1", SHIPPED)
    assert (
        found.not_found["websocket_messages"] == "2 products with the usage type ApiGatewayMessage: SKU00, X"
    )
    assert "websocket_connection_minutes" in found.card.rates


def test_two_products_of_one_price_are_that_price() -> None:
    def add(offer: dict[str, Any]) -> None:
        offer["products"]["X"] = offer["products"]["SKU00"]
        offer["terms"]["OnDemand"]["X"] = offer["terms"]["OnDemand"]["SKU00"]

    assert refreshed(broken(add), "us-east-1", SHIPPED).card.rates["websocket_messages"].sku == "SKU00"


@pytest.mark.parametrize("data", [b"<html>", b"[]", b'{"products": {}}', b"[" * 100_000])
def test_what_is_no_price_list_file_is_refused(data: bytes) -> None:
    with pytest.raises(Unusable, match="not a price list file"):
        read_offer(data, "AWSLambda.json")


def test_a_region_without_prices_is_not_found() -> None:
    with pytest.raises(Missing, match="prices of sa-east-1 are not known"):
        aws_card(region="sa-east-1")


def test_a_refreshed_region_is_listed_shown_compared_and_used(state: Path, capsys: Capture) -> None:
    files = folder(state / "files", "ap-northeast-2")
    assert main(["cost", "rates", "refresh", "ap-northeast-2", "--from", files]) == 0
    assert "chime_audio (no product with the attendee-minute)" in capsys.readouterr().err

    assert main(["cost", "rates", "list", "--json"]) == 0
    rows = {row["region"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(rows) == {"us-east-1", "ap-northeast-2"}

    assert main(["cost", "rates", "diff", "us-east-1", "ap-northeast-2", "--json"]) == 0
    changed = {row["rate"] for row in json.loads(capsys.readouterr().out)}
    assert changed == {"websocket_messages", "chime_audio", "chime_video", "dashboards", "logs_live_tail"}

    assert main(["cost", "rates", "show", "--price-region", "ap-northeast-2", "--json"]) == 0
    shown = {row["rate"]: row for row in json.loads(capsys.readouterr().out)}
    assert (shown["lambda_requests"]["sku"], shown["lambda_requests"]["offer_version"]) == (
        "SKU03",
        "20260930120000",
    )

    priced = [
        "cost",
        "estimate",
        "--region",
        "ap-northeast-2",
        "--messages",
        "1.1B",
        "--json",
        "--no-free-tier",
    ]
    assert main(priced) == 0
    lines = {line["rate"]: line for line in json.loads(capsys.readouterr().out)["lines"]}
    assert Decimal(lines["websocket_messages"]["charges"]["AWS"]["charge"]["cost"]) == 1234
    assert lines["chime_audio"]["charges"]["AWS"]["state"] == "not found"


def test_an_estimate_for_a_region_without_prices_fails_and_says_what_to_run(capsys: Capture) -> None:
    assert main(["cost", "estimate", "--region", "sa-east-1", "--messages", "1", "--json"]) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "not_found"
    assert "cost rates refresh sa-east-1" in error["hint"]


def test_prices_of_another_region_are_used_only_on_request(capsys: Capture) -> None:
    given = ["cost", "estimate", "--region", "sa-east-1", "--price-region", "us-east-1", "--messages", "1"]
    assert main(given) == 0
    assert "the stack is in sa-east-1" in capsys.readouterr().out.replace("\n", " ")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["../etc", "--from", "."], 2),
        (["us-east-1", "--from", "."], 1),
        (["us-east-1", "--from", "absent"], 1),
    ],
)
def test_a_refresh_without_a_region_or_files_is_refused(
    arguments: list[str], code: int, capsys: Capture
) -> None:
    assert main(["cost", "rates", "refresh", *arguments]) == code
    assert "Error: " in capsys.readouterr().err
