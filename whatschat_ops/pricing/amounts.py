"""Parses and formats quantities and money. All arithmetic of this package is Decimal."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Any, ClassVar, Self, TypeAlias

from msgspec import Meta

LARGEST = 10**15
"""More than a month's usage can be; keeps every product exact."""
PRECISION = 60
"""Digits: products of the largest quantity and the finest price stay exact."""
DECIMAL_PLACES = 12
Usd: TypeAlias = Annotated[Decimal, Meta(description="US dollars, exact.")]
"""Money, in the types of what commands show: the published JSON Schemas say so."""
SMALLEST_MONEY = Decimal(1).scaleb(-DECIMAL_PLACES)
"""To which a quotient of money is rounded."""

_SUFFIXES = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "g": 10**9}
_NUMBER = re.compile(
    r"(?P<whole>-?[1-9]\d{0,2}(?:,\d{3})+|-?[1-9]\d{0,2}(?:_\d{3})+|-?0|-?[1-9]\d*)(?P<rest>(?:\.\d+)?(?:[eE][+-]?\d{1,2})?)\s*(?P<suffix>[kmbg]?)",
    re.IGNORECASE | re.ASCII,
)


def parse_amount(value: Any) -> Decimal:
    """`10000000`, `10_000_000`, `10,000,000`, `10M`, `1.5k` or `1e7` as a Decimal. Raises ValueError.

    Not `0512`: YAML 1.1 reads it as 330 (yaml.org/type/int.html), and a person as 512.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        raise ValueError(f"expected a number (got {value!r})")
    match = _NUMBER.fullmatch(str(value).strip())
    if match is None:
        raise ValueError(f"expected a number such as 10000000, 10_000_000 or 10M (got {value!r})")
    digits = re.sub("[,_]", "", match["whole"]) + match["rest"]
    return Decimal(digits) * _SUFFIXES[match["suffix"].lower()]


class Amount(Decimal):
    """A quantity in a model: zero or more, finite, and short enough that sums of it stay exact."""

    least: ClassVar[int] = 0
    most: ClassVar[int] = LARGEST
    unit: ClassVar[str] = ""
    """Of a size or a time, where a letter behind the number would read as another unit: `2G` of GB is not 2,000,000,000."""

    @classmethod
    def parse(cls, value: Any) -> Self:
        """A number of a flag or a YAML file (`parse_amount`). Raises ValueError."""
        amount = parse_amount(value)
        if cls.unit and str(value).strip()[-1:].isalpha():
            raise ValueError(f"is in {cls.unit}: give the number alone (got {value!r})")
        if amount < cls.least:
            raise ValueError(f"must be at least {cls.least} (got {value!r})")
        if amount > cls.most:
            raise ValueError(f"must be at most {cls.most} (got {value!r})")
        if amount != amount.quantize(Decimal(1).scaleb(-DECIMAL_PLACES)):
            raise ValueError(f"must have no more than {DECIMAL_PLACES} decimal places (got {value!r})")
        return cls(amount)


class PositiveAmount(Amount):
    """More than zero."""

    @classmethod
    def parse(cls, value: Any) -> Self:
        """As of any amount. Raises ValueError."""
        if not (amount := super().parse(value)):
            raise ValueError(f"must be more than 0 (got {value!r})")
        return amount


def plain(value: Decimal) -> Decimal:
    """The same number without exponent and trailing zeros: 1E+7 becomes 10000000, 0.500 becomes 0.5."""
    digits = format(value, "f")  # exact, whatever the context's precision
    return Decimal(digits.rstrip("0").rstrip(".") if "." in digits else digits)


def show_amount(value: Decimal) -> str:
    """A quantity for a table: thousands separated, at most three decimals."""
    rounded = plain(value.quantize(Decimal("0.001"), ROUND_HALF_UP))
    return "<0.001" if value and not rounded else f"{rounded:,f}"


def show_money(value: Decimal) -> str:
    """Dollars for a table, rounded half up to cents; less than half a cent is `<$0.01`."""
    cents = abs(value).quantize(Decimal("0.01"), ROUND_HALF_UP)
    sign = "-" if value < 0 else ""
    return f"{sign}<$0.01" if value and not cents else f"{sign if cents else ''}${cents:,f}"


def show_price(value: Decimal) -> str:
    """A unit price: at least two decimals, as many as it has."""
    digits = plain(value)
    return f"${digits:,f}" if -int(digits.as_tuple().exponent) > 2 else f"${digits:,.2f}"
