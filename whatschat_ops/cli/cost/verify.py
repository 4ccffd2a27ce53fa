"""`cost verify`: our prices beside those of AWS's own calculator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whatschat_ops.choices import RateType
from whatschat_ops.cli.audited import audited
from whatschat_ops.cli.cost.group import free_tiers_of
from whatschat_ops.cli.cost.options import (
    FirstYearOption,
    NoFreeTierOption,
    PriceRegionOption,
    RatesOption,
    RateTypeOption,
    RequiredUsageOption,
)
from whatschat_ops.cli.run import Run

if TYPE_CHECKING:
    from whatschat_ops.cli.terminal.tables import Blocks
    from whatschat_ops.usage.calculator import CalculatorLine, Verification


@audited(shows=("total", "aws_total"))
def verify(
    run: Run,
    usage: RequiredUsageOption,
    rate_type: RateTypeOption = RateType.BEFORE_DISCOUNTS,
    rates: RatesOption = None,
    price_region: PriceRegionOption = None,
    no_free_tier: NoFreeTierOption = False,
    first_year: FirstYearOption = False,
) -> None:
    """Compare the estimate with AWS's calculator.

    Sends the lines of an estimate to AWS's pricing calculator (bcm-pricing-calculator), shows its cost beside ours line by line, and
    deletes what it made there. Needs an account that may use it: `iam policies operator-cost`.

    Example: whatschat-ops cost verify --usage now.yaml
    """
    from whatschat_ops.cli.cost.facts import stack_facts
    from whatschat_ops.cli.target import is_embedded
    from whatschat_ops.cost.estimate import estimate
    from whatschat_ops.cost.usage import load_usage
    from whatschat_ops.errors import Blocked
    from whatschat_ops.pricing.rates import aws_card
    from whatschat_ops.usage.calculator import REGION, SERVICE
    from whatschat_ops.usage.calculator import verify as ask

    if is_embedded(run.settings):
        raise Blocked(
            "The embedded AWS has no pricing calculator: it knows no prices, so there is nothing to compare with.",
            hint="Select an environment of an account with -e.",
        )
    facts = stack_facts(run.settings)
    card, free_tiers = aws_card(rates, price_region or facts.region), free_tiers_of(no_free_tier, first_year)
    estimated = estimate(load_usage(usage, {}), facts, [card], free_tiers=free_tiers)
    client = run.aws.client(SERVICE, region=REGION)
    found = ask(
        client, run.aws.account_id, estimated, card, rate_type=rate_type.value.upper(), free_tiers=free_tiers
    )
    run.out.result(found, render)


def render(found: Verification) -> Blocks:
    """A line for each price, the totals, and the prices that were not sent."""
    from whatschat_ops.cli.cost.estimate_table import signed
    from whatschat_ops.cli.cost.reconciliation_table import NOT_SAID
    from whatschat_ops.cli.terminal.lines import Styled
    from whatschat_ops.cli.terminal.tables import Blocks, Column, Table, figures
    from whatschat_ops.pricing.amounts import show_money

    columns = [
        Column("Usage type"),
        *figures("Units", "Ours", "AWS", "Difference"),
        Column("Status", wraps=True),
    ]
    missing = NOT_SAID if found.aws_total is None else show_money(found.aws_total)
    gap = NOT_SAID if found.aws_total is None else signed(found.aws_total - found.total)
    total = [Styled(cell, "bold") for cell in ("Total", "", show_money(found.total), missing, gap, "")]
    notes = [
        f"AWS's rates: {found.rate_type}. Ours without free units: {show_money(found.list_total)}.",
        "The workload estimate was deleted.",
    ]
    if found.not_sent:
        notes.append(f"Not sent, their usage type is not known: {', '.join(found.not_sent)}.")
    return Blocks([Table(columns, [*map(_row, found.lines), total]), "", *(f"- {note}" for note in notes)])


def _row(line: CalculatorLine) -> list[str]:
    from whatschat_ops.cli.cost.estimate_table import signed
    from whatschat_ops.cli.cost.reconciliation_table import NOT_SAID
    from whatschat_ops.pricing.amounts import show_amount, show_money

    status = ": ".join(filter(None, (line.status, line.remark)))
    aws = NOT_SAID if line.aws_cost is None else show_money(line.aws_cost)
    gap = NOT_SAID if line.difference is None else signed(line.difference)
    return [line.usage_type, show_amount(line.units), show_money(line.cost), aws, gap, status]
