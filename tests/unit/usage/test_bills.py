from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from tests.bills import CARD, FORMATS, Row, rows, write
from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.errors import Unusable, UsageError
from whatschat_ops.usage.bills.bill import Bill, Kind, Owner, sums
from whatschat_ops.usage.bills.owned import Owned
from whatschat_ops.usage.bills.prices import is_in, rate_of
from whatschat_ops.usage.bills.reading import read_bill

DAY: Final = date(2026, 11, 1)
USAGE: Final = {
    "websocket_messages": Decimal(3_000_001),
    "websocket_connection_minutes": Decimal("1234567"),
    "lambda_requests": Decimal(1_500_000),
    "dynamodb_writes": Decimal("77.5"),
}
OWNED: Final = Owned.of("whatschat-production", ["websocket-connect", "connections"], "abc123")
MESSAGE: Final = Row(
    DAY, "AmazonApiGateway", "USE1-ApiGatewayMessage", "ApiGatewayWebSocket", "1000", "0.001"
)


def read(path: Path) -> Bill:
    return read_bill(str(path), OWNED, lambda: Aws(AwsTarget("us-east-1")))


def changed(**fields: str) -> Row:
    return replace(MESSAGE, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", FORMATS)
def test_bill_of_any_format_has_the_same_sums(name: str, tmp_path: Path) -> None:
    found = read(write(rows(USAGE, DAY, 3), tmp_path / name))
    quantities: dict[str, Decimal] = {}
    for line in found.lines:
        key = rate_of(line, CARD, "us-east-1")
        assert key is not None
        quantities[key] = quantities.get(key, Decimal(0)) + (line.quantity or 0)
    assert quantities == USAGE
    assert sums(found.lines) == {Kind.USAGE: Decimal("3.000001") + Decimal("0.30864175") + Decimal("0.1") + Decimal("0.0000484375")}  # fmt: skip
    assert found.days == (date(2026, 11, 1), date(2026, 11, 2), date(2026, 11, 3))
    assert (found.rejects, found.handled) == ((), ())


@pytest.mark.parametrize(
    ("name", "said"),
    [*zip(FORMATS, ["CUR 2.0", "CUR 2.0", "legacy CUR", "FOCUS 1.2", "Cost Explorer"], strict=True)],
)
def test_format_is_named(name: str, said: str, tmp_path: Path) -> None:
    assert read(write([MESSAGE], tmp_path / name)).format == said


@pytest.mark.parametrize("name", ["cur2.csv.gz", "cur2.parquet", "legacy.csv.gz", "focus.csv"])
def test_tags_and_ids_tell_whose_usage_it_is(name: str, tmp_path: Path) -> None:
    arn = "arn:aws:lambda:us-east-1:111122223333:function:"
    owners = {
        Owner.STACK: [
            {"tag": "whatschat-production"},
            {"resource": f"{arn}websocket-connect"},
            {"resource": "arn:aws:apigateway:us-east-1::/apis/abc123/stages/production"},
        ],
        Owner.OTHER: [
            {"tag": "whatschat-staging", "resource": f"{arn}websocket-connect"},
            {"resource": f"{arn}websocket-connect-2"},
            {"resource": "arn:aws:apigateway:us-east-1::/apis/abc1234"},
        ],
        Owner.UNKNOWN: [{}, {"resource": "i-0123"}],
    }
    made = [changed(**values) for found in owners.values() for values in found]
    found = read(write(made, tmp_path / name))
    counts = {owner: sum(line.rows for line in found.lines if line.owner is owner) for owner in owners}
    assert counts == {owner: len(values) for owner, values in owners.items()}


@pytest.mark.parametrize("name", ["cur2.csv.gz", "cur2.parquet", "legacy.csv.gz", "focus.csv"])
def test_usage_of_several_accounts_is_named(name: str, tmp_path: Path) -> None:
    others = changed(account="333333333333", tag="whatschat-staging")
    found = read(write([MESSAGE, changed(account="222222222222"), others], tmp_path / name))
    assert found.remarks == (
        "The bill is of 2 accounts, whose usage is added up: 111122223333, 222222222222.",
    )
    assert read(write([MESSAGE, others], tmp_path / name)).remarks == ()


def test_opaque_id_without_the_apis_id_says_nothing(tmp_path: Path) -> None:
    path = write(
        [replace(MESSAGE, resource="arn:aws:apigateway:us-east-1::/apis/other")], tmp_path / "focus.csv"
    )
    found = read_bill(str(path), Owned.of("whatschat-production", ["x"]), lambda: Aws(AwsTarget("us-east-1")))
    assert [line.owner for line in found.lines] == [Owner.UNKNOWN]


@pytest.mark.parametrize(
    ("kind", "is_a"),
    [
        ("Credit", Kind.CREDIT), ("Refund", Kind.REFUND), ("Tax", Kind.TAX), ("Fee", Kind.FEE), ("RIFee", Kind.FEE),
        ("SavingsPlanNegation", Kind.DISCOUNT), ("Adjustment", Kind.OTHER), ("DiscountedUsage", Kind.USAGE),
    ],
)  # fmt: skip
def test_what_is_not_usage_is_apart(kind: str, is_a: Kind, tmp_path: Path) -> None:
    found = read(write([MESSAGE, replace(MESSAGE, kind=kind, cost="-2.5")], tmp_path / "cur2.csv.gz"))
    assert sums(line for line in found.lines if line.kind is is_a)[is_a] == Decimal("-2.5") + (
        Decimal("0.001") if is_a is Kind.USAGE else 0
    )


def test_correction_of_focus_is_a_refund(tmp_path: Path) -> None:
    found = read(write([replace(MESSAGE, kind="Refund", cost="-1")], tmp_path / "focus.csv"))
    assert [(line.kind, line.cost) for line in found.lines] == [(Kind.REFUND, Decimal(-1))]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"quantity": "many"}, "a quantity that is not a number"),
        ({"quantity": "NaN"}, "a quantity that is not a number"),
        ({"cost": "1,000.5"}, "a cost that is not a number"),
        ({"cost": ""}, "a row without a cost"),
        ({"currency": "CNY"}, "a currency other than USD"),
        ({"usage_type": ""}, "usage without a usage type"),
    ],
)
def test_row_that_cannot_be_added_up_is_counted(change: dict[str, str], reason: str, tmp_path: Path) -> None:
    found = read(write([MESSAGE, changed(**change)], tmp_path / "cur2.csv.gz"))
    assert [(each.reason, each.count) for each in found.rejects] == [(reason, 1)]
    assert sum(line.rows for line in found.lines) == 1
    assert found.rows == 2


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def add(tail: bytes) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + tail))

    return damage


def add_empty(path: Path) -> None:
    path.with_name("empty.csv").write_bytes(b"")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (cut, "a compressed file that is cut off or damaged"),
        (add(b"1,2,3\r\n"), "a row with other columns than the header"),
        (add(b"\0\0\0\r\n"), "a row with NUL bytes"),
        (add(b"\xff\xfe,\r\n"), "a row that is not UTF-8"),
        (add_empty, "an empty file"),
    ],
    ids=["cut off", "other columns", "NUL", "not UTF-8", "an empty file beside it"],
)
def test_damage_of_a_file_is_counted(damage: Callable[[Path], None], reason: str, tmp_path: Path) -> None:
    path = write(rows(USAGE, DAY, 30), tmp_path / "cur2.csv.gz")
    damage(path)
    found = read(tmp_path)
    assert reason in [each.reason for each in found.rejects]


@pytest.mark.parametrize(
    "change",
    [lambda data: b"\xef\xbb\xbf" + data, lambda data: data.replace(b"\r\n", b"\n")],
    ids=["byte-order mark", "line feeds"],
)
def test_harmless_differences_of_text_change_nothing(
    change: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = write(rows(USAGE, DAY), tmp_path / "focus.csv")
    before = read(path)
    path.write_bytes(change(path.read_bytes()))
    assert read(path) == before


def test_line_that_was_delivered_twice_counts_once(tmp_path: Path) -> None:
    write([MESSAGE], tmp_path / "cur2.csv.gz")
    (tmp_path / "again").mkdir()
    write([MESSAGE], tmp_path / "again" / "cur2.csv.gz")
    found = read(tmp_path)
    assert [(line.quantity, line.rows) for line in found.lines] == [(Decimal(1000), 1)]
    assert [each.count for each in found.handled] == [1]


def test_two_formats_are_refused(tmp_path: Path) -> None:
    write([MESSAGE], tmp_path / "cur2.csv.gz")
    write([MESSAGE], tmp_path / "focus.csv")
    with pytest.raises(Unusable, match=r"CUR 2\.0 and FOCUS 1\.2"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.csv", b"a,b\n1,2\n", "no rows of a bill"),
        ("cur2.csv", b"line_item_line_item_type,line_item_usage_type\nUsage,Request\n", "no rows of a bill"),
        ("x.parquet", b"PAR1", "no rows of a bill"),
        ("ce.json", b"[]", "no ResultsByTime"),
        ("ce.json", b"{", "not JSON"),
        ("ce.json", b'{"ResultsByTime": []}', "not grouped by usage type"),
    ],
)
def test_what_is_no_bill_is_refused(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Unusable, match=said):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["missing.csv", "*.parquet", "", "notes.txt"])
def test_path_without_a_bill_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no bill")
    with pytest.raises(UsageError):
        read(tmp_path / name)


def test_damage_of_cost_explorers_answer_is_counted(tmp_path: Path) -> None:
    path = write(rows(USAGE, DAY, 2), tmp_path / "explorer.json")
    answer = json.loads(path.read_text())
    first, second = answer["ResultsByTime"]
    first["Groups"][0]["Metrics"]["UsageQuantity"]["Amount"] = "many"
    first["Groups"][1]["Keys"].pop()
    first["Groups"][2]["Metrics"]["UnblendedCost"]["Unit"] = "CNY"
    del second["TimePeriod"]["Start"]
    answer["ResultsByTime"].append(
        {"TimePeriod": {"Start": "2026-11-03", "End": "2026-12-01"}, "Groups": [{}, {}]}
    )
    path.write_text(json.dumps(answer))
    found = read(path)
    counts = {each.reason: each.count for each in found.rejects}
    assert counts.pop("a group that cannot be read") == 3
    assert counts.pop("a period that cannot be read") == 1
    assert list(counts.values()) == [2]
    assert found.rows == 1 + 6


def test_day_is_final_48_hours_after_its_end(tmp_path: Path) -> None:
    found = read(write(rows(USAGE, DAY, 3), tmp_path / "cur2.parquet"))
    assert found.not_final(datetime(2026, 11, 5, 12, tzinfo=UTC)) == (date(2026, 11, 3),)
    assert found.not_final(datetime(2026, 11, 6, tzinfo=UTC)) == ()


def test_day_that_cost_explorer_estimates_is_not_final(tmp_path: Path) -> None:
    path = write(rows(USAGE, DAY), tmp_path / "explorer.json")
    path.write_text(path.read_text().replace('"Estimated": false', '"Estimated": true'))
    assert read(path).not_final(datetime(2027, 1, 1, tzinfo=UTC)) == (DAY,)


@pytest.mark.parametrize(
    ("service", "usage_type", "operation", "region", "stack", "key"),
    [
        ("AmazonApiGateway", "EU-ApiGatewayMessage", "ApiGatewayWebSocket", "", "eu-west-1", "websocket_messages"),
        ("AmazonApiGateway", "APN2-ApiGatewayMinute", "", "", "ap-northeast-2", "websocket_connection_minutes"),
        ("AmazonApiGateway", "USE1-ApiGatewayRequest", "ApiGatewayHttpApi", "", "us-east-1", None),
        ("AWSLambda", "Request", "Invoke", "us-east-1", "us-east-1", "lambda_requests"),
        ("AWSLambda", "USW2-Request-ARM", "Invoke", "us-west-2", "us-west-2", "lambda_requests"),
        ("AWSLambda", "Global-Request", "Invoke", "", "eu-west-1", "lambda_requests"),
        ("AWSLambda", "Lambda-GB-Second", "", "us-east-1", "us-east-1", "lambda_duration_x86_64"),
        ("AWSLambda", "Request", "Invoke", "us-east-1", "eu-west-1", None),
        ("AWSLambda", "EU-Request", "Invoke", "", "us-east-1", None),
        ("AmazonDynamoDB", "IA-WriteRequestUnits", "PayPerRequestThroughput", "us-east-1", "us-east-1", None),
        ("AmazonDynamoDB", "TimedStorage-ByteHrs", "StandardStorage", "us-east-1", "us-east-1", "dynamodb_storage"),
        ("AmazonCloudWatch", "TimedStorage-ByteHrs", "HourlyStorageMetering", "us-east-1", "us-east-1", "logs_stored"),
        ("awskms", "us-east-1-KMS-Requests", "", "us-east-1", "us-east-1", "kms_requests"),
        ("awskms", "eu-west-1-KMS-Requests", "", "", "eu-west-1", "kms_requests"),
        ("AmazonApiGateway", "DataTransfer-Out-Bytes", "", "us-east-1", "us-east-1", "data_transfer_out"),
        ("AmazonEC2", "BoxUsage:t3.micro", "RunInstances", "us-east-1", "us-east-1", None),
    ],
)  # fmt: skip
def test_usage_type_finds_its_price(
    service: str, usage_type: str, operation: str, region: str, stack: str, key: str | None, tmp_path: Path
) -> None:
    row = Row(DAY, service, usage_type, operation, "1", "1", region=region)
    (line,) = read(write([row], tmp_path / "focus.csv")).lines
    assert rate_of(line, CARD, stack) == key
    assert is_in(line, stack) or key is None


@pytest.mark.parametrize(
    ("description", "key"),
    [
        ("$0.0017 per attendee-minute", "chime_audio"),
        ("$0.01 per attendee-minute in HD", None),
        ("$0.004 per minute of a call", None),
    ],
)
def test_attendee_minutes_are_found_by_their_description(
    description: str, key: str | None, tmp_path: Path
) -> None:
    row = Row(DAY, "AmazonChimeServices", "USE1-x", "", "1", "1", description=description)
    (line,) = read(write([row], tmp_path / "cur2.csv.gz")).lines
    assert rate_of(line, CARD, "us-east-1") == key
