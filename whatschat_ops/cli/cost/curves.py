"""Ranges in the options of `cost estimate`: `--users 10k..1M`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from whatschat_ops.choices import OutputFormat
from whatschat_ops.cli.run import Run

if TYPE_CHECKING:
    from whatschat_ops.cost.result import Estimate
    from whatschat_ops.pricing.rates import RateCard

Flags = Mapping[str, tuple[str, Any]]
"""Setting -> (flag, value)."""


def ranges(flags: Flags) -> list[str]:
    """The settings whose value is a range."""
    return [key for key, (_, value) in flags.items() if isinstance(value, str) and ".." in value]


def show_curve(
    run: Run,
    varied: Sequence[str],
    flags: Flags,
    cards: Sequence[RateCard],
    month: Callable[[Flags], Estimate],
    output_format: OutputFormat,
) -> None:
    """Print the cost over the range. Raises UsageError for more than one, or for one that is none."""
    from whatschat_ops.cli.cost.curve_table import exact_curve, render_curve, rows_of_curve
    from whatschat_ops.cli.cost.formats import show
    from whatschat_ops.cost.curve import Range, curve
    from whatschat_ops.errors import UsageError

    names = [flags[key][0] for key in varied]
    if len(varied) > 1:
        raise UsageError(f"{' and '.join(names)} are ranges: only one option can be.")
    flag, text = flags[varied[0]]
    try:
        values = Range.parse(text)
    except ValueError as error:
        raise UsageError(f"{flag}: {error}.") from error

    def at(value: Decimal) -> Estimate:
        return month({**flags, varied[0]: (flag, format(value, "f"))})

    result = curve(flag.removeprefix("--"), values, cards, at)
    show(run, result, output_format, render_curve, rows_of_curve, exact_curve, lambda it: it.notes)
