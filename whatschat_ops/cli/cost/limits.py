"""`--fail-over`: a command of `cost` that fails when it costs too much, for CI."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import typer

from whatschat_ops.cli.run import Run


def fail_if_over(run: Run, fail_over: str | None, costs: Mapping[str, Decimal | None]) -> None:
    """Exit with code 3 if one of the costs (each with what it is) is over the limit. Raises UsageError, ChecksFailed."""
    from whatschat_ops.errors import ChecksFailed, UsageError
    from whatschat_ops.pricing.amounts import Amount, show_money

    if fail_over is None:
        return
    try:
        limit = Amount.parse(fail_over.removeprefix("$"))
    except ValueError as error:
        raise UsageError(f"--fail-over {error}.") from error
    over = [
        f"{show_money(cost)} ({what})" for what, cost in costs.items() if cost is not None and cost > limit
    ]
    if not over:
        return
    if run.out.as_json:
        raise typer.Exit(ChecksFailed.exit_code)
    raise ChecksFailed(
        f"A month costs {', '.join(over)}: over the limit of {show_money(limit)}.",
        hint="The lines above show for what.",
    )
