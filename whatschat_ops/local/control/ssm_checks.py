"""What ministack's Parameter Store would accept and not do (SSM API reference, PutParameter and DescribeParameters)."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Mapping
from typing import Any, Final

from whatschat_ops.local.control.request_checks import Checks, Refusal, first_of, refused
from whatschat_ops.local.control.wire import Handler, Response

MAX_STANDARD_BYTES: Final = 4 * 1024
"""Of a value in the standard tier (PutParameter)."""
_FILTERS: Final = re.compile(r"Name|Type|KeyId|Path|Label|Tier|DataType|tag:.+")


def _value(given: Mapping[str, Any]) -> Refusal | None:
    value, pattern = str(given.get("Value") or ""), given.get("AllowedPattern")
    if given.get("Tier", "Standard") == "Standard" and len(value.encode()) > MAX_STANDARD_BYTES:
        return (
            "ValidationException",
            "Standard tier parameters support a maximum parameter value of 4096 characters. To create a larger "
            "parameter value, upgrade the parameter to use the advanced-parameter tier.",
        )
    if isinstance(pattern, str) and pattern:
        return _pattern(value, pattern)
    return None


def _pattern(value: str, pattern: str) -> Refusal | None:
    try:
        matches = re.fullmatch(pattern, value)
    except re.error:
        return "InvalidAllowedPatternException", f"The pattern is not valid: {pattern}"
    if matches:
        return None
    return (
        "ParameterPatternMismatchException",
        f"Parameter value, cannot be validated against allowedPattern: {pattern}",
    )


def _data_type(given: Mapping[str, Any]) -> Refusal | None:
    if given.get("DataType", "text") == "text":
        return None
    return "ValidationException", f"DataType {given['DataType']}: the embedded AWS does not validate it."


def _filters(given: Mapping[str, Any]) -> Refusal | None:
    for each in given.get("ParameterFilters") or ():
        if isinstance(each, dict) and not _FILTERS.fullmatch(str(each.get("Key"))):
            return "InvalidFilterKey", f"The filter key {each.get('Key')} is not valid."
    return None


CHECKS: Final[Checks] = {
    "DescribeParameters": first_of(refused("Shared", code="ValidationException"), _filters),
    "GetParametersByPath": _filters,
    "PutParameter": first_of(refused("Policies", code="InvalidPolicyTypeException"), _data_type, _value),
}

_READABLE: Final = re.compile(rb'"ENCRYPTED:([A-Za-z0-9+/=]*)"')
_key = secrets.token_bytes(32)


def with_ciphertexts(handler: Handler) -> Handler:
    """The handler of Parameter Store. An encrypted value that is read without decryption says nothing about its text."""

    async def handle(*request: Any) -> Response:
        status, headers, body = await handler(*request)
        if isinstance(body, bytes) and b'"SecureString"' in body:
            body = _READABLE.sub(lambda found: b'"%s"' % _ciphertext(found[1]), body)
        return status, headers, body

    return handle


def _ciphertext(text: bytes) -> bytes:
    return b"AQICAH" + base64.b64encode(hashlib.blake2b(text, key=_key).digest())
