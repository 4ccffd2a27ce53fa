"""`cost verify` against AWS's pricing calculator, as botocore's model describes it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from tests.bills import CARD
from tests.calculator_service import SERVICE, Calculator, serving
from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.cost.estimate import estimate
from whatschat_ops.cost.quantities import DistributedFacts, StackFacts
from whatschat_ops.cost.result import Estimate
from whatschat_ops.cost.usage import Usage, load_usage
from whatschat_ops.errors import OpsError, PermissionDenied, TimedOut, Unusable
from whatschat_ops.pricing.offers import PRICES as OFFERED
from whatschat_ops.pricing.pricing import FreeTiers
from whatschat_ops.redaction import Secret
from whatschat_ops.usage.calculator import CalculatorLine, Verification, verify
from whatschat_ops.usage.units import billed_units, usage_type_of

EXAMPLE: Final = Path(__file__).parents[3] / "configs" / "usage" / "example.yaml"
AND_MORE: Final = {
    "lambda.tmp_mb": 1024, "lambda.cold_starts": 500_000, "dynamodb.backup_gb": 2, "dynamodb.restored_gb": 3,
    "dynamodb.stream_reads": 5_000_000, "logs.scanned_gb": 7, "cloudwatch.metrics_requested": 90_000,
    "cloudwatch.high_resolution_alarms": 2, "cloudwatch.composite_alarms": 1, "cloudwatch.emails": 2_000,
    "broadcasts.count": 10, "broadcasts.connections": 50_000, "broadcasts.stored_gb": 1,
}  # fmt: skip
"""So that there are more lines than one call takes."""
FACTS: Final = StackFacts(
    "us-east-1", 256, "arm64", 14, True, True, True, 12, 1, 2, 5, DistributedFacts(10, 1000, 256)
)
PRICES: Final = {
    (OFFERED[key].service, name): float(rate.tiers[0].price / rate.per)
    for key, rate in CARD.rates.items()
    if key in OFFERED and (name := usage_type_of(key, CARD)) is not None
}


def month(usage: Usage | None = None) -> Estimate:
    flags = {key: ("--x", value) for key, value in AND_MORE.items()}
    return estimate(usage or load_usage(EXAMPLE, flags), FACTS, [CARD])


def asked(
    service: Calculator, pause: Callable[[float], None] = lambda _: None, **options: Any
) -> Verification:
    with serving(service):
        target = AwsTarget("us-east-1", endpoint_url=service.url, access_key_id="key", secret_access_key=Secret("secret"))  # fmt: skip
        client = Aws(target, attempts=1).client(SERVICE, region="us-east-1")
        return verify(
            client, "111122223333", month(), CARD, rate_type="BEFORE_DISCOUNTS", pause=pause, **options
        )


def line_of(found: Verification, usage_type: str) -> CalculatorLine:
    return next(line for line in found.lines if line.usage_type == usage_type)


def test_every_line_is_priced_by_both_and_the_estimate_is_deleted() -> None:
    service = Calculator(PRICES, polls=2)
    found = asked(service, free_tiers=FreeTiers.NONE)
    assert len(found.lines) > 25  # more than one call, and more than one page
    assert service.called.count("BatchCreateWorkloadEstimateUsage") == 2
    assert service.called.count("GetWorkloadEstimate") == 3
    assert service.called.count("ListWorkloadEstimateUsage") > 2
    assert service.called[-1] == "DeleteWorkloadEstimate"
    assert service.estimates == {}
    assert {line.status for line in found.lines} == {"VALID"}
    assert max(abs(line.difference) for line in found.lines if line.difference is not None) < Decimal("0.01")
    assert found.aws_total is not None
    assert abs(found.aws_total - found.total) < Decimal("0.01") * len(found.lines)
    assert found.not_sent == ("chime_audio",)


def test_units_are_those_that_aws_bills() -> None:
    found = asked(Calculator(PRICES))
    units = billed_units(month(), CARD)
    assert {line.rate: line.units for line in found.lines} == {
        key: amount for key, amount in units.items() if amount and key not in found.not_sent
    }


def test_free_units_that_the_calculator_does_not_deduct_are_named() -> None:
    line = line_of(asked(Calculator(PRICES)), "Request")
    assert line.cost < line.list_cost
    assert line.difference == line.list_cost - line.cost
    assert line.remark == "the calculator deducts no free units"


def test_other_price_is_named() -> None:
    message = ("AmazonApiGateway", "USE1-ApiGatewayMessage")
    prices = {**PRICES, message: PRICES[message] * 2}
    line = line_of(asked(Calculator(prices)), "USE1-ApiGatewayMessage")
    assert line.difference == line.cost
    assert line.remark == "another price than the card's"


def test_lines_that_aws_does_not_price_are_named() -> None:
    prices = {key: price for key, price in PRICES.items() if "WriteRequestUnits" not in key}
    service = Calculator(prices, stale=frozenset(["USE1-ApiGatewayMinute"]), refused={"Request": "unknown"})
    found = asked(service)
    invalid = line_of(found, "WriteRequestUnits")
    assert (invalid.status, invalid.aws_cost, invalid.difference) == ("INVALID", None, None)
    assert "does not know this usage type" in invalid.remark
    stale = line_of(found, "USE1-ApiGatewayMinute")
    assert (stale.status, stale.remark) == ("STALE", "AWS's price is outdated")
    refused = line_of(found, "Request")
    assert (refused.status, refused.remark) == ("refused", "BAD_REQUEST: unknown")


def interrupted(_: float) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("service", "pause", "error"),
    [
        (Calculator(PRICES), interrupted, KeyboardInterrupt),
        (Calculator(PRICES, polls=10_000), lambda _: None, TimedOut),
        (Calculator(PRICES, outcome="INVALID"), lambda _: None, Unusable),
        (
            Calculator(PRICES, failing={"BatchCreateWorkloadEstimateUsage": (403, "AccessDeniedException")}),
            lambda _: None, PermissionDenied,
        ),
        (Calculator(PRICES, failing={"CreateWorkloadEstimate": (500, "InternalServerException")}), lambda _: None, OpsError),
    ],
    ids=["Ctrl-C", "never ready", "invalid", "not allowed to add lines", "the answer that names it is lost"],
)  # fmt: skip
def test_estimate_is_deleted_however_it_ends(
    service: Calculator, pause: Callable[[float], None], error: type[BaseException]
) -> None:
    with pytest.raises(error):
        asked(service, pause)
    assert "CreateWorkloadEstimate" in service.called
    assert service.estimates == {}


def test_estimate_that_cannot_be_deleted_is_named() -> None:
    service = Calculator(PRICES, failing={"DeleteWorkloadEstimate": (403, "AccessDeniedException")})
    with pytest.raises(PermissionDenied) as raised:
        asked(service)
    assert "may still be there" in "".join(raised.value.__notes__)


def test_nothing_is_sent_without_a_line() -> None:
    client = Aws(AwsTarget("us-east-1")).client(SERVICE, region="us-east-1")
    bare = estimate(Usage(), StackFacts("us-east-1", 256, "arm64", 14), [CARD])
    with pytest.raises(Unusable, match="no line"):
        verify(client, "111122223333", bare, CARD, rate_type="BEFORE_DISCOUNTS")


@pytest.mark.parametrize(
    ("key", "region", "name"),
    [
        ("websocket_messages", "us-east-1", "USE1-ApiGatewayMessage"),
        ("lambda_requests", "us-east-1", "Request"),
        ("kms_requests", "us-east-1", "us-east-1-KMS-Requests"),
    ],
)
def test_usage_type_has_the_regions_prefix(key: str, region: str, name: str) -> None:
    assert usage_type_of(key, CARD) == name  # type: ignore[arg-type]
