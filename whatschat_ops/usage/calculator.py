"""Our lines priced by AWS's own pricing calculator: a workload estimate that is made, read and deleted.

Operations of `bcm-pricing-calculator` (API version 2024-06-19): CreateWorkloadEstimate, BatchCreateWorkloadEstimateUsage (at most
25 lines a call), GetWorkloadEstimate until it is no longer UPDATING, ListWorkloadEstimateUsage, DeleteWorkloadEstimate.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from whatschat_ops.cost.result import Estimate
from whatschat_ops.errors import NotFound, OpsError, TimedOut, Unusable
from whatschat_ops.pricing.amounts import Usd, plain
from whatschat_ops.pricing.offers import PRICES
from whatschat_ops.pricing.pricing import ZERO, FreeTiers, Month
from whatschat_ops.pricing.rates import RateCard, RateKey
from whatschat_ops.quotas import CALCULATOR_LINES
from whatschat_ops.usage.units import billed_units, unmetered, usage_type_of

SERVICE: Final = "bcm-pricing-calculator"
REGION: Final = "us-east-1"
"""Billing is in one place for all Regions."""
LONGEST_WAIT_S: Final = 120.0
"""Ours."""
_PAUSE_S: Final = 1.0
_SMALLEST: Final = Decimal("1e-10")


@dataclass(frozen=True, slots=True)
class CalculatorLine:
    """One price. `aws_cost` None: AWS did not price it, `problem` says why. `difference`: AWS's cost minus ours."""

    rate: RateKey
    service: str
    usage_type: str
    operation: str
    units: Decimal
    cost: Usd
    """With free units, as `cost estimate` has it."""
    list_cost: Usd
    """Without free units."""
    aws_cost: Usd | None
    aws_unit: str
    status: str
    difference: Usd | None
    remark: str


@dataclass(frozen=True, slots=True)
class Verification:
    """`aws_total` is the calculator's own sum; `not_sent` are prices whose usage type is not known."""

    region: str
    rate_type: str
    lines: tuple[CalculatorLine, ...]
    not_sent: tuple[RateKey, ...]
    total: Usd
    list_total: Usd
    aws_total: Usd | None


@dataclass(frozen=True, slots=True)
class _Sent:
    key: str
    rate: RateKey
    usage_type: str
    units: Decimal
    cost: Usd
    list_cost: Usd


def verify(
    client: Any,
    account_id: str,
    estimate: Estimate,
    card: RateCard,
    *,
    rate_type: str,
    free_tiers: FreeTiers = FreeTiers.ALWAYS,
    pause: Callable[[float], None] = time.sleep,
) -> Verification:
    """Send the estimate's lines and read what AWS says they cost. The workload estimate is deleted however this ends.

    Raises Unusable, TimedOut.
    """
    units = billed_units(estimate, card)
    sent, not_sent = _to_send(units, card, free_tiers)
    if not sent:
        raise Unusable("The estimate has no line whose usage type is known.")
    problems: dict[str, str] = {}
    with workload_estimate(client, rate_type) as identifier:
        for first in range(0, len(sent), CALCULATOR_LINES):
            problems |= _add(client, identifier, account_id, sent[first : first + CALCULATOR_LINES])
        whole = _wait(client, identifier, pause)
        found = {(item["serviceCode"], item["usageType"]): item for item in _pages(client, identifier)}
    lines = tuple(
        _line(each, found.get((PRICES[each.rate].service, each.usage_type), {}), problems.get(each.key, ""))
        for each in sent
    )
    return Verification(
        card.region, rate_type, lines, tuple(not_sent),
        plain(sum((line.cost for line in lines), ZERO)),
        plain(sum((line.list_cost for line in lines), ZERO)),
        None if whole.get("totalCost") is None else _money(whole["totalCost"]),
    )  # fmt: skip


def _to_send(
    units: dict[RateKey, Decimal], card: RateCard, free_tiers: FreeTiers
) -> tuple[list[_Sent], list[RateKey]]:
    sent: list[_Sent] = []
    not_sent: list[RateKey] = []
    with_free, without = Month(free_tiers), Month(FreeTiers.NONE)
    for key, amount in units.items():
        name = usage_type_of(key, card)
        rate, sizes = unmetered(card.rates[key]), {ZERO: amount}
        if name is None or key not in PRICES:
            not_sent.append(key)
        elif amount:
            costs = (month.charge(key, rate, sizes).cost for month in (with_free, without))
            sent.append(_Sent(f"line{len(sent) + 1}", key, name, amount, *costs))
    return sent, not_sent


@contextmanager
def workload_estimate(client: Any, rate_type: str) -> Iterator[str]:
    """The id of a new workload estimate, which is deleted at the end: also after Ctrl-C, and when the answer that names it was lost."""
    name = f"whatschat-ops-{secrets.token_hex(6)}"
    identifier = None
    try:
        identifier = str(client.create_workload_estimate(name=name, rateType=rate_type)["id"])
        yield identifier
    finally:
        _delete(client, identifier, name)


def _delete(client: Any, identifier: str | None, name: str) -> None:
    try:
        if identifier is None:
            filters = [{"name": "NAME", "values": [name], "matchOption": "EQUALS"}]
            items = client.list_workload_estimates(filters=filters).get("items", ())
            identifier = next((str(item["id"]) for item in items if item.get("name") == name), None)
        if identifier is not None:
            client.delete_workload_estimate(identifier=identifier)
    except NotFound:
        return
    except OpsError as error:
        error.add_note(f"The workload estimate {name} may still be there.")
        raise


def _add(client: Any, identifier: str, account_id: str, lines: Sequence[_Sent]) -> dict[str, str]:
    """Key -> why AWS does not accept the line."""
    usage = [
        {
            "serviceCode": PRICES[line.rate].service,
            "usageType": line.usage_type,
            "operation": PRICES[line.rate].operation,
            "key": line.key,
            "usageAccountId": account_id,
            "amount": float(line.units),
        }
        for line in lines
    ]
    answer = client.batch_create_workload_estimate_usage(workloadEstimateId=identifier, usage=usage)
    return {
        str(
            each.get("key", "")
        ): f"{each.get('errorCode', 'refused')}: {each.get('errorMessage', '')}".rstrip(": ")
        for each in answer.get("errors", ())
    }


def _wait(client: Any, identifier: str, pause: Callable[[float], None]) -> dict[str, Any]:
    """The estimate when it is computed. Raises TimedOut, Unusable."""
    waited_s = 0.0
    while True:
        found: dict[str, Any] = client.get_workload_estimate(identifier=identifier)
        status = found.get("status")
        if status == "INVALID":
            raise Unusable(
                f"AWS's calculator cannot price the estimate: {found.get('failureMessage', 'it says no reason')}."
            )
        if status != "UPDATING":
            return found
        if waited_s >= LONGEST_WAIT_S:
            raise TimedOut(f"AWS's calculator did not finish within {LONGEST_WAIT_S:.0f} seconds.")
        pause(_PAUSE_S)
        waited_s += _PAUSE_S


def _pages(client: Any, identifier: str) -> Iterator[dict[str, Any]]:
    pages = client.get_paginator("list_workload_estimate_usage").paginate(workloadEstimateId=identifier)
    for page in pages:
        yield from page.get("items", ())


def _line(sent: _Sent, item: dict[str, Any], problem: str) -> CalculatorLine:
    cost = None if item.get("cost") is None or item.get("status") == "INVALID" else _money(item["cost"])
    status = str(item.get("status", "refused" if problem else "no answer"))
    price = PRICES[sent.rate]
    return CalculatorLine(
        sent.rate, price.service, sent.usage_type, price.operation, sent.units, sent.cost, sent.list_cost,
        cost, str((item.get("quantity") or {}).get("unit", "")), status,
        None if cost is None else plain(cost - sent.cost),
        problem or _remark(sent, cost, status),
    )  # fmt: skip


def _remark(sent: _Sent, cost: Decimal | None, status: str) -> str:
    if cost is None:
        return (
            "AWS does not know this usage type with this operation"
            if status == "INVALID"
            else "AWS says no cost"
        )
    stale = "AWS's price is outdated; " if status == "STALE" else ""
    if abs(cost - sent.cost) < _CENT:
        return stale.removesuffix("; ")
    if abs(cost - sent.list_cost) < _CENT:
        return f"{stale}the calculator deducts no free units"
    return f"{stale}another price than the card's"


_CENT: Final = Decimal("0.01")


def _money(amount: float) -> Decimal:
    """The model has doubles: the digits that they print, to AWS's ten decimals."""
    return plain(Decimal(repr(amount)).quantize(_SMALLEST))
