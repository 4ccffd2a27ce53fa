"""Price list files in the shape that AWS publishes. us-east-1 has the real figures; those of other Regions are invented for tests."""

from __future__ import annotations

from typing import Any

Band = tuple[str, str, str]
"""Begin, end and price for one unit."""

FIGURES: dict[tuple[str, str, str], list[Band]] = {
    ("AmazonApiGateway", "ApiGatewayMessage", "ApiGatewayWebSocket"): [
        ("0", "1000000000", "0.0000010000"),
        ("1000000000", "Inf", "0.0000008000"),
    ],
    ("AmazonApiGateway", "ApiGatewayMinute", "ApiGatewayWebSocket"): [("0", "Inf", "0.0000002500")],
    ("AmazonApiGateway", "ApiGatewayRequest", "ApiGatewayRequest"): [("0", "Inf", "0.0000035000")],
    ("AWSLambda", "Request", ""): [("0", "Inf", "0.0000002000")],
    ("AWSLambda", "Request-ARM", ""): [("0", "Inf", "0.0000002000")],
    ("AWSLambda", "Lambda-GB-Second", ""): [
        ("0", "6000000000", "0.0000166667"),
        ("6000000000", "15000000000", "0.0000150000"),
        ("15000000000", "Inf", "0.0000133334"),
    ],
    ("AWSLambda", "Lambda-GB-Second-ARM", ""): [
        ("0", "7500000000", "0.0000133334"),
        ("7500000000", "18750000000", "0.0000120001"),
        ("18750000000", "Inf", "0.0000106667"),
    ],
    ("AmazonDynamoDB", "WriteRequestUnits", "PayPerRequestThroughput"): [("0", "Inf", "0.000000625")],
    ("AmazonDynamoDB", "ReadRequestUnits", "PayPerRequestThroughput"): [("0", "Inf", "0.000000125")],
    ("AmazonDynamoDB", "IA-WriteRequestUnits", "PayPerRequestThroughput"): [("0", "Inf", "0.00000078")],
    ("AmazonDynamoDB", "TimedStorage-ByteHrs", "StandardStorage"): [("0", "25", "0"), ("25", "Inf", "0.25")],
    ("AmazonDynamoDB", "TimedPITRStorage-ByteHrs", ""): [("0", "Inf", "0.20")],
    ("AmazonDynamoDB", "TimedBackupStorage-ByteHrs", ""): [("0", "Inf", "0.10")],
    ("AmazonDynamoDB", "RestoreDataSize-Bytes", ""): [("0", "Inf", "0.15")],
    ("AmazonDynamoDB", "Streams-Requests", "GetRecords"): [
        ("0", "2500000", "0"),
        ("2500000", "Inf", "0.0000002"),
    ],
    ("AmazonCloudWatch", "DataProcessing-Bytes", "PutLogEvents"): [("0", "Inf", "0.50")],
    ("AmazonCloudWatch", "VendedLog-Bytes", ""): [
        ("0", "10000", "0.50"),
        ("10000", "30000", "0.25"),
        ("30000", "50000", "0.10"),
        ("50000", "Inf", "0.05"),
    ],
    ("AmazonCloudWatch", "CW:MetricMonitorUsage", ""): [
        ("0", "10000", "0.30"),
        ("10000", "250000", "0.10"),
        ("250000", "1000000", "0.05"),
        ("1000000", "Inf", "0.02"),
    ],
    ("AmazonCloudWatch", "CW:GMD-Metrics", "GetMetricData"): [("0", "Inf", "0.00001")],
    ("AmazonCloudWatch", "CW:AlarmMonitorUsage", ""): [("0", "Inf", "0.10")],
    ("AmazonCloudWatch", "CW:HighResAlarmMonitorUsage", ""): [("0", "Inf", "0.30")],
    ("AmazonCloudWatch", "CW:CompositeAlarmMonitorUsage", ""): [("0", "Inf", "0.50")],
    ("AmazonSNS", "DeliveryAttempts-SMTP", ""): [("0", "1000", "0"), ("1000", "Inf", "0.00002")],
    ("awskms", "KMS-Requests", ""): [("0", "Inf", "0.000003")],
    ("AmazonStates", "StateTransition", ""): [("0", "Inf", "0.000025")],
    ("AmazonS3", "Requests-Tier1", ""): [("0", "Inf", "0.000005")],
    ("AmazonS3", "Requests-Tier2", ""): [("0", "Inf", "0.0000004")],
    ("AmazonS3", "TimedStorage-ByteHrs", ""): [
        ("0", "51200", "0.023"),
        ("51200", "512000", "0.022"),
        ("512000", "Inf", "0.021"),
    ],
    ("AWSLambda", "Lambda-Storage-GB-Second", ""): [("0", "Inf", "0.0000000309")],
    ("AmazonCloudWatch", "TimedStorage-ByteHrs", "HourlyStorageMetering"): [("0", "Inf", "0.03")],
    ("AmazonCloudWatch", "DataScanned-Bytes", ""): [("0", "Inf", "0.005")],
    ("AWSDataTransfer", "DataTransfer-Out-Bytes", ""): [
        ("0", "10240", "0.09"),
        ("10240", "51200", "0.085"),
        ("51200", "153600", "0.07"),
        ("153600", "Inf", "0.05"),
    ],
}
INVENTED = {
    "ap-northeast-2": {
        # Published: 1.1 billion messages are $1,234 in Seoul; these two bands give that sum and are invented all the same.
        "ApiGatewayMessage": [("0", "1000000000", "0.00000114"), ("1000000000", "Inf", "0.00000094")],
    },
    "eu-central-1": {"Request": [("0", "Inf", "0.0000009")]},
}
PREFIX = {"us-east-1": "", "ap-northeast-2": "APN2-", "eu-central-1": "EUC1-"}


def offers(region: str, *, version: str = "20260930120000") -> list[dict[str, Any]]:
    """The files of all services for a Region."""
    made: dict[str, dict[str, Any]] = {}
    for number, ((service, usage_type, operation), bands) in enumerate(FIGURES.items()):
        offer = made.setdefault(service, _empty(service, version))
        _add(offer, f"SKU{number:02}", region, usage_type, operation, _bands(region, usage_type, bands))
    _add(made["AWSLambda"], "FREE", region, "Global-Request", "", [("0", "1000000", "0")], prefix="")
    return list(made.values())


def _bands(region: str, usage_type: str, bands: list[Band]) -> list[Band]:
    return INVENTED.get(region, {}).get(usage_type, bands)


def _empty(service: str, version: str) -> dict[str, Any]:
    return {
        "formatVersion": "v1.0",
        "offerCode": service,
        "version": version,
        "publicationDate": "2026-09-30T12:00:00Z",
        "products": {},
        "terms": {"OnDemand": {}},
    }


def _add(
    offer: dict[str, Any],
    sku: str,
    region: str,
    usage_type: str,
    operation: str,
    bands: list[Band],
    prefix: str | None = None,
) -> None:
    before = PREFIX[region] if prefix is None else prefix
    if region == "us-east-1" and usage_type.startswith(("ApiGatewayM", "StateT", "Streams")):
        before = "USE1-"
    elif offer["offerCode"] == "awskms":
        before = f"{region}-"
    attributes = {
        "servicecode": offer["offerCode"],
        "regionCode": region,
        "usagetype": before + usage_type,
        "operation": operation,
    }
    offer["products"][sku] = {"sku": sku, "productFamily": "Family", "attributes": attributes}
    dimensions = {
        f"{sku}.JRTCKXETXF.{number}": {
            "rateCode": f"{sku}.JRTCKXETXF.{number}",
            "unit": "Unit",
            "beginRange": begin,
            "endRange": end,
            "pricePerUnit": {"USD": price},
            "appliesTo": [],
        }
        for number, (begin, end, price) in enumerate(bands)
    }
    offer["terms"]["OnDemand"][sku] = {
        f"{sku}.JRTCKXETXF": {
            "sku": sku,
            "effectiveDate": "2026-09-01T00:00:00Z",
            "priceDimensions": dimensions,
        }
    }
