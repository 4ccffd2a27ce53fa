"""`--fail-over`: a command of `cost` that fails when it costs too much, for CI."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import typer

from whatschat_ops.cli.run import Run


def parse_limit(fail_over: str | None) -> Decimal | None:
    """The dollars of `--fail-over`. Raises UsageError."""
    from whatschat_ops.errors import UsageError
    from whatschat_ops.pricing.amounts import Amount

    if fail_over is None:
        return None
    try:
        return Amount.parse(fail_over.removeprefix("$"))
    except ValueError as error:
        raise UsageError(f"--fail-over {error}.") from error


def fail_if_over(run: Run, limit: Decimal | None, costs: Mapping[str, Decimal | None]) -> None:
    """Exit with code 3 if one of the costs (each with what it is) is over the limit, in dollars.

    A limit is not kept where no cost is known. Raises UsageError then, ChecksFailed.
    """
    from whatschat_ops.errors import ChecksFailed, UsageError
    from whatschat_ops.pricing.amounts import show_money, show_price

    if limit is None:
        return
    if all(cost is None for cost in costs.values()):
        raise UsageError("--fail-over needs a cost, and none is known.", hint="Give the usage of a month.")
    above = {what: cost for what, cost in costs.items() if cost is not None and cost > limit}
    if not above:
        return
    if run.out.as_json:
        raise typer.Exit(ChecksFailed.exit_code)
    same_cents = any(show_money(cost) == show_money(limit) for cost in above.values())
    show = show_price if same_cents else show_money
    over = ", ".join(f"{show(cost)} ({what})" for what, cost in above.items())
    raise ChecksFailed(
        f"A month costs {over}: over the limit of {show(limit)}.",
        hint="The lines above show for what.",
    )
