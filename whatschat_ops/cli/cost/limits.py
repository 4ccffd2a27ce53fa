"""`--fail-over`: a command of `cost` that fails when it costs too much, for CI."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NoReturn

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


@dataclass(frozen=True, slots=True)
class Limited:
    """A cost that a limit counts for. Without `complete` it is a sum from which lines without a price are missing."""

    cost: Decimal | None
    complete: bool


def fail_if_over(run: Run, limit: Decimal | None, costs: Mapping[str, Limited]) -> None:
    """Exit with code 3 if one of the costs (each with what it is) is over the limit, in dollars.

    A limit is not kept where a cost is not known, or not all of it. Raises UsageError then, ChecksFailed.
    """
    from whatschat_ops.errors import UsageError
    from whatschat_ops.pricing.amounts import show_money

    if limit is None:
        return
    known = {what: each for what, each in costs.items() if each.cost is not None}
    if not known:
        raise UsageError("--fail-over needs a cost, and none is known.", hint="Give the usage of a month.")
    above = {what: each.cost for what, each in known.items() if each.cost is not None and each.cost > limit}
    if above:
        _fail(run, limit, above)
    partial = [what for what, each in known.items() if not each.complete]
    if partial:
        raise UsageError(
            f"Whether a month costs more than {show_money(limit)} is not known: prices are missing ({', '.join(partial)}).",
            hint="The notes name the lines without a price. Add them to the card, or choose another with --card.",
        )


def _fail(run: Run, limit: Decimal, above: Mapping[str, Decimal]) -> NoReturn:
    from whatschat_ops.errors import ChecksFailed
    from whatschat_ops.pricing.amounts import show_money, show_price

    if run.out.as_json:
        raise typer.Exit(ChecksFailed.exit_code)
    same_cents = any(show_money(cost) == show_money(limit) for cost in above.values())
    show = show_price if same_cents else show_money
    over = ", ".join(f"{show(cost)} ({what})" for what, cost in above.items())
    raise ChecksFailed(
        f"A month costs {over}: over the limit of {show(limit)}.",
        hint="The lines above show for what.",
    )
