"""The audit log: a DynamoDB table to which rows are added, and none is changed or deleted but by TTL.

The table is not part of the stack: it outlives `destroy`. It is created by the first entry, like the lock's. Partitions
are months, so that a look at the last days is one query, and no row lies in a partition that grows for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from whatschat_ops.audit.entry import KEPT, AuditEntry, Outcome, entry_of, month_of, row_of, stamp
from whatschat_ops.aws import Aws
from whatschat_ops.config import Names
from whatschat_ops.errors import Conflict, NotFound, NotProvisioned, Rejected
from whatschat_ops.stack.waiting import Waiting

TABLE_TIMEOUT_S: Final = 120.0


class AuditLog:
    """Adds entries and reads them."""

    def __init__(self, aws: Aws, names: Names, waiting: Waiting | None = None) -> None:
        self._aws = aws
        self._names = names
        self._waiting = waiting or Waiting()

    @property
    def table(self) -> str:
        """Its name."""
        return self._names.audit_table

    def record(self, entry: AuditEntry) -> None:
        """Add the row of an entry; without a table, create that first. Recording an entry again changes nothing.

        Raises AwsError (PermissionDenied, Throttled, Unavailable) when it is not written.
        """
        row = row_of(entry)
        try:
            self._put(row)
        except NotFound:
            self._create()
            self._put(row)

    def entries(
        self,
        *,
        user: str | None = None,
        connection: str | None = None,
        action: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[AuditEntry]:
        """The entries that started from `since` until `until`, newest first, each once, with its outcome if it has one.

        `action` is one (`ws.disconnect`) or a group of them (`ws`). Reads every row of that time, month by month: a look
        back over a month costs a read unit for about 15 rows. Raises NotProvisioned without a table.
        """
        last = until or datetime.now(UTC)
        first = max(since or last - KEPT, last - KEPT)
        ended: AuditEntry | None = None
        for row in self._rows(first, last):
            entry = entry_of(row)
            if entry.outcome is not Outcome.STARTED:
                ended = entry
            elif ended is not None and (entry.at, entry.id) == (ended.at, ended.id):
                continue  # the row of its outcome came just before
            of_action = action is None or f"{entry.action}.".startswith(f"{action}.")
            if of_action and entry.concerns(user, connection):
                yield entry

    def ensure_table(self) -> None:
        """Create the table unless it exists, and have DynamoDB delete its rows after 400 days."""
        try:
            self._enable_ttl()
        except NotFound:
            self._create()

    def _create(self) -> None:
        self._create_table()
        self._waiting.repeat(
            self._enable_ttl,
            while_=lambda error: isinstance(error, (NotFound, Conflict)),
            why=f"Waiting for the table {self.table}.",
            timeout_s=TABLE_TIMEOUT_S,
        )

    @property
    def _client(self) -> Any:
        return self._aws.client("dynamodb")

    def _put(self, row: dict[str, Any]) -> None:
        try:
            self._client.put_item(
                TableName=self.table,
                Item=row,
                ConditionExpression="attribute_not_exists(#entry)",
                ExpressionAttributeNames={"#entry": "entry"},
            )
        except Conflict:  # the id is random, so the row is this one: the answer to the first try was lost
            return

    def _rows(self, first: datetime, last: datetime) -> Iterator[dict[str, Any]]:
        pages = self._client.get_paginator("query")
        try:
            for month in _months(first, last):
                for page in pages.paginate(
                    TableName=self.table,
                    KeyConditionExpression="#month = :month AND #entry BETWEEN :first AND :last",
                    ExpressionAttributeNames={"#month": "month", "#entry": "entry"},
                    ExpressionAttributeValues={
                        ":month": {"S": month},
                        ":first": {"S": stamp(first)},
                        ":last": {"S": f"{stamp(last)}~"},
                    },
                    ScanIndexForward=False,
                    ConsistentRead=True,
                ):
                    yield from page["Items"]
        except NotFound as error:
            raise NotProvisioned.of(
                error,
                f"There is no table {self.table}: nothing was recorded in this Region yet.",
                hint="The first command that changes something creates it.",
            ) from error

    def _enable_ttl(self) -> None:
        try:
            self._client.update_time_to_live(
                TableName=self.table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"}
            )
        except Rejected as error:
            if error.aws_code != "ValidationException":  # "TimeToLive is already enabled"
                raise

    def _create_table(self) -> None:
        tags = [{"Key": key, "Value": value} for key, value in self._names.tags.items()]
        try:
            self._client.create_table(
                TableName=self.table,
                KeySchema=[
                    {"AttributeName": "month", "KeyType": "HASH"},
                    {"AttributeName": "entry", "KeyType": "RANGE"},
                ],
                AttributeDefinitions=[
                    {"AttributeName": name, "AttributeType": "S"} for name in ("month", "entry")
                ],
                BillingMode="PAY_PER_REQUEST",
                DeletionProtectionEnabled=True,
                Tags=tags,
            )
        except Conflict:  # another process is creating it just now
            return


def _months(first: datetime, last: datetime) -> Iterator[str]:
    """The partitions from `last` back to `first`."""
    moment = last.astimezone(UTC).replace(day=15)
    while (month := month_of(moment)) >= month_of(first):
        yield month
        year, number = (moment.year, moment.month - 1) if moment.month > 1 else (moment.year - 1, 12)
        moment = moment.replace(year=year, month=number)
