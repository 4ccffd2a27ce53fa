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

from msgspec import Meta, field

from whatschat_ops.config.located import Located, Origin
from whatschat_ops.config.section import Section, validate
from whatschat_ops.config.yaml_file import read_yaml
from whatschat_ops.errors import Hint, Missing
from whatschat_ops.pricing.amounts import Amount, PositiveAmount
from whatschat_ops.state_directory import state_directory

CARDS = Path(__file__).with_name("cards")
GUIDE_CARD = CARDS / "guide.yaml"
HOME_REGION = "us-east-1"
_HINT = Hint(("cost", "rates", "show", "--json"), "See every rate")

RateKey = Literal[
    "websocket_messages",
    "websocket_connection_minutes",
    "chime_audio",
    "chime_video",
    "chime_hd",
    "chime_capture",
    "chime_concatenation",
    "chime_live_connector",
    "chime_replication",
    "chime_streaming",
    "chime_transcription",
    "chime_voice_focus",
    "lambda_requests",
    "lambda_duration_arm64",
    "lambda_duration_x86_64",
    "lambda_storage",
    "dynamodb_writes",
    "dynamodb_reads",
    "dynamodb_storage",
    "dynamodb_pitr",
    "dynamodb_backup",
    "dynamodb_restore",
    "dynamodb_streams",
    "logs_ingested_lambda",
    "logs_ingested",
    "logs_stored",
    "logs_scanned",
    "logs_live_tail",
    "metrics",
    "metrics_requested",
    "alarms",
    "alarms_high_resolution",
    "alarms_composite",
    "dashboards",
    "notifications_email",
    "kms_requests",
    "step_functions_transitions",
    "s3_writes",
    "s3_reads",
    "s3_storage",
    "data_transfer_out",
]
"""What a card can have a price of. One that it does not have is "not found"."""


class Tier(Section, frozen=True):
    """A price that holds up to a quantity of the month; `up_to` None means for all the rest."""

    price: Annotated[Amount, Meta(description="US dollars, exact.")]
    up_to: Amount | None = None
    rate_code: str = ""
    """AWS's code of this price, of a refreshed card."""


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
    sku: str = ""
    """AWS's product; empty where the source of the price does not name it."""
    usage_type: str = ""
    """AWS's usage type as bills have it, with the Region's prefix; empty where the source of the price does not name it."""

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
    offers: dict[str, str] = field(default_factory=dict)
    """Service code -> version of AWS's offer file, of a refreshed card."""


def guide_card() -> RateCard:
    """The prices of the AWS Integration Guide."""
    return read_card(GUIDE_CARD)


def read_card(path: Path) -> RateCard:
    """The card of a file. Raises ConfigError."""
    return validate(RateCard, read_yaml(path))


def card_files() -> dict[str, Path]:
    """Region -> the file with AWS's prices there: refreshed ones in the state directory, else those of this package."""
    found = [*CARDS.glob("aws-*.yaml"), *refreshed_directory().glob("aws-*.yaml")]
    return {
        path.stem.removeprefix("aws-"): path for path in sorted(found, key=lambda path: path.parent != CARDS)
    }


def refreshed_directory() -> Path:
    """Where the cards are that `cost rates refresh` made. Not created."""
    return state_directory() / "rates"


def aws_card(overrides: Path | None = None, region: str = HOME_REGION, *, flag: str = "--rates") -> RateCard:
    """AWS's list prices in a Region, with those of the file `overrides`, which `flag` named, in their place.

    A file that says its Region, as a refreshed one does, is a whole card: what it does not have is not found. Raises Missing
    when the prices of the Region are not known, ConfigError.
    """
    given = {} if overrides is None else read_yaml(overrides, flag=flag)
    if "region" in given:
        return validate(RateCard, given, hint=_HINT)
    path = card_files().get(region)
    if path is None:
        raise Missing(
            f"The prices of {region} are not known: known are those of {', '.join(sorted(card_files()))}.",
            hint=Hint(("cost", "rates", "refresh", region), "Read them from AWS's price list"),
        )
    values = read_yaml(path)
    if overrides is not None:
        values.update(given)
        values.update(_sources(given, overrides))
    return validate(RateCard, values, hint=_HINT)


def known_card(region: str) -> RateCard:
    """AWS's list prices in a Region, which may be none: no price is taken from another Region. Raises ConfigError."""
    if region in card_files():
        return aws_card(region=region)
    return RateCard(title="AWS", region=region, as_of=date.today(), rates={})


def _sources(given: Mapping[str, Located], path: Path) -> dict[str, Located]:
    """The source of a changed rate is the user's file."""
    touched = {".".join(key.split(".")[:2]) for key in given if key.startswith("rates.")}
    origin = Origin(str(path))
    return {f"{rate}.source": Located(str(path), origin) for rate in touched if f"{rate}.source" not in given}
