"""A row of the connections table as it is stored: what `aws.item_pages` reads of it."""

from __future__ import annotations

from typing import Any

import msgspec


class StoredRow(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """The attributes as DynamoDB JSON; None: absent."""

    connection_id: dict[str, Any]
    user_id: dict[str, Any] | None = None
    connected_at: dict[str, Any] | None = None
    ttl: dict[str, Any] | None = None
