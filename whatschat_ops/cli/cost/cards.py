"""Which rate cards a command of `cost` shows side by side."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whatschat_ops.pricing.rates import RateCard

REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")
GUIDE = "guide"


def cards(names: Sequence[str], rates: Path | None, region: str) -> list[RateCard]:
    """The cards of these names (`guide`, a Region, or a file); without names the guide's and AWS's of the Region. Each once.

    Raises Missing when the prices of a Region are not known, ConfigError.
    """
    from whatschat_ops.pricing.rates import aws_card, guide_card

    if not names:
        return [guide_card(), aws_card(rates, region)]
    chosen: list[RateCard] = []
    for name in names:
        if (named := card(name, rates, region)) not in chosen:
            chosen.append(named)
    return chosen


def card(name: str, rates: Path | None, region: str) -> RateCard:
    """The card of a name. Raises Missing, ConfigError."""
    from whatschat_ops.pricing.rates import aws_card, guide_card

    if name == GUIDE:
        return guide_card()
    if REGION.fullmatch(name):
        return aws_card(rates, name)
    return aws_card(Path(name), region, flag="--card")
