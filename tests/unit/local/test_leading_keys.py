"""Which value of the partition key a query names."""

from __future__ import annotations

import json

import pytest

from whatschat_ops.local.control.leading_keys import NOT_KNOWN, leading_keys


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("k = :mine", "mine"),
        ("#k = :mine", "mine"),
        ("(k = :mine) AND s = :other", "mine"),
        ("s = :other AND k=:mine", "mine"),
        ("a.k = :mine AND k = :other", "other"),
        ("a . k = :mine AND k = :other", "other"),
        ("a[0].#k = :mine AND k = :other", "other"),
        ("xk = :mine AND k = :other", "other"),
        ("x#k = :mine AND k = :other", "other"),
        (":mine = k", NOT_KNOWN),
        ("a.k = :mine", NOT_KNOWN),
    ],
)
def test_query_names_the_value_that_its_partition_key_equals(condition: str, value: str) -> None:
    request = {
        "TableName": "t",
        "KeyConditionExpression": condition,
        "ExpressionAttributeNames": {"#k": "k"},
        "ExpressionAttributeValues": {":mine": {"S": "mine"}, ":other": {"S": "other"}},
    }
    assert leading_keys(json.dumps(request).encode(), lambda table, index: "k") == [value]
