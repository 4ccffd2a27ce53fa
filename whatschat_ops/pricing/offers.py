"""AWS's price list files -> a rate card of one Region. Pure.

A file is what https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/SERVICE/current/REGION/index.json gives; no account is
needed. Units, metering, free tiers and remarks are not prices: they are the same in every Region and come from the shipped card.
What a file does not have is not in the card: no price is taken from another Region.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from whatschat_ops.errors import Unusable
from whatschat_ops.pricing.amounts import plain
from whatschat_ops.pricing.rates import Rate, RateCard, RateKey, Tier

PRICE_LIST: Final = "https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws"


@dataclass(frozen=True, slots=True)
class PriceOf:
    """Where a rate stands in the price list. `usage_type` is without the Region's prefix."""

    service: str
    usage_type: str
    operation: str = ""
    """Only products of this operation, where a usage type has several."""


PRICES: Final[Mapping[RateKey, PriceOf]] = {
    "websocket_messages": PriceOf("AmazonApiGateway", "ApiGatewayMessage", "ApiGatewayWebSocket"),
    "websocket_connection_minutes": PriceOf("AmazonApiGateway", "ApiGatewayMinute", "ApiGatewayWebSocket"),
    "lambda_requests": PriceOf("AWSLambda", "Request"),
    "lambda_duration_x86_64": PriceOf("AWSLambda", "Lambda-GB-Second"),
    "lambda_duration_arm64": PriceOf("AWSLambda", "Lambda-GB-Second-ARM"),
    "dynamodb_writes": PriceOf("AmazonDynamoDB", "WriteRequestUnits", "PayPerRequestThroughput"),
    "dynamodb_reads": PriceOf("AmazonDynamoDB", "ReadRequestUnits", "PayPerRequestThroughput"),
    "dynamodb_storage": PriceOf("AmazonDynamoDB", "TimedStorage-ByteHrs", "StandardStorage"),
    "dynamodb_pitr": PriceOf("AmazonDynamoDB", "TimedPITRStorage-ByteHrs"),
    "logs_ingested": PriceOf("AmazonCloudWatch", "DataProcessing-Bytes", "PutLogEvents"),
    "logs_stored": PriceOf("AmazonCloudWatch", "TimedStorage-ByteHrs", "HourlyStorageMetering"),
    "logs_scanned": PriceOf("AmazonCloudWatch", "DataScanned-Bytes"),
    "data_transfer_out": PriceOf("AWSDataTransfer", "DataTransfer-Out-Bytes"),
}
"""Usage types as the offer files of 2026-09 have them. Those of Chime meetings and of Lambda's log tiers are in no public source."""

SERVICES: Final = tuple(dict.fromkeys(price.service for price in PRICES.values()))
_OTHER_CLASS: Final = "IA-"
"""Before a usage type of DynamoDB's infrequent access, where other prefixes name a Region."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A card made from price list files, and the rates that they do not have."""

    card: RateCard
    not_found: tuple[RateKey, ...]


def refreshed(offers: Iterable[Mapping[str, Any]], region: str, shipped: RateCard) -> Refreshed:
    """The card of a Region. Raises Unusable for a file that is none of AWS's, or that has two prices for one rate."""
    by_service = {str(offer.get("offerCode")): offer for offer in offers}
    rates: dict[RateKey, Rate] = {}
    for key, price in PRICES.items():
        offer = by_service.get(price.service)
        if offer is not None and (rate := _rate(offer, price, region, shipped.rates[key])) is not None:
            rates[key] = rate
    if not rates:
        raise Unusable(f"The price list files have no price of this stack in {region}.")
    card = RateCard(
        title="AWS",
        region=region,
        as_of=max(_date(offer) for offer in by_service.values()),
        rates=rates,
        offers={service: str(offer.get("version", "")) for service, offer in by_service.items()},
    )
    return Refreshed(card, tuple(key for key in shipped.rates if key not in rates))


def document(card: RateCard) -> dict[str, Any]:
    """The card as its YAML file has it; prices are strings, so that they stay exact."""
    return {
        "title": card.title,
        "region": card.region,
        "as_of": card.as_of,
        "offers": dict(card.offers),
        "rates": {key: _rate_document(rate) for key, rate in card.rates.items()},
    }


def read_offer(data: bytes, name: str) -> Mapping[str, Any]:
    """A price list file. Raises Unusable."""
    try:
        offer = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Unusable(f"{name} is not a price list file of AWS: it is not JSON.") from error
    if not isinstance(offer, dict) or not {"offerCode", "products", "terms"} <= offer.keys():
        raise Unusable(f"{name} is not a price list file of AWS: it has no offerCode, products and terms.")
    return offer


def _rate(offer: Mapping[str, Any], price: PriceOf, region: str, shipped: Rate) -> Rate | None:
    skus = [sku for sku, product in _products(offer) if _matches(product, price, region)]
    if not skus:
        return None
    if len(skus) > 1:
        raise Unusable(
            f"{price.service} has {len(skus)} products with the usage type {price.usage_type} in {region}: {', '.join(sorted(skus))}."
        )
    try:
        tiers = _tiers(offer["terms"]["OnDemand"][skus[0]], shipped.per)
    except (KeyError, ValueError, TypeError, AttributeError, InvalidOperation) as error:
        raise Unusable(
            f"{price.service} has no readable price for {price.usage_type} in {region}."
        ) from error
    return Rate(
        unit=shipped.unit,
        per=shipped.per,
        tiers=tiers,
        metered_kb=shipped.metered_kb,
        free=shipped.free,
        source=f"{PRICE_LIST}/{price.service}/{offer.get('version', 'current')}/{region}/index.json",
        as_of=_date(offer),
        remark=shipped.remark,
        sku=skus[0],
    )


def _products(offer: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    products = offer["products"]
    for sku, product in products.items() if isinstance(products, dict) else ():
        attributes = product.get("attributes") if isinstance(product, dict) else None
        if isinstance(attributes, dict):
            yield sku, attributes


def _matches(attributes: Mapping[str, Any], price: PriceOf, region: str) -> bool:
    """Whether a product is that of a rate: `EU-Request` is the `Request` of eu-west-1; `Global-Request` is AWS's free tier."""
    usage_type = str(attributes.get("usagetype", ""))
    named = re.fullmatch(rf"(?:[A-Z0-9]+-)?{re.escape(price.usage_type)}", usage_type) is not None
    return (
        named
        and not usage_type.startswith(_OTHER_CLASS)
        and price.operation in ("", attributes.get("operation"))
        and region in (attributes.get("regionCode"), attributes.get("fromRegionCode"))
    )


def _tiers(terms: Mapping[str, Any], per: Decimal) -> tuple[Tier, ...]:
    """The bands of the one on-demand term, lowest first. A first band at $0 is a free tier, which the card has as such."""
    (term,) = terms.values()
    bands = sorted(
        (Decimal(each["beginRange"]), each["endRange"], Decimal(each["pricePerUnit"]["USD"]), code)
        for code, each in term["priceDimensions"].items()
    )
    free = Decimal(0)
    if len(bands) > 1 and bands[0][2] == 0:
        free = Decimal(bands.pop(0)[1])
    return tuple(
        Tier.of(
            {
                "price": str(plain(price * per)),
                "rate_code": code,
                **({} if end == "Inf" else {"up_to": str(plain(Decimal(end) - free))}),
            }
        )
        for _, end, price, code in bands
    )


def _date(offer: Mapping[str, Any]) -> date:
    try:
        return date.fromisoformat(str(offer.get("publicationDate", ""))[:10])
    except ValueError as error:
        raise Unusable(f"The file of {offer.get('offerCode')} has no publicationDate.") from error


def _rate_document(rate: Rate) -> dict[str, Any]:
    found: dict[str, Any] = {
        "unit": rate.unit,
        "per": str(plain(rate.per)),
        "tiers": [
            {
                **({} if tier.up_to is None else {"up_to": str(plain(tier.up_to))}),
                "price": str(plain(tier.price)),
                "rate_code": tier.rate_code,
            }
            for tier in rate.tiers
        ],
        "source": rate.source,
        "sku": rate.sku,
        "as_of": rate.as_of,
    }
    if rate.metered_kb is not None:
        found["metered_kb"] = str(plain(rate.metered_kb))
    if rate.free is not None:
        pool = {} if rate.free.pool is None else {"pool": rate.free.pool}
        found["free"] = {"quantity": str(plain(rate.free.quantity)), "kind": rate.free.kind, **pool}
    return found | ({} if rate.remark is None else {"remark": rate.remark})
