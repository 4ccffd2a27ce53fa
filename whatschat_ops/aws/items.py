"""Items of DynamoDB with structures in them: plain values to typed ones and back. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer


def typed(values: Mapping[str, Any]) -> dict[str, Any]:
    """The item of plain values (texts, numbers, booleans, lists, maps); what is None is left out."""
    serialize = TypeSerializer().serialize
    return {name: serialize(_exact(value)) for name, value in values.items() if value is not None}


def plain(item: Mapping[str, Any]) -> dict[str, Any]:
    """The values of an item as JSON has them: whole numbers are int, others float."""
    deserialize = TypeDeserializer().deserialize
    return {name: _readable(deserialize(value)) for name, value in item.items()}


def _exact(value: Any) -> Any:
    """boto3 accepts no float, and no mapping but dict."""
    if isinstance(value, Mapping):
        return {name: _exact(item) for name, item in value.items()}
    return Decimal(str(value)) if isinstance(value, float) else value


def _readable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _readable(item) for name, item in value.items()}
    if isinstance(value, Decimal):
        return int(value) if value == int(value) else float(value)
    return value
