"""Keys and indexes of a table, as we want them and as DynamoDB describes them. Pure.

We want string keys without a sort key and indexes that project every attribute: such a key is described by its attribute alone
(`userId`). Whatever else DynamoDB has is added in words (`userId (N), connectedAt; KEYS_ONLY`), so that it is not the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Schema = Sequence[Mapping[str, str]]


def attribute_definitions(*names: str) -> list[dict[str, str]]:
    """AttributeDefinitions of string keys."""
    return [{"AttributeName": name, "AttributeType": "S"} for name in dict.fromkeys(names)]


def key_schema(key: str) -> list[dict[str, str]]:
    """KeySchema of a partition key."""
    return [{"AttributeName": key, "KeyType": "HASH"}]


def global_index(name: str, key: str) -> dict[str, Any]:
    """A GlobalSecondaryIndex."""
    return {"IndexName": name, "KeySchema": key_schema(key), "Projection": {"ProjectionType": "ALL"}}


def global_indexes(keys: Mapping[str, str]) -> dict[str, Any]:
    """GlobalSecondaryIndexes of CreateTable, from index names to keys; nothing without one."""
    return {"GlobalSecondaryIndexes": [global_index(name, key) for name, key in keys.items()]} if keys else {}


def describe_key(table: Mapping[str, Any]) -> str:
    """The key of a table that DescribeTable gave: `userId` if it is the string `userId` alone."""
    return _key(table["KeySchema"], table)


def describe_indexes(table: Mapping[str, Any]) -> dict[str, str]:
    """Index name -> its key, and its projection unless that is ALL, of a table that DescribeTable gave."""
    return {
        each["IndexName"]: _key(each["KeySchema"], table) + _projection(each.get("Projection", {}))
        for each in table.get("GlobalSecondaryIndexes", [])
    }


def _key(schema: Schema, table: Mapping[str, Any]) -> str:
    types = {each["AttributeName"]: each["AttributeType"] for each in table.get("AttributeDefinitions", [])}
    order = sorted(schema, key=lambda each: each["KeyType"] != "HASH")
    return ", ".join(
        each["AttributeName"]
        + ("" if (kind := types.get(each["AttributeName"], "S")) == "S" else f" ({kind})")
        for each in order
    )


def _projection(projection: Mapping[str, Any]) -> str:
    kind = projection.get("ProjectionType", "ALL")
    names = sorted(projection.get("NonKeyAttributes", []))
    return "" if kind == "ALL" else f"; {' '.join([kind, *names])}"
