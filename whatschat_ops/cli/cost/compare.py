"""`cost compare`: what one month costs more than another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whatschat_ops.choices import OutputFormat
from whatschat_ops.cli.cost.formats import FormatOption, show
from whatschat_ops.cli.cost.group import free_tiers_of
from whatschat_ops.cli.cost.options import FirstYearOption, NoFreeTierOption, PriceRegionOption, RatesOption
from whatschat_ops.cli.run import Run


def compare(
    run: Run,
    first: Annotated[Path, typer.Argument(metavar="A", help="YAML file with the usage of a month")],
    second: Annotated[Path, typer.Argument(metavar="B", help="YAML file with another usage")],
    rates: RatesOption = None,
    price_region: PriceRegionOption = None,
    no_free_tier: NoFreeTierOption = False,
    first_year: FirstYearOption = False,
    fail_over: Annotated[
        str | None,
        typer.Option("--fail-over", metavar="USD", help="Exit with code 3 if B costs so much more than A"),
    ] = None,
    output_format: FormatOption = OutputFormat.TABLE,
) -> None:
    """Compare the cost of two months.

    Shows both usages line by line at AWS's list prices, and what B costs more. docs/cost.md lists the keys of a usage file.

    Example: whatschat-ops cost compare now.yaml next-year.yaml
    """
    from whatschat_ops.cli.cost.curve_table import (
        exact_comparison,
        notes_of_comparison,
        render_comparison,
        rows_of_comparison,
    )
    from whatschat_ops.cli.cost.facts import stack_facts
    from whatschat_ops.cli.cost.limits import Limited, fail_if_over, parse_limit
    from whatschat_ops.cost.compare import compare as compare_months
    from whatschat_ops.cost.estimate import estimate
    from whatschat_ops.cost.usage import load_usage
    from whatschat_ops.pricing.rates import aws_card

    limit = parse_limit(fail_over)
    facts = stack_facts(run.settings)
    region = price_region or facts.region
    card, free_tiers = [aws_card(rates, region)], free_tiers_of(no_free_tier, first_year)
    months = [estimate(load_usage(path, {}), facts, card, free_tiers=free_tiers) for path in (first, second)]
    result = compare_months(months[0], months[1], (first.stem, second.stem))
    show(
        run,
        result,
        output_format,
        render_comparison,
        rows_of_comparison,
        exact_comparison,
        notes_of_comparison,
    )
    more = Limited(result.difference, result.complete)
    fail_if_over(run, limit, {f"{second.stem}, more than {first.stem}": more})
