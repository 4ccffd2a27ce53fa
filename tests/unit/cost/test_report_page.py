"""The page of `cost report`: complete without scripts, and its script's arithmetic is that of the estimate."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
from collections.abc import Mapping
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pytest

from whatschat_ops.cost.estimate import estimate
from whatschat_ops.cost.quantities import DistributedFacts, StackFacts
from whatschat_ops.cost.report.model import Position, Scenario
from whatschat_ops.cost.report.page import SCRIPT, CostPage
from whatschat_ops.cost.report.phases import phases
from whatschat_ops.cost.usage import load_usage
from whatschat_ops.pricing.pricing import FreeTiers
from whatschat_ops.pricing.rates import aws_card, guide_card

CHROMIUM: Final = shutil.which("chromium")
STACK: Final = StackFacts(
    "us-east-1", 256, "arm64", 14, point_in_time_recovery=True, distributed=DistributedFacts(4, 1_000, 512)
)
FLAGS: Final = {
    "websocket.messages": "10M",
    "websocket.users": "1000",
    "websocket.hours_per_day": "8",
    "websocket.message_sizes": [{"kb": "1", "percent": "90"}, {"kb": "40", "percent": "10"}],
    "chime.meetings": "5000",
    "chime.attendees": "3",
    "chime.minutes": "12",
    "chime.video_percent": "40",
    "broadcasts.count": "4",
    "broadcasts.connections": "5000",
    "operations.commands": "100",
}
HALF: Final = Decimal("0.5")


def scenario(
    changes: Mapping[str, Any] = MappingProxyType({}), free_tiers: FreeTiers = FreeTiers.ALWAYS
) -> Scenario:
    flags = {key: value for key, value in {**FLAGS, **changes}.items() if value is not None}
    usage = load_usage(None, {key: (f"--{key}", value) for key, value in flags.items()})
    return Scenario(usage, STACK, [guide_card(), aws_card()], free_tiers)


def html_of(chosen: Scenario) -> str:
    return CostPage(chosen, phases(HALF, HALF), "whatschat-ops cost report <b>").html()


class Parsed(HTMLParser):
    """The elements of a page: ids, and what is loaded from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.labelled: list[str] = []
        self.fields: list[dict[str, str | None]] = []
        self.loaded: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if found.get("id"):
            self.ids.append(str(found["id"]))
        if tag == "label":
            self.labelled.append(str(found.get("for")))
        if tag == "input":
            self.fields.append(found)
        self.loaded += [str(found[name]) for name in ("src", "href", "srcset") if found.get(name)]


def test_page_loads_nothing_and_every_id_is_there_once() -> None:
    parsed = Parsed(html_of(scenario()))
    assert parsed.loaded == []
    assert len(set(parsed.ids)) == len(parsed.ids)


def test_every_field_has_a_label() -> None:
    parsed = Parsed(html_of(scenario()))
    assert len(parsed.fields) == 6
    for found in parsed.fields:
        assert found["id"] in parsed.labelled or found.get("aria-label")


def test_page_has_the_bill_the_phases_and_the_sources_without_its_script() -> None:
    chosen = scenario()
    page = re.sub(r"<script.*?</script>", "", html_of(chosen), flags=re.S)
    month = estimate(chosen.usage, chosen.stack, chosen.cards, free_tiers=chosen.free_tiers)
    for line in month.lines:
        assert line.name.replace("'", "&#x27;") in page
    for words in ("1: Chime for new calls", "4: API Gateway for all connections", "Every line of the bill"):
        assert words in page
    for rate in aws_card().rates.values():
        assert rate.source in page
    assert "whatschat-ops cost report &lt;b&gt;" in page


def test_service_that_a_card_does_not_price_has_no_amount_on_it() -> None:
    html = html_of(scenario())
    amounts = dict(re.findall(r'id="amount-(\d-\d)"[^>]*>([^<]*)<', html))
    services = json.loads(re.findall(r'id="model">(.*?)</script>', html, re.S)[0])["services"]
    assert amounts[f"0-{services.index('Lambda')}"] == "–"  # the guide has no price of it
    assert amounts[f"1-{services.index('Lambda')}"].startswith("$")


def test_usage_without_messages_has_no_sliders_and_no_script() -> None:
    page = html_of(scenario({name: None for name in FLAGS if not name.startswith("chime")}))
    assert "<script" not in page and 'id="controls"' not in page
    assert "no sliders" in page


def test_next_tier_of_messages_is_that_of_the_price_list() -> None:
    chosen = scenario({"websocket.message_sizes": None})
    assert [at for at, _ in chosen.edges()] == [Decimal(1_000_000_000)]


def test_last_phase_costs_what_the_month_costs_and_the_first_only_its_calls() -> None:
    chosen = scenario()
    first, *_, last = phases(HALF, HALF)
    assert last.of(chosen.usage) == chosen.usage
    lines = estimate(first.of(chosen.usage), STACK, chosen.cards).lines
    paid = {line.service for line in lines if line.charges["AWS"].cost}
    assert paid == {"Chime SDK", "DynamoDB"}  # the ledger of meetings
    audio = next(line for line in lines if line.rate == "chime_audio")
    assert audio.quantity == Decimal(5000 * 3 * 12) * HALF * Decimal("0.6")


def positions() -> list[Position]:
    chosen = random.Random("sliders")
    found = [Position(Decimal(0), Decimal(0), Decimal(0)), Position(Decimal(1), Decimal(1), Decimal(2))]
    for _ in range(60):
        users, messages = (Decimal(round(10 ** chosen.uniform(0, most))) for most in (6, 10))
        found.append(Position(users, messages, Decimal(chosen.randrange(0, 400)) / 20))
    return found


MODELS: Final = {
    "with users": scenario(),
    "without free tiers": scenario(free_tiers=FreeTiers.NONE),
    "first year": scenario(free_tiers=FreeTiers.FIRST_YEAR),
    "minutes instead of users": scenario(
        {
            "websocket.users": None,
            "websocket.hours_per_day": None,
            "websocket.connection_minutes": "5000000",
        }
    ),
    "given invocations": scenario({"lambda.requests": "7M", "logs.ingested_gb": "3"}),
}


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_script_adds_up_to_what_the_estimate_says(tmp_path: Path) -> None:
    moved = positions()
    samples = [[float(p.users), float(p.messages), float(p.fan_out)] for p in moved]
    data = json.dumps({name: chosen.document() for name, chosen in MODELS.items()})
    harness = (
        f"<body><script>{SCRIPT.read_text()}</script><script>const models = {data}, samples = {json.dumps(samples)};"
        "document.body.textContent = JSON.stringify(Object.values(models).map((model) => model.cards.map((card) =>"
        "samples.map((each) => costsOf(card, ...each)))));</script></body>"
    )
    computed = json.loads(text_of(dump(tmp_path, harness)))
    for chosen, cards in zip(MODELS.values(), computed, strict=True):
        for number, position in enumerate(moved):
            month = chosen.at(position)
            for name, lines in zip(month.totals, cards, strict=True):
                expected = [line.charges[name].cost for line in month.lines]
                for line, cost, right in zip(month.lines, lines[number], expected, strict=True):
                    assert (cost is None) == (right is None), line.name
                    if right is not None:
                        assert cost == pytest.approx(float(right), rel=1e-7, abs=2e-5), (position, line.name)


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_moved_sliders_change_the_page(tmp_path: Path) -> None:
    chosen = scenario()
    page = dump(tmp_path, html_of(chosen), "#users=20000&messages=2000000000&fan-out=9")
    moved = chosen.at(Position(Decimal(20_000), Decimal(2_000_000_000), Decimal(9)))
    for number, total in enumerate(moved.totals.values()):
        exact = re.search(rf'id="total-{number}" data-exact="([0-9.]+)">([^<]*)<', page)
        assert exact is not None
        assert float(exact[1]) == pytest.approx(float(total.cost or 0), rel=1e-7)
        assert exact[2] == f"${total.cost:,.2f}"
    assert '<form class="controls" id="controls" aria-label="Usage of a month">' in page  # no longer hidden


def dump(directory: Path, html: str, fragment: str = "") -> str:
    """The page as Chromium has it when its script has run."""
    file = directory / "page.html"
    file.write_text(html, encoding="utf-8")
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={directory / 'profile'}",
        "--dump-dom", f"{file.as_uri()}{fragment}",
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=170).stdout


def text_of(html: str) -> str:
    found = re.search(r"<body[^>]*>(.*)</body>", html, flags=re.S)
    assert found is not None
    return found[1]
