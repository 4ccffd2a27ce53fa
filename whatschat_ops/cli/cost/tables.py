"""How `cost rates` shows cards. No amount or id is ever cut."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from whatschat_ops.cli.terminal.lines import Styled
from whatschat_ops.cli.terminal.tables import Blocks, Column, Table, figures
from whatschat_ops.pricing.amounts import show_amount, show_price

if TYPE_CHECKING:
    from whatschat_ops.cost.cards import CardRow, RateChange, RateRow
    from whatschat_ops.pricing.rates import Tier

NOT_PRICED = "–"
_RATES: Final = (
    Column("Rate"),
    Column("Per", wraps=True),
    Column("Guide"),
    Column("AWS"),
    Column("Free a month", wraps=True),
)


def render_rates(rows: Sequence[RateRow]) -> Blocks:
    """One line per rate and tier, then where and when each was read."""
    table: list[Sequence[str]] = []
    for row in rows:
        per = row.unit if row.per == 1 else f"{show_amount(row.per)} {row.unit}s"
        kind = " (first year)" if row.free_kind == "first_year" else ""
        free = "" if row.aws is None else f"{show_amount(row.free)}{kind}" if row.free else "none"
        sides = (_tiers(row.guide), _tiers(row.aws, "not found"))
        table.append((row.rate, per, *map("\n".join, sides), free))
    sources = dict.fromkeys((row.source, row.as_of) for row in rows if row.aws)
    return Blocks(
        [
            Table(_RATES, table),
            "",
            *(Styled(f"{source} ({as_of})", "dim") for source, as_of in sources),
            _identified(rows),
        ]
    )


def _identified(rows: Sequence[RateRow]) -> str:
    """How many prices can be found in AWS's price list by their SKU."""
    found = [row for row in rows if row.aws]
    named = sum(row.sku is not None for row in found)
    if named == len(found):
        return f"All {named} prices have a SKU, rate code, usage type and offer version (--json)."
    return (
        f"{named} of {len(found)} prices have a SKU: the sources of the others name none. "
        "`cost rates refresh` reads them with SKU, rate code, usage type and offer version."
    )


def render_cards(cards: Sequence[CardRow]) -> Table:
    """A line per Region."""
    columns = [
        Column("Region"),
        Column("Title", wraps=True),
        Column("As of"),
        *figures("Prices"),
        Column("File"),
    ]
    return Table(columns, [(c.region, c.title, str(c.as_of), str(c.prices), c.file) for c in cards])


def render_changes(changes: Sequence[RateChange]) -> Blocks:
    """The tiers of both cards, rate by rate."""
    rows = [(change.rate, _side(change.a), _side(change.b)) for change in changes]
    columns = (Column("Rate"), Column("First", wraps=True), Column("Second", wraps=True))
    return Blocks([Table(columns, rows) if rows else "No price differs."])


def _side(tiers: Sequence[Tier] | None) -> str:
    return "; ".join(_tiers(tiers)) if tiers else "not found"


def _tiers(tiers: Sequence[Tier] | None, without: str = NOT_PRICED) -> list[str]:
    if tiers is None:
        return [without]
    return [
        show_price(tier.price) + (f" to {_limit(tier.up_to)}" if tier.up_to is not None else "")
        for tier in tiers
    ]


def _limit(count: Decimal) -> str:
    """In billions where that is exact to a hundredth."""
    billions = count.scaleb(-9)
    return f"{show_amount(billions)}B" if billions >= 1 and not billions * 100 % 1 else show_amount(count)
