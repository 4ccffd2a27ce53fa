"""`cost reconcile`: estimate, measured usage and bill side by side."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from whatschat_ops.choices import OutputFormat
from whatschat_ops.cli.cost.bills import ApiIdOption, BillOption
from whatschat_ops.cli.cost.formats import FormatOption, show
from whatschat_ops.cli.cost.group import free_tiers_of
from whatschat_ops.cli.cost.options import (
    FirstYearOption,
    NoFreeTierOption,
    PriceRegionOption,
    RatesOption,
    UsageFileOption,
)
from whatschat_ops.cli.run import Run


def reconcile(
    run: Run,
    bill: BillOption,
    month: Annotated[
        str | None,
        typer.Option("--month", metavar="YYYY-MM", help="Month of the bill [default: its last one]"),
    ] = None,
    usage: UsageFileOption = None,
    api_id: ApiIdOption = None,
    rates: RatesOption = None,
    price_region: PriceRegionOption = None,
    no_free_tier: NoFreeTierOption = False,
    first_year: FirstYearOption = False,
    output_format: FormatOption = OutputFormat.TABLE,
) -> None:
    """Compare estimate, measured usage and bill.

    Reads a Cost and Usage Report (CUR 2.0, or the legacy one), a FOCUS export, or the JSON that `aws ce get-cost-and-usage` prints
    when it groups by SERVICE and USAGE_TYPE. The gap is the bill minus the measured usage, or minus the estimate where nothing was
    measured. Rows of other services, Regions and stacks, credits, taxes and refunds are listed apart.

    Example: whatschat-ops cost reconcile --bill s3://my-exports/cur2/ --usage now.yaml
    """
    from whatschat_ops.cli.cost.bills import bill_at
    from whatschat_ops.cli.cost.facts import stack_facts
    from whatschat_ops.cli.cost.reconciliation_table import (
        exact_rows,
        notes_of_reconciliation,
        render_reconciliation,
        rows_of,
    )
    from whatschat_ops.cost.estimate import estimate
    from whatschat_ops.cost.usage import load_usage
    from whatschat_ops.pricing.rates import aws_card
    from whatschat_ops.usage.reconcile import reconcile as compare

    facts = stack_facts(run.settings)
    card, free_tiers = aws_card(rates, price_region or facts.region), free_tiers_of(no_free_tier, first_year)
    chosen = month_of(month)
    estimated = None
    if usage is not None:
        estimated = estimate(load_usage(usage, {}), facts, [card], free_tiers=free_tiers)
    found = compare(
        bill_at(run, bill, api_id),
        card,
        datetime.now(UTC),
        month=chosen,
        estimate=estimated,
        free_tiers=free_tiers,
    )
    show(run, found, output_format, render_reconciliation, rows_of, exact_rows, notes_of_reconciliation)


def month_of(text: str | None) -> str:
    """A month as it was typed; empty if it was not. Raises UsageError."""
    from whatschat_ops.errors import UsageError

    if text is None:
        return ""
    try:
        return f"{datetime.strptime(text, '%Y-%m').replace(tzinfo=UTC):%Y-%m}"
    except ValueError as error:
        raise UsageError(f"{text} is not a month such as 2026-11.") from error
