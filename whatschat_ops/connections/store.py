"""The connections table: which users are connected, through which connections.

Rows are written by the `$connect` function and expire by TTL. DynamoDB removes an expired row within days, not at
once, so every read here skips expired rows unless asked (DynamoDB developer guide, "Time to Live").
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from whatschat_ops.aws import Aws
from whatschat_ops.config.names import USER_INDEX
from whatschat_ops.errors import Conflict, NotFound, NotProvisioned
from whatschat_ops.worker.tally import never_expires, stored_time

if TYPE_CHECKING:
    from whatschat_ops.aws.item_pages import ItemPage, ItemPages, Key
    from whatschat_ops.connections.stored import StoredRow


class Connection(msgspec.Struct, frozen=True, gc=False):
    """One row. `ttl` is when it expires; `connected_at` is None in a row that does not say.

    `connected_at_attribute` and `ttl_attribute` are the attributes as stored: with them a deletion makes sure that the row
    is still the same one.
    """

    connection_id: str
    user_id: str
    connected_at: datetime | None
    ttl: datetime | None
    connected_at_attribute: Mapping[str, Any] | None = None
    ttl_attribute: Mapping[str, Any] | None = None

    def expired(self, now_s: float) -> bool:
        """Whether the row should be gone already (`now_s` in epoch seconds)."""
        return self.ttl is not None and self.ttl.timestamp() <= now_s

    def expired_by(self, moment: datetime) -> bool:
        """The same at an aware moment, several times faster: for who looks at every row."""
        return self.ttl is not None and self.ttl <= moment

    def never_expires(self, now_s: float) -> bool:
        """Whether DynamoDB will never delete the row (`worker.tally.never_expires`)."""
        return never_expires(self.ttl_attribute, now_s)


class ConnectionStore:
    """Reads and deletes rows of one connections table. Thread-safe."""

    def __init__(self, aws: Aws, table: str, *, now_s: Callable[[], float] = time.time) -> None:
        self._aws = aws
        self._table = table
        self._now_s = now_s

    @property
    def _client(self) -> Any:
        return self._aws.client("dynamodb")

    def scan(self, *, include_expired: bool = False) -> Iterator[Connection]:
        """Every connection, page by page as they are read. Raises NotFound when there is no table."""
        yield from self._rows(lambda key: self._pages.scan(0, 1, key), include_expired)

    def about_how_many(self) -> int:
        """How many rows DynamoDB counted in the last six hours or so. Raises NotFound when there is no table."""
        with self._explaining():
            return int(self._client.describe_table(TableName=self._table)["Table"]["ItemCount"])

    def of_user(self, user_id: str, *, include_expired: bool = False) -> Iterator[Connection]:
        """The connections of one user. The index is eventually consistent: a row of this very moment may be missing."""
        yield from self._rows(
            lambda key: self._pages.query(USER_INDEX, "userId", user_id, key), include_expired
        )

    def of_users(self, user_ids: tuple[str, ...], *, include_expired: bool = False) -> Iterator[Connection]:
        """The connections of these users, each user asked once; all connections when no user is named."""
        if not user_ids:
            yield from self.scan(include_expired=include_expired)
        for user_id in dict.fromkeys(user_ids):
            yield from self.of_user(user_id, include_expired=include_expired)

    def get(self, connection_id: str) -> Connection | None:
        """One row as it is now (strongly consistent), expired or not; None when there is none."""
        with self._explaining():
            answer = self._client.get_item(
                TableName=self._table, Key=_key(connection_id), ConsistentRead=True
            )
        return _connection(answer["Item"]) if "Item" in answer else None

    def delete(self, connection_id: str) -> bool:
        """Delete a row. Returns whether there was one."""
        with self._explaining():
            answer = self._client.delete_item(
                TableName=self._table, Key=_key(connection_id), ReturnValues="ALL_OLD"
            )
        return bool(answer.get("Attributes"))

    def prune(self, connection: Connection) -> bool:
        """Delete a row only if it is still the one that was read. Returns whether it was deleted.

        Between reading a row and learning that its socket is gone, the id may have been written again.
        """
        return self._delete_if(connection, {"connectedAt": connection.connected_at_attribute})

    def prune_expired(self, connection: Connection) -> bool:
        """Delete an expired row only if it is still the one that was read and its life was not prolonged."""
        read = {"connectedAt": connection.connected_at_attribute, "ttl": connection.ttl_attribute}
        return self._delete_if(connection, read)

    def _delete_if(self, connection: Connection, read: Mapping[str, Mapping[str, Any] | None]) -> bool:
        """Delete the row if these attributes are still as they were read (None: absent)."""
        tests, values = ["attribute_exists(connectionId)"], {}
        for name, value in read.items():
            if value is None:
                tests.append(f"attribute_not_exists(#{name})")
            else:
                tests.append(f"#{name} = :{name}")
                values[f":{name}"] = value
        condition = {
            "ConditionExpression": " AND ".join(tests),
            "ExpressionAttributeNames": {f"#{name}": name for name in read},
            **({"ExpressionAttributeValues": values} if values else {}),
        }
        try:
            with self._explaining():
                self._client.delete_item(
                    TableName=self._table, Key=_key(connection.connection_id), **condition
                )
        except Conflict:
            return False
        return True

    @cached_property
    def _pages(self) -> ItemPages[StoredRow]:
        from whatschat_ops.aws.item_pages import ItemPages
        from whatschat_ops.connections.stored import StoredRow

        return ItemPages(self._aws, self._table, StoredRow)

    def _rows(
        self, read: Callable[[Key | None], ItemPage[StoredRow]], include_expired: bool
    ) -> Iterator[Connection]:
        now_s, key = self._now_s(), None
        while True:
            with self._explaining():
                page = read(key)
            for item in page.items:
                row = _connection_of(item.connection_id, item.user_id, item.connected_at, item.ttl)
                if include_expired or not row.expired(now_s):
                    yield row
            key = page.next_key
            if key is None:
                return

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except NotFound as error:
            raise NotProvisioned.of(
                error,
                f"There is no connections table {self._table}: {error.message}",
            ) from error


def _key(connection_id: str) -> dict[str, Any]:
    return {"connectionId": {"S": connection_id}}


def _connection(item: Mapping[str, Any]) -> Connection:
    return _connection_of(item["connectionId"], item.get("userId"), item.get("connectedAt"), item.get("ttl"))


def _connection_of(
    connection_id: Mapping[str, Any],
    user_id: Mapping[str, Any] | None,
    connected_at: Mapping[str, Any] | None,
    ttl: Mapping[str, Any] | None,
) -> Connection:
    return Connection(
        connection_id["S"],
        user_id.get("S", "") if user_id else "",
        stored_time(connected_at),
        stored_time(ttl),
        connected_at,
        ttl,
    )
