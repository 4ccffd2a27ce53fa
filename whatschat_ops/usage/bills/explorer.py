"""Cost Explorer's answer to GetCostAndUsage, as `aws ce get-cost-and-usage` prints it -> a bill.

    aws ce get-cost-and-usage --granularity DAILY --metrics UnblendedCost UsageQuantity \\
        --time-period Start=2026-11-01,End=2026-12-01 \\
        --group-by Type=DIMENSION,Key=SERVICE Type=DIMENSION,Key=USAGE_TYPE

It has no price, no operation and no resource. Credits, taxes and refunds are in its sums unless a filter leaves them out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from whatschat_ops.errors import Unusable
from whatschat_ops.pricing.amounts import plain
from whatschat_ops.usage.bills.bill import KINDS, Bill, BillLine, Kind
from whatschat_ops.usage.measured import Findings

FORMAT: Final = "Cost Explorer"
SERVICES: Final[Mapping[str, str]] = {
    "Amazon API Gateway": "AmazonApiGateway",
    "AWS Lambda": "AWSLambda",
    "Amazon DynamoDB": "AmazonDynamoDB",
    "Amazon Simple Notification Service": "AmazonSNS",
    "Amazon Simple Storage Service": "AmazonS3",
    "AWS Key Management Service": "awskms",
    "AWS Step Functions": "AmazonStates",
    "Amazon Chime": "AmazonChime",
}
"""Names of the dimension SERVICE -> service codes; AmazonCloudWatch is both."""
_DIMENSIONS: Final = {"SERVICE": "service", "USAGE_TYPE": "usage_type", "OPERATION": "operation", "RECORD_TYPE": "kind"}  # fmt: skip


def bill_of(documents: Sequence[tuple[str, bytes]]) -> Bill:
    """The bill in answers (name, content), one for each page. Raises Unusable for what is none of Cost Explorer's answers."""
    rejects = Findings()
    answers = [(name, _answer(name, content)) for name, content in documents]
    lines = [line for name, answer in answers for line in _lines(name, answer, rejects)]
    remarks = [
        "Cost Explorer's answer names no prices, resources or tags: the usage is the account's.",
        *_pages(answers),
    ]
    if not all("RECORD_TYPE" in _keys(answer) for _, answer in answers):
        remarks.append(
            "Credits, refunds and taxes are not apart: group by USAGE_TYPE and RECORD_TYPE, or filter by RECORD_TYPE."
        )
    rows = sum(line.rows for line in lines) + sum(found.count for found in rejects.found)
    return Bill(FORMAT, len(answers), rows, tuple(lines), rejects.found, remarks=tuple(remarks))


def _answer(name: str, content: bytes) -> Mapping[str, Any]:
    try:
        answer = json.loads(content.removeprefix(b"\xef\xbb\xbf"), parse_float=str, parse_int=str)
    except (ValueError, RecursionError) as error:
        raise Unusable(f"{name} is not an answer of Cost Explorer: it is not JSON.") from error
    if not isinstance(answer, dict) or not isinstance(answer.get("ResultsByTime"), list):
        raise Unusable(f"{name} is not an answer of Cost Explorer: it has no ResultsByTime.")
    if "USAGE_TYPE" not in _keys(answer):
        raise Unusable(
            f"{name} is not grouped by usage type.",
            hint="Ask Cost Explorer with --group-by Type=DIMENSION,Key=USAGE_TYPE.",
        )
    return answer


def _keys(answer: Mapping[str, Any]) -> list[str]:
    groups = answer.get("GroupDefinitions")
    return (
        [str(each.get("Key")) for each in groups if isinstance(each, dict)]
        if isinstance(groups, list)
        else []
    )


def _pages(answers: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    more = sum(1 for _, answer in answers if answer.get("NextPageToken"))
    if more >= len(answers):
        yield "The last page says that there are more (NextPageToken): this is not the whole bill."


def _lines(name: str, answer: Mapping[str, Any], rejects: Findings) -> Iterator[BillLine]:
    fields = [_DIMENSIONS.get(key, "") for key in _keys(answer)]
    for result in answer["ResultsByTime"]:
        try:
            day = date.fromisoformat(str(result["TimePeriod"]["Start"])[:10])
            days = (date.fromisoformat(str(result["TimePeriod"]["End"])[:10]) - day).days
            groups = list(result["Groups"])
        except (KeyError, TypeError, ValueError):
            rejects.add("a period that cannot be read", f"{name}: {str(result)[:80]}")
            continue
        if days > 1:
            rejects.add("a period of more than a day: ask with --granularity DAILY", f"{day}, {days} days", count=len(groups))  # fmt: skip
            continue
        for group in groups:
            try:
                yield _line(dict(zip(fields, group["Keys"], strict=True)), group["Metrics"], day, result)
            except KeyError as error:
                rejects.add("a group that cannot be read", f"it has no {error.args[0]}: {group}")
            except (TypeError, ValueError, InvalidOperation) as error:
                rejects.add("a group that cannot be read", f"{error}: {group}")


def _line(
    keys: Mapping[str, str], metrics: Mapping[str, Any], day: date, result: Mapping[str, Any]
) -> BillLine:
    cost, quantity = metrics["UnblendedCost"], metrics["UsageQuantity"]
    if cost["Unit"] != "USD":
        raise ValueError(f"{cost['Unit']} is not USD")
    service = str(keys.get("service", ""))
    return BillLine(
        service=SERVICES.get(service, service),
        usage_type=str(keys["usage_type"]),
        operation=str(keys.get("operation", "")),
        region="",
        rate_code="",
        kind=KINDS.get(str(keys.get("kind", "Usage")), Kind.OTHER),
        day=day,
        unit=str(quantity.get("Unit", "")),
        quantity=_number(quantity["Amount"]),
        cost=_number(cost["Amount"]),
        rows=1,
        estimated=result.get("Estimated") is True,
    )


def _number(text: Any) -> Decimal:
    """Raises InvalidOperation."""
    try:
        amount = Decimal(str(text))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise InvalidOperation(f"{text} is not an amount")
    return plain(amount)
