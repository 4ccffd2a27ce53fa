"""`cost reconcile`: estimate, measured usage and bill side by side."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from whatschat_ops.metrics.window import Window

MeasuredOption = Annotated[
    list[str],
    typer.Option(
        "--from",
        metavar="SOURCE",
        help="Measure the same days: cloudwatch, ledger, calls=PATH, logs, logs=PATH or logs=GROUP; repeat for more",
    ),
]


def reconcile(
    run: Run,
    bill: BillOption,
    month: Annotated[
        str | None,
        typer.Option("--month", metavar="YYYY-MM", help="Month of the bill [default: its last one]"),
    ] = None,
    usage: UsageFileOption = None,
    from_: MeasuredOption = [],  # noqa: B006 (Typer reads it)
    api_id: ApiIdOption = None,
    rates: RatesOption = None,
    price_region: PriceRegionOption = None,
    no_free_tier: NoFreeTierOption = False,
    first_year: FirstYearOption = False,
    output_format: FormatOption = OutputFormat.TABLE,
) -> None:
    """Compare estimate, measured usage and bill.

    Reads a Cost and Usage Report (CUR 2.0, or the legacy one), a FOCUS export, or the JSON that `aws ce get-cost-and-usage` prints
    when it groups by SERVICE and USAGE_TYPE. With --from, usage of the same days is measured as `cost actual` does. The gap is the bill minus the measured usage, or minus the estimate where nothing was
    measured. Rows of other services, Regions and stacks, credits, taxes and refunds are listed apart.

    Example: whatschat-ops cost reconcile --bill s3://my-exports/cur2/ --usage now.yaml --from logs
    """
    from whatschat_ops.cli.cost.actual import POLICY, measured_by, sources_of
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
    from whatschat_ops.errors import PartlyDone
    from whatschat_ops.pricing.rates import aws_card
    from whatschat_ops.usage.actual import narrowest
    from whatschat_ops.usage.reconcile import days_of, last_month
    from whatschat_ops.usage.reconcile import reconcile as compare

    facts, now = stack_facts(run.settings), datetime.now(UTC)
    card, free_tiers = aws_card(rates, price_region or facts.region), free_tiers_of(no_free_tier, first_year)
    asked, wanted = sources_of(from_) if from_ else {}, month_of(month)
    estimated = None
    if usage is not None:
        estimated = estimate(load_usage(usage, {}), facts, [card], free_tiers=free_tiers)
    read = bill_at(run, bill, api_id)
    chosen = wanted or last_month(read, now)
    days = days_of(read, card, chosen)
    measured = []
    if asked and days:
        measured = measured_by(run, asked, window_of_days(days, now, of_metrics="cloudwatch" in asked), now)
    found = compare(
        read, card, now, month=chosen, estimate=estimated, measured=narrowest(measured) if measured else None,
        sources=measured, free_tiers=free_tiers,
    )  # fmt: skip
    show(run, found, output_format, render_reconciliation, rows_of, exact_rows, notes_of_reconciliation)
    if refused := [operation for each in measured for operation in each.refused]:
        raise PartlyDone(f"IAM does not allow some of it: {', '.join(refused)}.", hint=POLICY)


def window_of_days(days: Sequence[date], now: datetime, *, of_metrics: bool) -> Window:
    """From the beginning of the first day to the end of the last one, or of this minute."""
    from whatschat_ops.usage.window import usage_window

    since = datetime.combine(days[0], time(), UTC)
    until = datetime.combine(days[-1], time(), UTC) + timedelta(days=1)
    return usage_window(now, since, min(until, now), of_metrics=of_metrics)


def month_of(text: str | None) -> str:
    """A month as it was typed; empty if it was not. Raises UsageError."""
    from whatschat_ops.errors import UsageError

    if text is None:
        return ""
    try:
        return f"{datetime.strptime(text, '%Y-%m').replace(tzinfo=UTC):%Y-%m}"
    except ValueError as error:
        raise UsageError(f"{text} is not a month such as 2026-11.") from error
