"""Rate cards: unit prices with their source and date.

Input: a card of this package (`cards/*.yaml`), optionally a user's file with other rates. Output: a `RateCard`.
Knows no usage.
"""

# No `from __future__ import annotations` here: msgspec would evaluate every annotation of a section from its text, at every start.

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from whatschat_ops.config.located import Located, Origin
from whatschat_ops.config.section import Section, validate
from whatschat_ops.config.yaml_file import read_yaml
from whatschat_ops.errors import Hint
from whatschat_ops.pricing.amounts import Amount, PositiveAmount

CARDS = Path(__file__).with_name("cards")
GUIDE_CARD = CARDS / "guide.yaml"
AWS_CARD = CARDS / "aws-us-east-1.yaml"

RateKey = Literal[
    "websocket_messages",
    "websocket_connection_minutes",
    "chime_audio",
    "chime_video",
    "lambda_requests",
    "lambda_duration_arm64",
    "lambda_duration_x86_64",
    "dynamodb_writes",
    "dynamodb_reads",
    "dynamodb_storage",
    "dynamodb_pitr",
    "logs_ingested_lambda",
    "logs_ingested",
    "logs_stored",
    "logs_scanned",
    "data_transfer_out",
]


class Tier(Section, frozen=True):
    """A price that holds up to a quantity of the month; `up_to` None means for all the rest."""

    price: Amount
    up_to: Amount | None = None


class FreeTier(Section, frozen=True):
    """Free units per month. Rates of the same `pool` share one allowance."""

    quantity: Amount
    kind: Literal["always", "first_year"]
    pool: str | None = None


class Rate(Section, frozen=True):
    """The price of one item: `tiers[n].price` dollars for `per` units."""

    unit: str
    per: PositiveAmount
    tiers: Annotated[tuple[Tier, ...], Meta(min_length=1)]
    metered_kb: PositiveAmount | None = None
    """A message is billed in units of this size, rounded up; None: a message is a message."""
    free: FreeTier | None = None
    source: str = ""
    as_of: date | None = None
    remark: str | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for tiers that do not go up."""
        limits = [tier.up_to for tier in self.tiers]
        bounded = [limit for limit in limits[:-1] if limit is not None]
        if limits[-1] is not None or len(bounded) != len(limits) - 1:
            raise ValueError("every tier but the last needs up_to, and the last has none")
        if any(high <= low for low, high in zip([Decimal(0), *bounded], bounded, strict=False)):
            raise ValueError("the tiers' up_to must go up")


class RateCard(Section, frozen=True):
    """Prices of one origin, in US dollars."""

    title: str
    region: str
    as_of: date
    rates: dict[RateKey, Rate]


def guide_card() -> RateCard:
    """The prices of the AWS Integration Guide."""
    return validate(RateCard, read_yaml(GUIDE_CARD))


def aws_card(overrides: Path | None = None) -> RateCard:
    """AWS's list prices, with those of the file `overrides` in their place. Raises ConfigError."""
    values = read_yaml(AWS_CARD)
    if overrides is not None:
        given = read_yaml(overrides, flag="--rates")
        values.update(given)
        values.update(_sources(given, overrides))
    return validate(RateCard, values, hint=Hint(("cost", "rates", "--json"), "See every rate"))


def _sources(given: Mapping[str, Located], path: Path) -> dict[str, Located]:
    """The source of a changed rate is the user's file."""
    touched = {".".join(key.split(".")[:2]) for key in given if key.startswith("rates.")}
    origin = Origin(str(path))
    return {f"{rate}.source": Located(str(path), origin) for rate in touched if f"{rate}.source" not in given}
