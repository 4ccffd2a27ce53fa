"""Expressions of DynamoDB that ministack would carry out in part: done, or rejected as AWS does.

Messages: as recorded on AWS in the tests of dynalite (github.com/mhart/dynalite, test/query.js, updateItem.js).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.conftest import EmbeddedAws
from tests.names import own

pytestmark = pytest.mark.local

TABLE = own("expressions")
KEY = {"p": {"S": "1"}, "r": {"S": "a"}}
ITEM = {
    **KEY,
    "u": {"S": "u"},
    "n": {"N": "1"},
    "s": {"S": "text"},
    "l": {"L": [{"N": "1"}]},
    "m": {"M": {"x": {"N": "1"}}},
}
VALUES = {
    ":a": {"S": "1"},
    ":b": {"S": "2"},
    ":n": {"N": "1"},
    ":l": {"L": [{"N": "2"}]},
    ":type": {"S": "string"},
}


@pytest.fixture(scope="module")
def items(embedded_aws: EmbeddedAws) -> Iterator[Any]:
    """A DynamoDB client, with a table of two items and an index of its keys."""
    client = embedded_aws.client("dynamodb")
    client.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "r", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("p", "r", "u")],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-u",
                "KeySchema": [{"AttributeName": "u", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    client.get_waiter("table_exists").wait(TableName=TABLE)
    client.put_item(TableName=TABLE, Item=ITEM)
    client.put_item(TableName=TABLE, Item={**KEY, "p": {"S": "2"}})
    yield client
    client.delete_table(TableName=TABLE)


def used(expressions: str) -> dict[str, Any]:
    """The values that the expressions name."""
    return {
        "ExpressionAttributeValues": {name: value for name, value in VALUES.items() if name in expressions}
    }


def invalid(call: Any, **parameters: Any) -> str:
    """The message of the ValidationException of a call."""
    with pytest.raises(ClientError) as caught:
        call(TableName=TABLE, **parameters)
    error = caught.value.response["Error"]
    assert error["Code"] == "ValidationException"
    return str(error["Message"])


@pytest.mark.aws(
    "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.KeyConditionExpressions.html; messages: dynalite, test/query.js"
)
@pytest.mark.parametrize(
    ("condition", "operator"),
    [
        ("p = :a OR p = :b", "OR"),
        ("NOT p = :a", "NOT"),
        ("p = :a AND not r = :b", "NOT"),
        ("p = :a AND r <> :b", "<>"),
        ("p = :a AND r IN (:a, :b)", "IN"),
        ("p = :a AND (r = :a or r = :b)", "OR"),
        ("p = :a AND contains(r, :b)", "contains"),
        ("p = :a AND attribute_exists(r)", "attribute_exists"),
    ],
)
def test_key_condition_that_would_lose_items_is_rejected(items: Any, condition: str, operator: str) -> None:
    said = invalid(items.query, KeyConditionExpression=condition, **used(condition))
    assert said == f"Invalid operator used in KeyConditionExpression: {operator}"


@pytest.mark.aws(
    "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.KeyConditionExpressions.html"
)
@pytest.mark.parametrize(
    "condition",
    ["(p = :a) AND (r BETWEEN :a AND :s)", "#or = :a and begins_with(r, :not)"],
)
def test_key_condition_of_aws_finds_its_item(items: Any, condition: str) -> None:
    values = {name: value for name, value in {":a": "1", ":s": "s", ":not": "a"}.items() if name in condition}
    names = {"ExpressionAttributeNames": {"#or": "p"}} if "#or" in condition else {}
    found = items.query(
        TableName=TABLE,
        KeyConditionExpression=condition,
        ExpressionAttributeValues={name: {"S": value} for name, value in values.items()},
        **names,
    )
    assert found["Items"] == [ITEM]


@pytest.mark.aws(
    "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html; messages: dynalite, test/updateItem.js"
)
@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("SET q = n + :a", "Incorrect operand type for operator or function; operator or function: +, operand type: S"),
        ("SET l = list_append(l, :n)", "Incorrect operand type for operator or function; operator or function: list_append, operand type: N"),
        ("SET size = :a", "Attribute name is a reserved keyword; reserved keyword: size"),
    ],
)  # fmt: skip
def test_value_of_a_wrong_type_is_rejected_before_the_item_is_read(
    items: Any, expression: str, message: str
) -> None:
    said = invalid(items.update_item, Key=KEY, UpdateExpression=expression, **used(expression))
    assert said == f"Invalid UpdateExpression: {message}"


@pytest.mark.aws(
    "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html; messages: dynalite, test/updateItem.js"
)
@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("SET q = s + :n", "An operand in the update expression has an incorrect data type"),
        ("SET q = :n - (s + :n)", "An operand in the update expression has an incorrect data type"),
        ("SET s = list_append(s, :l)", "An operand in the update expression has an incorrect data type"),
        ("SET m[0] = :a", "The document path provided in the update expression is invalid for update"),
        ("REMOVE s.x", "The document path provided in the update expression is invalid for update"),
        ("ADD m.y.z :n", "The document path provided in the update expression is invalid for update"),
    ],
)
def test_update_that_does_not_fit_the_item_is_rejected_and_changes_nothing(
    items: Any, expression: str, message: str
) -> None:
    update = {"Key": KEY, "UpdateExpression": expression, **(used(expression) if ":" in expression else {})}
    assert invalid(items.update_item, **update) == message
    with pytest.raises(items.exceptions.TransactionCanceledException) as caught:
        items.transact_write_items(TransactItems=[{"Update": {"TableName": TABLE, **update}}])
    reason = caught.value.response["CancellationReasons"][0]
    assert (reason["Code"], reason["Message"]) == ("ValidationError", message)
    assert items.get_item(TableName=TABLE, Key=KEY)["Item"] == ITEM


@pytest.mark.aws(
    "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html"
)
def test_update_calculates_and_appends_in_nested_paths(items: Any) -> None:
    key = {**KEY, "r": {"S": "updated"}}
    items.put_item(TableName=TABLE, Item={**ITEM, **key})
    items.update_item(
        TableName=TABLE,
        Key=key,
        UpdateExpression="SET m.x = (n + :n) - :n, m.y = list_append(if_not_exists(m.y, :l), list_append(l, :l)), l[9] = :n",
        **used(":n :l"),
    )
    item = items.get_item(TableName=TABLE, Key=key)["Item"]
    one, two = {"N": "1"}, {"N": "2"}
    assert item["m"] == {"M": {"x": one, "y": {"L": [two, one, two]}}}
    assert item["l"] == {"L": [one, one]}
    items.delete_item(TableName=TABLE, Key=key)


@pytest.mark.aws(
    "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.FilterExpression.html; messages: dynalite, test/query.js, scan.js"
)
@pytest.mark.parametrize(
    ("operation", "parameters", "message"),
    [
        (
            "query",
            {"KeyConditionExpression": "p = :a", "FilterExpression": "contains(r, :a)"},
            "Filter Expression can only contain non-primary key attributes: Primary key attribute: r",
        ),
        (
            "scan",
            {"FilterExpression": "attribute_type(s, :type)"},
            "Invalid FilterExpression: Invalid attribute type name found; type: string, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
        ),
        (
            "scan",
            {"FilterExpression": "size = :n"},
            "Invalid FilterExpression: Attribute name is a reserved keyword; reserved keyword: size",
        ),
    ],
)
def test_filter_that_aws_does_not_have_is_rejected(
    items: Any, operation: str, parameters: dict[str, str], message: str
) -> None:
    said = invalid(getattr(items, operation), **parameters, **used(" ".join(parameters.values())))
    assert said == message


@pytest.mark.aws(
    "https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html: Select; message: dynalite, test/query.js"
)
def test_all_attributes_of_an_index_that_has_keys_only_are_rejected(items: Any) -> None:
    condition = {"KeyConditionExpression": "u = :a", **used(":a")}
    for call, parameters in ((items.scan, {}), (items.query, condition)):
        assert invalid(call, IndexName="by-u", Select="ALL_ATTRIBUTES", **parameters) == (
            "One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global "
            "secondary index by-u because its projection type is not ALL"
        )


@pytest.mark.aws(
    "https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Scan.html: Segment, Limit, LastEvaluatedKey"
)
@pytest.mark.parametrize("limit", [{"Limit": 3}, {}], ids=["small pages", "one page"])
def test_segments_have_every_item_once_while_others_come_and_go(items: Any, limit: dict[str, int]) -> None:
    names = [f"scanned-{number}" for number in range(30)]
    for name in names:
        items.put_item(TableName=TABLE, Item={**KEY, "p": {"S": name}})
        items.put_item(TableName=TABLE, Item={**KEY, "p": {"S": name}, "r": {"S": "b"}})
    seen: list[tuple[str, str]] = []
    for segment in range(4):
        start: dict[str, Any] = {}
        while True:
            page = items.scan(TableName=TABLE, Segment=segment, TotalSegments=4, **limit, **start)
            seen += [(item["p"]["S"], item["r"]["S"]) for item in page["Items"]]
            passing = {**KEY, "p": {"S": f"passing-{len(seen)}"}}
            items.put_item(TableName=TABLE, Item=passing)
            items.delete_item(TableName=TABLE, Key=passing)
            if "LastEvaluatedKey" not in page:
                break
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    assert sorted(each for each in seen if each[0] in names) == [
        (name, sort) for name in sorted(names) for sort in ("a", "b")
    ]
    items.put_item(TableName=TABLE, Item={**KEY, "p": {"S": "new"}})
    items.delete_item(TableName=TABLE, Key={**KEY, "p": {"S": names[0]}})
    found = {item["p"]["S"] for item in items.scan(TableName=TABLE)["Items"]}
    assert "new" in found
    assert names[0] in found  # its other item
    for name in [*names, "new"]:
        for sort in ("a", "b"):
            items.delete_item(TableName=TABLE, Key={"p": {"S": name}, "r": {"S": sort}})
    assert {item["p"]["S"] for item in items.scan(TableName=TABLE)["Items"]}.isdisjoint(names)
