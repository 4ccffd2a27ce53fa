"""`cost forecast`: what the next days cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Final

import typer

from whatschat_ops.cli.cost.bills import ApiIdOption
from whatschat_ops.cli.cost.options import PriceRegionOption, RatesOption
from whatschat_ops.cli.run import Run

if TYPE_CHECKING:
    from datetime import date

    from whatschat_ops.cli.terminal.tables import Blocks
    from whatschat_ops.pricing.rates import RateCard
    from whatschat_ops.usage.bills.bill import Bill
    from whatschat_ops.usage.forecast import Forecast
    from whatschat_ops.usage.measured import Finding, Source


MEASURED_DAYS: Final = 62
"""Of which CloudWatch has values of five minutes, so that each day is measured as `cost actual` does."""


def forecast(
    run: Run,
    bill: Annotated[
        str | None,
        typer.Option("--bill", metavar="PATH", help="A bill with the history: what `cost reconcile` reads"),
    ] = None,
    from_: Annotated[
        list[str],
        typer.Option(
            "--from", metavar="SOURCE", help="Measure the history: what `cost actual` reads; repeat for more"
        ),
    ] = [],  # noqa: B006 (Typer reads it)
    days: Annotated[int, typer.Option("--days", min=1, max=92, help="Days to forecast")] = 30,
    level: Annotated[
        int, typer.Option("--level", min=50, max=90, metavar="PERCENT", help="Probability of the interval")
    ] = 80,
    api_id: ApiIdOption = None,
    rates: RatesOption = None,
    price_region: PriceRegionOption = None,
) -> None:
    """Forecast the cost of the next days.

    Takes the daily cost of the stack's usage from a bill, leaves out the days that are less than 48 hours old, and follows the days
    of the week and the trend. Each day has an interval; the output says how often such intervals held in the past. It needs 49 days.

    With --from, the history are the last 62 days as `cost actual` measures each of them, at list prices without free units.

    Example: whatschat-ops cost forecast --bill s3://my-exports/cur2/ --days 30
    """
    from dataclasses import replace

    from whatschat_ops.cli.cost.actual import sources_of
    from whatschat_ops.cli.cost.bills import bill_at
    from whatschat_ops.cli.cost.facts import stack_facts
    from whatschat_ops.errors import UsageError
    from whatschat_ops.pricing.rates import aws_card
    from whatschat_ops.usage.forecast import forecast as make_forecast

    if bool(bill) == bool(from_):
        raise UsageError("Give either --bill or --from: the history comes from one of them.")
    card, now = aws_card(rates, price_region or stack_facts(run.settings).region), datetime.now(UTC)
    if bill:
        found = bill_at(run, bill, api_id)
        costs, rejects, handled = _billed(found, card), found.rejects, found.handled
        late = [day for day in found.not_final(now) if day in costs]
    else:
        costs, rejects = _measured(run, sources_of(from_), card, now)
        handled, late = (), []
    result = make_forecast(costs, days, level, late)
    run.out.result(replace(result, rejects=rejects, handled=handled), render)


def _billed(found: Bill, card: RateCard) -> dict[date, Decimal]:
    """Dollars of each day of the bill."""
    from whatschat_ops.usage.reconcile import is_of_stack

    costs: dict[date, Decimal] = {}
    for line in found.lines:
        if line.day is not None and is_of_stack(line, card):
            costs[line.day] = costs.get(line.day, Decimal(0)) + line.cost
    return costs


def _measured(
    run: Run, asked: Mapping[Source, Sequence[str]], card: RateCard, now: datetime
) -> tuple[dict[date, Decimal], tuple[Finding, ...]]:
    """Dollars of each whole day from the first one with usage: the lower bounds, without free units. And what was rejected.

    Files are read once for each day and have the same rejects each time: those of the day with most of them count.
    """
    from whatschat_ops.cli.cost.actual import measured_by
    from whatschat_ops.cli.cost.facts import stack_facts
    from whatschat_ops.pricing.pricing import FreeTiers
    from whatschat_ops.usage.actual import actual
    from whatschat_ops.usage.window import usage_window

    today = datetime.combine(now.date(), time(), UTC)
    facts = stack_facts(run.settings)
    costs: dict[date, Decimal] = {}
    rejects: dict[tuple[str, str], Finding] = {}
    for number in range(MEASURED_DAYS, 0, -1):
        since = today - timedelta(days=number)
        window = usage_window(now, since, since + timedelta(days=1), of_metrics="cloudwatch" in asked)
        sources = measured_by(run, asked, window, now)
        for source in sources:
            for each in source.rejects:
                known = rejects.get((source.source, each.reason), each)
                rejects[source.source, each.reason] = max(known, each, key=lambda finding: finding.count)
        found = actual(sources, facts, [card], FreeTiers.NONE)
        total = next(iter(found.totals.values()))
        if costs or (total is not None and total.high):
            costs[since.date()] = total.low if total is not None else Decimal(0)
    return costs, tuple(rejects.values())


def render(found: Forecast) -> Blocks:
    """A line for each day, the sum, and how far the interval is to be trusted."""
    from whatschat_ops.cli.cost.estimate_table import signed
    from whatschat_ops.cli.cost.reconciliation_table import notes_of_findings
    from whatschat_ops.cli.terminal.lines import Styled
    from whatschat_ops.cli.terminal.tables import Blocks, Column, Table, figures
    from whatschat_ops.pricing.amounts import show_money

    rows = [
        [f"{each.day:%a} {each.day}", show_money(each.cost), show_money(each.low), show_money(each.high)]
        for each in found.days
    ]
    total = ("Total", show_money(found.total), show_money(found.low), show_money(found.high))
    heads = figures("Forecast", "At least", "At most")
    tested, first, last = found.coverage, *found.history
    notes = [
        f"{found.level_percent} % interval, covered {tested.percent} % of {tested.days} days back.",
        f"History: {found.history_days} days, {first} to {last}, {show_money(found.history_cost)}; trend {signed(found.trend_a_week)} a week.",
        "The limits of the total are sums of the days' limits: it stays within them more often than a day does.",
    ]
    if found.left_out:
        notes.append(f"Left out, less than 48 hours old: {', '.join(map(str, found.left_out))}.")
    if found.filled:
        notes.append(f"Days without a row in the bill, taken as $0.00: {found.filled}.")
    notes += notes_of_findings(found.rejects, found.handled)
    table = Table([Column("Day (UTC)"), *heads], [*rows, [Styled(cell, "bold") for cell in total]])
    return Blocks([table, "", *(f"- {note}" for note in notes)])
