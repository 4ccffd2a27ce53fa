"""The page of a month's cost. Readable without scripts; with them, three sliders move it. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from html import escape
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from whatschat_ops import __version__
from whatschat_ops.cost.estimate import estimate, names_of
from whatschat_ops.cost.report.model import Position, Scenario
from whatschat_ops.cost.report.phases import Phase
from whatschat_ops.cost.result import Estimate, Line, OnCard
from whatschat_ops.pricing.amounts import show_amount, show_money, show_price
from whatschat_ops.pricing.pricing import ZERO
from whatschat_ops.pricing.rates import RateCard
from whatschat_ops.report.moving_charts import LAYOUT, Bar, bars, curve, nice
from whatschat_ops.report.page import document, table

SCRIPT: Final = Path(__file__).with_name("page.js")
POINTS: Final = 24
"""Of the curve; its table has every sixth."""
IN_TABLE: Final = 6

_STYLE: Final = """
.controls { display: grid; gap: 10px 20px; grid-template-columns: repeat(auto-fit, minmax(240px, 1fr)); margin: 20px 0; background: var(--card); border-radius: 8px; padding: 14px; }
.controls[hidden] { display: none; } label { display: block; font-weight: 600; } input { font: inherit; color: inherit; background: var(--ground); border: 1px solid var(--soft); border-radius: 4px; padding: 2px 6px; width: 100%; }
input[type=range] { padding: 0; accent-color: var(--c1); } td.wide { white-space: normal; text-align: left; overflow-wrap: anywhere; min-width: 220px; }
.edge { stroke: var(--warn); stroke-width: 1; stroke-dasharray: 4 3; } .amount { fill: var(--ink); } ul { padding-left: 20px; }
details { margin-top: 8px; } summary { cursor: pointer; color: var(--soft); }
@media print { :root { color-scheme: light; --ground: #ffffff; --card: #ffffff; --ink: #000000; --soft: #444444; --grid: #bbbbbb; --c1: #0b63c5; --c2: #b45309; --c3: #a0247a; --c4: #0f766e; }
  body { max-width: none; padding: 0; } .controls { display: none; } figure, tr { break-inside: avoid; } details { display: block; } }
"""


class CostPage(Struct, frozen=True):
    """What the page shows. `command` is the command line that made it."""

    scenario: Scenario
    phases: Sequence[Phase]
    command: str

    def html(self) -> str:
        """The whole file."""
        month = estimate(
            self.scenario.usage, self.scenario.stack, self.scenario.cards, free_tiers=self.scenario.free_tiers
        )
        position = self.scenario.position
        body = [*_heading(month, self.command), *_sliders(self.scenario, position), *_services(month)]
        if position is not None:
            body += _curve(self.scenario, position)
        body += [*_phases(self.scenario, self.phases), *_notes(month), *_sources(self.scenario.cards)]
        if position is not None:
            body.append(_model(self.scenario, position, month))
        script = SCRIPT.read_text(encoding="utf-8") if position is not None else ""
        return document(f"Cost of a month: {_total_words(month)}", body, style=_STYLE, script=script)


def _heading(month: Estimate, command: str) -> Iterator[str]:
    cards = "; ".join(f"{card.name}: {card.title}, {card.region}, {card.as_of}" for card in month.cards)
    yield (
        f'<h1>Cost of a month</h1><p class="soft">whatschat-ops {escape(__version__)} · US dollars, without taxes · '
        f"free tiers: {escape(month.free_tiers.replace('_', ' '))} · {escape(cards)}</p>"
        f"<p><code>{escape(command)}</code></p>"
    )
    cells = "".join(
        f'<div><b id="total-{number}">{escape(_money(month.totals[card.name].cost))}</b>{escape(card.name)}, a month</div>'
        for number, card in enumerate(month.cards)
    )
    yield f'<div class="figures" aria-live="polite">{cells}</div>'


def _total_words(month: Estimate) -> str:
    return ", ".join(f"{_money(month.totals[card.name].cost)} ({card.name})" for card in month.cards)


def _sliders(scenario: Scenario, position: Position | None) -> Iterator[str]:
    if position is None:
        yield '<p class="soft">No messages are given: the page has no sliders.</p>'
        return
    yield "<noscript><p>The sliders need JavaScript. Everything else is here without it.</p></noscript>"
    yield '<form class="controls" id="controls" hidden aria-label="Usage of a month">'
    if scenario.has_users:
        yield _slider("users", "Users", position.users, most=max(position.users * 100, Decimal(100_000)))
    yield _slider("messages", "Messages a month", position.messages, most=Decimal(10_000_000_000))
    yield (
        '<div><label for="fan-out">Messages to clients for each from a client</label>'
        f'<input id="fan-out" type="number" min="0" step="any" value="{position.fan_out:f}">'
        f'<input id="fan-out-slider" type="range" min="0" max="50" step="0.5" value="{position.fan_out:f}" aria-label="Fan-out, slider"></div>'
    )
    yield "</form>"


def _slider(name: str, label: str, value: Decimal, *, most: Decimal) -> str:
    """Logarithmic; the field beside it takes any number."""
    logarithm = math.log10(max(1.0, float(value)))
    return (
        f'<div><label for="{name}">{escape(label)}</label>'
        f'<input id="{name}" type="number" min="0" step="any" value="{value:f}">'
        f'<input id="{name}-slider" type="range" data-scale="log" min="0" max="{math.log10(float(most)):.4f}" step="0.01" '
        f'value="{logarithm:.4f}" aria-label="{escape(label)}, slider"></div>'
    )


def services_of(month: Estimate) -> list[str]:
    """The services that have a cost somewhere, in the order of the bill."""
    return list(
        dict.fromkeys(
            line.service for line in month.lines if any(on.charge is not None for on in line.charges.values())
        )
    )


def _services(month: Estimate) -> Iterator[str]:
    names = list(month.totals)
    drawn = [_bar(service, [_sum(month, name, service) for name in names]) for service in services_of(month)]
    yield f'<h2>By service</h2><div class="charts">{bars("Cost of each service", names, drawn)}</div>'
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in ("Line", "Quantity", *names))
    known, unknown = (
        "".join(
            _row(number, line, names)
            for number, line in enumerate(month.lines)
            if (line.quantity is not None) is wanted
        )
        for wanted in (True, False)
    )
    sums = "".join(
        f'<td><b id="sum-{number}">{escape(_money(month.totals[name].cost))}</b></td>'
        for number, name in enumerate(names)
    )
    yield (
        f'<div class="scroll"><table><caption>Every line of the bill</caption><thead><tr>{head}</tr></thead>'
        f'<tbody>{known}<tr><th scope="row"><b>Total</b></th><td></td>{sums}</tr></tbody></table></div>'
    )
    if unknown:
        yield (
            "<details><summary>Lines that are in no total: their usage is not given</summary>"
            f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{unknown}</tbody></table></div></details>'
        )


def _row(number: int, line: Line, names: Sequence[str]) -> str:
    quantity = "" if line.quantity is None else show_amount(line.quantity)
    cells = "".join(
        f'<td id="cost-{card}-{number}">{escape(_cost(line.charges[name]))}</td>'
        for card, name in enumerate(names)
    )
    basis = f'<br><span class="soft">{escape(line.basis)}</span>' if line.basis else ""
    return f'<tr><th scope="row">{escape(line.name)}{basis}</th><td id="quantity-{number}">{quantity}</td>{cells}</tr>'


def _cost(on: OnCard) -> str:
    return on.state.value if on.cost is None else show_money(on.cost)


def _bar(label: str, costs: Sequence[Decimal | None]) -> Bar:
    words = ["–" if cost is None else show_money(cost) for cost in costs]
    return Bar(label, [cost or ZERO for cost in costs], words)


def _curve(scenario: Scenario, position: Position) -> Iterator[str]:
    names, edges = names_of(scenario.cards), scenario.edges()
    end = _end(position, edges)
    at = [end * place / POINTS for place in range(POINTS + 1)]
    months = [scenario.at(Position(position.users, messages, position.fan_out)) for messages in at]
    costs = {name: [month.totals[name].cost or ZERO for month in months] for name in names}
    here = scenario.at(position)
    above = next(((messages, what) for messages, what in edges if messages > position.messages), None)
    yield "<h2>When there are more messages</h2>"
    if above is not None:
        yield f"<p>Next tier of messages at {above[0]:,f} a month ({escape(above[1])}).</p>"
    drawn = curve(
        "Cost of a month by messages",
        at,
        costs,
        here=(position.messages, {name: here.totals[name].cost or ZERO for name in names}),
        edges=[messages for messages, _ in edges],
    )
    yield f'<div class="charts">{drawn}</div>'
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in ("Messages", *names))
    rows = "".join(
        f'<tr><th scope="row" data-point="{place}">{show_amount(at[place])}</th>'
        + "".join(
            f'<td id="point-{card}-{place}">{escape(show_money(costs[name][place]))}</td>'
            for card, name in enumerate(names)
        )
        + "</tr>"
        for place in range(0, POINTS + 1, IN_TABLE)
    )
    yield (
        '<div class="scroll"><table><caption>The same as a table</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _end(position: Position, edges: Sequence[tuple[Decimal, str]]) -> Decimal:
    """Where the curve ends: behind the next tier, and at twice the messages at least."""
    above = next((messages for messages, _ in edges if messages > position.messages), Decimal(0))
    return Decimal(nice(float(max(position.messages * 2, above * Decimal("1.1")))))


def _phases(scenario: Scenario, phases: Sequence[Phase]) -> Iterator[str]:
    names = names_of(scenario.cards)
    months = [
        estimate(phase.of(scenario.usage), scenario.stack, scenario.cards, free_tiers=scenario.free_tiers)
        for phase in phases
    ]
    drawn = [
        _bar(phase.name, [month.totals[name].cost or ZERO for name in names])
        for phase, month in zip(phases, months, strict=True)
    ]
    yield f'<h2>Migration, phase by phase</h2><div class="charts">{bars("Cost of a month in each phase", names, drawn, moves=False)}</div>'
    rows = [
        (phase.name, f"{phase.calls:.0%}", f"{phase.sockets:.0%}", *map(show_money, bar.values))
        for phase, bar in zip(phases, drawn, strict=True)
    ]
    head = ("Phase", "Calls on Chime", "Sockets on API Gateway", *names)
    yield table(
        head, rows, caption="At the usage given on the command line; what runs elsewhere is not priced"
    )


def _notes(month: Estimate) -> Iterator[str]:
    if month.notes:
        yield f"<h2>Notes</h2><ul>{''.join(f'<li>{escape(note)}</li>' for note in month.notes)}</ul>"
    rows = [(f"{each.service}, {each.item}", each.why) for each in month.not_included]
    yield f"<details><summary>Not included ({len(rows)})</summary>{table(('Item', 'Why'), rows)}</details>"


def _sources(cards: Sequence[RateCard]) -> Iterator[str]:
    yield "<h2>Prices</h2>"
    for name, card in zip(names_of(cards), cards, strict=True):
        rows = "".join(
            f'<tr><th scope="row">{escape(key)}</th><td>{escape(_tiers(rate))}</td><td>{rate.as_of or card.as_of}</td>'
            f'<td class="wide">{escape(rate.source)}</td></tr>'
            for key, rate in card.rates.items()
        )
        head = "".join(f'<th scope="col">{cell}</th>' for cell in ("Price", "US dollars", "As of", "Source"))
        caption = f"{name}: {card.title}, {card.region}, {card.as_of}"
        yield (
            f'<div class="scroll"><table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>'
            f"<tbody>{rows}</tbody></table></div>"
        )


def _tiers(rate: Any) -> str:
    per = "" if rate.per == 1 else f"{show_amount(rate.per)} × "
    prices = [
        show_price(tier.price) + ("" if tier.up_to is None else f" up to {show_amount(tier.up_to)}")
        for tier in rate.tiers
    ]
    return f"{', '.join(prices)} for {per}{rate.unit}"


def _model(scenario: Scenario, position: Position, month: Estimate) -> str:
    model: Mapping[str, Any] = {
        **scenario.document(),
        "services": services_of(month),
        "end": float(_end(position, scenario.edges())),
        "chart": {**LAYOUT, "points": POINTS},
    }
    data = json.dumps(model, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="model">{data}</script>'


def _sum(month: Estimate, name: str, service: str) -> Decimal | None:
    """What a card prices of a service; None if it prices nothing of it."""
    costs = [line.charges[name].cost for line in month.lines if line.service == service]
    known = [cost for cost in costs if cost is not None]
    return sum(known, ZERO) if known else None


def _money(cost: Decimal | None) -> str:
    return "needs usage" if cost is None else show_money(cost)
