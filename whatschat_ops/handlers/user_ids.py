"""User ids as the functions' logs have them: as they are, or hashed (`LOG_USER_IDS=hashed`). Pure.

A hash is salted with what is the same for the functions and for an operator who reads their logs: the account, the
Region and the connections table. So the logs of two stacks cannot be joined, and tables of hashes made beforehand are
of no use; but whoever knows the three and can guess a user id can test the guess.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from .connections_table import table_name

HASHED: Final = "hashed"
"""The value of LOG_USER_IDS."""

PREFIX: Final = "sha256:"
DIGITS: Final = 16
"""64 bits: two of a million users have the same hash once in 37 million stacks."""


def logged_user_id(user_id: str, function_arn: str, environ: Mapping[str, str]) -> str:
    """The id for the line of the function with this ARN and these environment variables."""
    if environ.get("LOG_USER_IDS") != HASHED:
        return user_id
    _, _, _, region, account, *_ = function_arn.split(":")
    return hashed_user_id(user_id, account, region, table_name(environ))


def hashed_user_id(user_id: str, account: str, region: str, table: str) -> str:
    """`sha256:` and 16 hexadecimal digits."""
    text = "\n".join((account, region, table, user_id))
    return PREFIX + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS]
