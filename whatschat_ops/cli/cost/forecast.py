"""`cost forecast`: what the next days cost."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from whatschat_ops.cli.cost.bills import ApiIdOption, BillOption
from whatschat_ops.cli.cost.options import PriceRegionOption, RatesOption
from whatschat_ops.cli.run import Run

if TYPE_CHECKING:
    from datetime import date

    from whatschat_ops.cli.terminal.tables import Blocks
    from whatschat_ops.usage.forecast import Forecast


def forecast(
    run: Run,
    bill: BillOption,
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

    Example: whatschat-ops cost forecast --bill s3://my-exports/cur2/ --days 30
    """
    from whatschat_ops.cli.cost.bills import bill_at
    from whatschat_ops.cli.cost.facts import stack_facts
    from whatschat_ops.pricing.rates import aws_card
    from whatschat_ops.usage.forecast import forecast as make_forecast
    from whatschat_ops.usage.reconcile import is_of_stack

    card = aws_card(rates, price_region or stack_facts(run.settings).region)
    found = bill_at(run, bill, api_id)
    costs: dict[date, Decimal] = {}
    for line in found.lines:
        if line.day is not None and is_of_stack(line, card):
            costs[line.day] = costs.get(line.day, Decimal(0)) + line.cost
    late = [day for day in found.not_final(datetime.now(UTC)) if day in costs]
    run.out.result(make_forecast(costs, days, level, late), render)


def render(found: Forecast) -> Blocks:
    """A line for each day, the sum, and how far the interval is to be trusted."""
    from whatschat_ops.cli.cost.estimate_table import signed
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
    table = Table([Column("Day (UTC)"), *heads], [*rows, [Styled(cell, "bold") for cell in total]])
    return Blocks([table, "", *(f"- {note}" for note in notes)])
