"""AWS's price list files -> a rate card of one Region. Pure.

A file is what https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/SERVICE/current/REGION/index.json gives; no account is
needed. Units, metering, free tiers and remarks are not prices: they are the same in every Region and come from the shipped card.
What a file does not have is not in the card: no price is taken from another Region.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
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
    "lambda_storage": PriceOf("AWSLambda", "Lambda-Storage-GB-Second"),
    "dynamodb_writes": PriceOf("AmazonDynamoDB", "WriteRequestUnits", "PayPerRequestThroughput"),
    "dynamodb_reads": PriceOf("AmazonDynamoDB", "ReadRequestUnits", "PayPerRequestThroughput"),
    "dynamodb_storage": PriceOf("AmazonDynamoDB", "TimedStorage-ByteHrs", "StandardStorage"),
    "dynamodb_pitr": PriceOf("AmazonDynamoDB", "TimedPITRStorage-ByteHrs"),
    "dynamodb_backup": PriceOf("AmazonDynamoDB", "TimedBackupStorage-ByteHrs"),
    "dynamodb_restore": PriceOf("AmazonDynamoDB", "RestoreDataSize-Bytes"),
    "dynamodb_streams": PriceOf("AmazonDynamoDB", "Streams-Requests", "GetRecords"),
    "logs_ingested_lambda": PriceOf("AmazonCloudWatch", "VendedLog-Bytes"),
    "logs_ingested": PriceOf("AmazonCloudWatch", "DataProcessing-Bytes", "PutLogEvents"),
    "logs_stored": PriceOf("AmazonCloudWatch", "TimedStorage-ByteHrs", "HourlyStorageMetering"),
    "logs_scanned": PriceOf("AmazonCloudWatch", "DataScanned-Bytes"),
    "metrics": PriceOf("AmazonCloudWatch", "CW:MetricMonitorUsage"),
    "metrics_requested": PriceOf("AmazonCloudWatch", "CW:GMD-Metrics"),
    "alarms": PriceOf("AmazonCloudWatch", "CW:AlarmMonitorUsage"),
    "alarms_high_resolution": PriceOf("AmazonCloudWatch", "CW:HighResAlarmMonitorUsage"),
    "alarms_composite": PriceOf("AmazonCloudWatch", "CW:CompositeAlarmMonitorUsage"),
    "notifications_email": PriceOf("AmazonSNS", "DeliveryAttempts-SMTP"),
    "kms_requests": PriceOf("awskms", "KMS-Requests"),
    "step_functions_transitions": PriceOf("AmazonStates", "StateTransition"),
    "s3_writes": PriceOf("AmazonS3", "Requests-Tier1"),
    "s3_reads": PriceOf("AmazonS3", "Requests-Tier2"),
    "s3_storage": PriceOf("AmazonS3", "TimedStorage-ByteHrs"),
    "data_transfer_out": PriceOf("AWSDataTransfer", "DataTransfer-Out-Bytes"),
}
"""Usage types as the offer files of 2026-09 have them; those of CloudWatch as its guide lists them (cloudwatch_billing.html).

Logs of Lambda are vended logs since 2025-05-01. No public source names the usage type of dashboards and of Live Tail, so
their prices are not found.
"""

CHIME_SERVICES: Final = (
    "AmazonChime", "AmazonChimeServices", "AmazonChimeFeatures", "AmazonChimeBusinessCalling", "AmazonChimeCallMe",
    "AmazonChimeCallMeAMCS", "AmazonChimeDialin", "AmazonChimeDialInAMCS", "AmazonChimeVoiceConnector",
)  # fmt: skip
"""One of them has the attendee-minute of meetings. No public source says which, nor its usage type: it is discovered."""
ATTENDEE_MINUTE: Final = re.compile(r"attendee[- ]?minute", re.IGNORECASE)
OTHER_MEETINGS: Final = re.compile(r"\b(HD|high[- ]definition|1080p|4K|replica)", re.IGNORECASE)

SERVICES: Final = (*dict.fromkeys(price.service for price in PRICES.values()), *CHIME_SERVICES)
NOT_AS_PUBLISHED: Final = (KeyError, ValueError, TypeError, AttributeError, InvalidOperation)
"""What reading a price raises that is not as AWS publishes it."""

_OTHER_CLASS: Final = "IA-"
"""Before a usage type of DynamoDB's infrequent access, where other prefixes name a Region."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A card made from price list files, and why it has not every price."""

    card: RateCard
    not_found: Mapping[str, str]
    """Rate -> reason."""


def refreshed(offers: Iterable[Mapping[str, Any]], region: str, shipped: RateCard) -> Refreshed:
    """The card of a Region. Raises Unusable for a file that is none of AWS's or has a price that cannot be read."""
    by_service = {str(offer.get("offerCode")): offer for offer in offers}
    rates: dict[RateKey, Rate] = {}
    not_found: dict[str, str] = {}
    for key in shipped.rates:
        found = _products_of(key, by_service, region)
        if isinstance(found, str):
            not_found[key] = found
        else:
            rates[key] = _rate(*found, region, shipped.rates[key])
    if not rates:
        raise Unusable(f"The price list files have no price of this stack in {region}.")
    card = RateCard(
        title="AWS",
        region=region,
        as_of=max(_date(offer) for offer in by_service.values()),
        rates=rates,
        offers={service: str(offer.get("version", "")) for service, offer in by_service.items()},
    )
    return Refreshed(card, not_found)


def _products_of(
    key: RateKey, offers: Mapping[str, Mapping[str, Any]], region: str
) -> tuple[Mapping[str, Any], str] | str:
    """The file and the SKU of a price, or why there is none. Two products with different prices are none: which one is unknown."""
    price = PRICES.get(key)
    if price is not None:
        offer = offers.get(price.service, {})
        found = [(offer, sku) for sku, product in _products(offer) if _matches(product, price, region)]
        what = f"usage type {price.usage_type}"
    elif key in ("chime_audio", "chime_video"):
        found = [each for name in CHIME_SERVICES for each in _attendee_minutes(offers.get(name, {}), region)]
        what = "attendee-minute"
    else:
        return "its usage type is in no public source"
    if not found:
        return f"no product with the {what}"
    if len(found) > 1 and not _have_one_price(found):
        return f"{len(found)} products with the {what}: {', '.join(sorted(sku for _, sku in found))}"
    return min(found, key=lambda each: each[1])


def _have_one_price(found: Iterable[tuple[Mapping[str, Any], str]]) -> bool:
    try:
        prices = [[band[:3] for band in _bands(offer, sku)] for offer, sku in found]
    except NOT_AS_PUBLISHED:
        return False
    return all(price == prices[0] for price in prices)


def _attendee_minutes(offer: Mapping[str, Any], region: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    """The products whose description says that they are attendee-minutes of standard meetings."""
    for sku, product in _products(offer):
        words = " ".join([*map(str, product.values()), *_descriptions(offer, sku)])
        if (
            region == product.get("regionCode")
            and ATTENDEE_MINUTE.search(words)
            and not OTHER_MEETINGS.search(words)
        ):
            yield offer, sku


def _descriptions(offer: Mapping[str, Any], sku: str) -> list[str]:
    try:
        (term,) = offer["terms"]["OnDemand"][sku].values()
        return [str(each.get("description", "")) for each in term["priceDimensions"].values()]
    except NOT_AS_PUBLISHED:
        return []


def _rate(offer: Mapping[str, Any], sku: str, region: str, shipped: Rate) -> Rate:
    service = str(offer["offerCode"])
    attributes = dict(_products(offer))[sku]
    try:
        tiers = _tiers(_bands(offer, sku), shipped.per)
    except NOT_AS_PUBLISHED as error:
        raise Unusable(
            f"{service} has no readable price for {attributes.get('usagetype')} in {region}."
        ) from error
    return Rate(
        unit=shipped.unit,
        per=shipped.per,
        tiers=tiers,
        metered_kb=shipped.metered_kb,
        free=shipped.free,
        source=str(
            offer.get("source")
            or f"{PRICE_LIST}/{service}/{offer.get('version', 'current')}/{region}/index.json"
        ),
        as_of=_date(offer),
        remark=shipped.remark,
        sku=sku,
        usage_type=str(attributes.get("usagetype", "")),
    )


def _products(offer: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    products = offer.get("products")
    for sku, product in products.items() if isinstance(products, dict) else ():
        attributes = product.get("attributes") if isinstance(product, dict) else None
        if isinstance(attributes, dict):
            yield sku, attributes


def _matches(attributes: Mapping[str, Any], price: PriceOf, region: str) -> bool:
    """Whether a product is that of a rate: `EU-Request` is the `Request` of eu-west-1, and KMS names Regions in full; `Global-Request` is AWS's free tier."""
    usage_type = str(attributes.get("usagetype", ""))
    prefix = rf"(?:[A-Z0-9]+-|{re.escape(region)}-)?"
    named = re.fullmatch(f"{prefix}{re.escape(price.usage_type)}", usage_type) is not None
    return (
        named
        and not usage_type.startswith(_OTHER_CLASS)
        and price.operation in ("", attributes.get("operation"))
        and region in (attributes.get("regionCode"), attributes.get("fromRegionCode"))
    )


_Band = tuple[Decimal, str, Decimal, str]
"""Begin, end, price for one, rate code."""


def _bands(offer: Mapping[str, Any], sku: str) -> list[_Band]:
    """The bands of the one on-demand term, lowest first. Raises KeyError and others for what is not as AWS publishes it."""
    (term,) = offer["terms"]["OnDemand"][sku].values()
    return sorted(
        (Decimal(each["beginRange"]), each["endRange"], Decimal(each["pricePerUnit"]["USD"]), code)
        for code, each in term["priceDimensions"].items()
    )


def _tiers(bands: list[_Band], per: Decimal) -> tuple[Tier, ...]:
    """A first band at $0 is a free tier, which the card has as such."""
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
