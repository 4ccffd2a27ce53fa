"""Price list files and answers of the Query API -> offers; a card -> its file. Pure.

An offer is what https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/SERVICE/current/REGION/index.json gives; no account is
needed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from whatschat_ops.errors import Unusable
from whatschat_ops.pricing.amounts import plain
from whatschat_ops.pricing.rates import Rate, RateCard


def read_offer(data: bytes, name: str) -> Mapping[str, Any]:
    """A price list file. Raises Unusable."""
    try:
        offer = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Unusable(f"{name} is not a price list file of AWS: it is not JSON.") from error
    if not isinstance(offer, dict) or not {"offerCode", "products", "terms"} <= offer.keys():
        raise Unusable(f"{name} is not a price list file of AWS: it has no offerCode, products and terms.")
    return offer


def offer_of(service: str, documents: Iterable[str]) -> Mapping[str, Any] | None:
    """The offer that the products of the Query API (`PriceList`) are part of; None without products. Raises Unusable."""
    products, terms, header = dict[str, Any](), dict[str, Any](), dict[str, str]()
    for document in documents:
        try:
            item = json.loads(document)
            sku = str(item["product"]["sku"])
            products[sku], terms[sku] = item["product"], item["terms"].get("OnDemand", {})
            header = max(
                header, {key: str(item[key]) for key in ("publicationDate", "version")}, key=_published
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise Unusable(f"The price list has a product of {service} that cannot be read.") from error
    if not products:
        return None
    source = f"https://api.pricing.us-east-1.amazonaws.com GetProducts ServiceCode={service}"
    return {
        "offerCode": service,
        "source": source,
        **header,
        "products": products,
        "terms": {"OnDemand": terms},
    }


def _published(header: Mapping[str, str]) -> str:
    return header.get("publicationDate", "")


def document(card: RateCard) -> dict[str, Any]:
    """The card as its YAML file has it; prices are strings, so that they stay exact."""
    return {
        "title": card.title,
        "region": card.region,
        "as_of": card.as_of,
        "offers": dict(card.offers),
        "rates": {key: _rate_document(rate) for key, rate in card.rates.items()},
    }


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
        "usage_type": rate.usage_type,
        "as_of": rate.as_of,
    }
    if rate.metered_kb is not None:
        found["metered_kb"] = str(plain(rate.metered_kb))
    if rate.free is not None:
        pool = {} if rate.free.pool is None else {"pool": rate.free.pool}
        found["free"] = {"quantity": str(plain(rate.free.quantity)), "kind": rate.free.kind, **pool}
    return found | ({} if rate.remark is None else {"remark": rate.remark})
