"""Bills made from usage, in every format that is read: what AWS would deliver for these quantities. Its arithmetic is its own.

`python -m tests.bills` writes docs/samples/bill.csv, which the examples of docs/cost.md read.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

from whatschat_ops.pricing.rates import aws_card

CARD: Final = aws_card()
SOLD: Final[Mapping[str, tuple[str, str, str]]] = {
    "websocket_messages": ("AmazonApiGateway", "USE1-ApiGatewayMessage", "ApiGatewayWebSocket"),
    "websocket_connection_minutes": ("AmazonApiGateway", "USE1-ApiGatewayMinute", "ApiGatewayWebSocket"),
    "lambda_requests": ("AWSLambda", "Request-ARM", "Invoke"),
    "lambda_duration_arm64": ("AWSLambda", "Lambda-GB-Second-ARM", "Invoke"),
    "dynamodb_writes": ("AmazonDynamoDB", "WriteRequestUnits", "PayPerRequestThroughput"),
    "dynamodb_reads": ("AmazonDynamoDB", "ReadRequestUnits", "PayPerRequestThroughput"),
    "logs_ingested_lambda": ("AmazonCloudWatch", "VendedLog-Bytes", "PutLogEvents"),
    "logs_ingested": ("AmazonCloudWatch", "DataProcessing-Bytes", "PutLogEvents"),
    "chime_audio": ("AmazonChimeServices", "USE1-attendee-minutes", "Meeting"),
}
"""Price -> service, usage type, operation. Chime's usage type is made up: no public source has it."""
FORMATS: Final = ("cur2.csv.gz", "cur2.parquet", "legacy.csv.gz", "focus.csv", "explorer.json")


@dataclass(frozen=True)
class Row:
    """A line of a Cost and Usage Report."""

    day: date
    service: str
    usage_type: str
    operation: str
    quantity: str
    cost: str
    kind: str = "Usage"
    region: str = "us-east-1"
    rate_code: str = ""
    unit: str = ""
    resource: str = ""
    tag: str = ""
    currency: str = "USD"
    description: str = ""
    account: str = "111122223333"
    extra: Mapping[str, str] = field(default_factory=dict)


def rows(usage: Mapping[str, Decimal], first: date, days: int = 1) -> list[Row]:
    """A month's usage spread evenly over days (the last one has what is left): free units first, then each band at its price."""
    return [row for key, quantity in usage.items() for row in _rows(key, quantity, first, days)]


def _rows(key: str, quantity: Decimal, first: date, days: int) -> Iterator[Row]:
    service, usage_type, operation = SOLD[key]
    rate = CARD.rates[key]  # type: ignore[index]
    free = rate.free.quantity if rate.free and rate.free.kind == "always" else Decimal(0)
    share = (quantity / days).quantize(Decimal("1e-6"))
    used = Decimal(0)
    for number in range(days):
        amount = quantity - share * (days - 1) if number == days - 1 else share
        gratis = min(amount, max(Decimal(0), free - used))
        used += amount
        row = Row(
            first + timedelta(days=number), service, usage_type, operation, f"{gratis:f}", "0", unit=rate.unit,
            description="$0.0017 per attendee-minute" if key == "chime_audio" else "", rate_code=f"{key}.free",
        )  # fmt: skip
        if gratis:
            yield row
        if amount > gratis:
            cost = (amount - gratis) * rate.tiers[0].price / rate.per
            yield replace(row, quantity=f"{amount - gratis:f}", cost=f"{cost:f}", rate_code=f"{key}.1")


def write(rows: Iterable[Row], path: Path) -> Path:
    """The bill as a file whose name says its format, one of `FORMATS`."""
    content = {"cur2": _cur2, "legacy": _legacy, "focus": _focus}
    name, _, suffix = path.name.partition(".")
    if name == "explorer":
        path.write_text(json.dumps(_explorer(rows)), encoding="utf-8")
        return path
    lines = [content[name](number, row) for number, row in enumerate(rows)]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]))
    writer.writeheader()
    writer.writerows(lines)
    if suffix == "csv":
        path.write_text(text.getvalue(), encoding="utf-8")
    elif suffix == "csv.gz":
        path.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))
    else:
        _parquet(text.getvalue(), path)
    return path


def _parquet(text: str, path: Path) -> None:
    """With the types of Data Exports: times, doubles and a map of tags."""
    import duckdb

    source = path.with_suffix(".source.csv")
    source.write_text(text, encoding="utf-8")
    columns = """* REPLACE (
        CAST(line_item_usage_start_date AS TIMESTAMP) AS line_item_usage_start_date,
        CAST(line_item_usage_amount AS DOUBLE) AS line_item_usage_amount,
        CAST(line_item_unblended_cost AS DOUBLE) AS line_item_unblended_cost,
        map_from_entries([ROW(key, resource_tags ->> key) FOR key IN json_keys(resource_tags)]) AS resource_tags)"""
    with duckdb.connect() as database:
        database.execute(
            f"COPY (SELECT {columns} FROM read_csv('{source}', all_varchar = true, nullstr = '')) TO '{path}' (FORMAT parquet)"
        )
    source.unlink()


def _cur2(number: int, row: Row) -> dict[str, str]:
    return {
        "identity_line_item_id": f"line{number}",
        "identity_time_interval": f"{row.day}T00:00:00Z/{row.day + timedelta(days=1)}T00:00:00Z",
        "bill_payer_account_name": "payer",
        "line_item_line_item_type": row.kind,
        "line_item_usage_account_id": row.account,
        "line_item_usage_start_date": f"{row.day}T00:00:00.000Z",
        "line_item_product_code": row.service,
        "line_item_usage_type": row.usage_type,
        "line_item_operation": row.operation,
        "line_item_resource_id": row.resource,
        "line_item_usage_amount": row.quantity,
        "line_item_currency_code": row.currency,
        "line_item_unblended_cost": row.cost,
        "line_item_line_item_description": row.description,
        "product_region_code": row.region,
        "pricing_unit": row.unit,
        "pricing_rate_code": row.rate_code,
        "resource_tags": json.dumps({"user_whatschat_ops_stack": row.tag} if row.tag else {}),
        **row.extra,
    }


_LEGACY: Final = {
    "identity_line_item_id": "identity/LineItemId",
    "identity_time_interval": "identity/TimeInterval",
    "line_item_line_item_type": "lineItem/LineItemType",
    "line_item_usage_account_id": "lineItem/UsageAccountId",
    "line_item_usage_start_date": "lineItem/UsageStartDate",
    "line_item_product_code": "lineItem/ProductCode",
    "line_item_usage_type": "lineItem/UsageType",
    "line_item_operation": "lineItem/Operation",
    "line_item_resource_id": "lineItem/ResourceId",
    "line_item_usage_amount": "lineItem/UsageAmount",
    "line_item_currency_code": "lineItem/CurrencyCode",
    "line_item_unblended_cost": "lineItem/UnblendedCost",
    "line_item_line_item_description": "lineItem/LineItemDescription",
    "product_region_code": "product/regionCode",
    "pricing_unit": "pricing/unit",
    "pricing_rate_code": "pricing/RateCode",
}


def _legacy(number: int, row: Row) -> dict[str, str]:
    cur2 = _cur2(number, row)
    return {name: cur2[key] for key, name in _LEGACY.items()} | {
        "resourceTags/user:whatschat-ops:stack": row.tag
    }


def _focus(_: int, row: Row) -> dict[str, str]:
    correction = row.kind == "Refund"
    return {
        "BilledCost": row.cost,
        "BillingAccountType": "BillingAccount",
        "BillingCurrency": row.currency,
        "ChargeCategory": "Usage" if correction else row.kind,
        "ChargeClass": "Correction" if correction else "",
        "ChargeDescription": row.description,
        "ChargePeriodStart": f"{row.day}T00:00:00Z",
        "ConsumedQuantity": row.quantity,
        "ConsumedUnit": row.unit,
        "RegionId": row.region,
        "ResourceId": row.resource,
        "SkuPriceId": row.rate_code,
        "SubAccountId": row.account,
        "Tags": json.dumps({"user:whatschat-ops:stack": row.tag} if row.tag else {}),
        "x_Operation": row.operation,
        "x_ServiceCode": row.service,
        "x_UsageType": row.usage_type,
    }


_CALLED: Final = {
    "AmazonApiGateway": "Amazon API Gateway",
    "AWSLambda": "AWS Lambda",
    "AmazonDynamoDB": "Amazon DynamoDB",
    "AmazonChimeServices": "Amazon Chime",
}


def _explorer(rows: Iterable[Row]) -> dict[str, object]:
    """As `aws ce get-cost-and-usage` prints it, grouped by service and usage type."""
    days: dict[date, dict[tuple[str, str], list[Row]]] = {}
    for row in rows:
        key = (_CALLED.get(row.service, row.service), row.usage_type)
        days.setdefault(row.day, {}).setdefault(key, []).append(row)
    return {
        "GroupDefinitions": [
            {"Type": "DIMENSION", "Key": "SERVICE"}, {"Type": "DIMENSION", "Key": "USAGE_TYPE"},
        ],
        "ResultsByTime": [
            {
                "TimePeriod": {"Start": f"{day}", "End": f"{day + timedelta(days=1)}"},
                "Total": {},
                "Groups": [
                    {
                        "Keys": list(key),
                        "Metrics": {
                            "UnblendedCost": {"Amount": f"{sum(Decimal(row.cost) for row in found):f}", "Unit": "USD"},
                            "UsageQuantity": {"Amount": f"{sum(Decimal(row.quantity) for row in found):f}", "Unit": "N/A"},
                        },
                    }
                    for key, found in groups.items()
                ],
                "Estimated": False,
            }
            for day, groups in days.items()
        ],
    }  # fmt: skip


SAMPLE: Final = Path(__file__).parents[1] / "docs" / "samples" / "bill.csv"
_A_DAY: Final = {
    "websocket_messages": 410_000,
    "websocket_connection_minutes": 620_000,
    "lambda_requests": 150_000,
    "lambda_duration_arm64": 2_100,
    "chime_audio": 900,
}
_WEEK: Final = (104, 107, 103, 96, 55, 48, 100)
"""Percent of a Tuesday, a day each."""


def sample() -> list[Row]:
    """September and October 2026 of an application that grows by half a percent a day."""
    made = []
    for number in range(61):
        noise = 97 + number * 37 % 7
        percent = Decimal(_WEEK[number % 7] * noise * (1000 + 5 * number)) / 10**7
        day = date(2026, 9, 1) + timedelta(days=number)
        usage = {key: (amount * percent).quantize(Decimal(1)) for key, amount in _A_DAY.items()}
        made += rows({key: usage[key] for key in usage if not key.startswith("lambda")}, day)
        made += [
            replace(row, cost="0")
            for row in rows({key: usage[key] for key in usage if key.startswith("lambda")}, day)
        ]
    october = date(2026, 10, 31)
    return [
        *made,
        Row(october, "AmazonEC2", "BoxUsage:t3.micro", "RunInstances", "744", "7.74"),
        Row(october, "AmazonApiGateway", "", "", "", "-5.00", kind="Credit"),
        Row(october, "AmazonApiGateway", "", "", "", "3.12", kind="Tax"),
    ]


if __name__ == "__main__":
    write(sample(), SAMPLE.with_name("focus.csv")).replace(SAMPLE)
