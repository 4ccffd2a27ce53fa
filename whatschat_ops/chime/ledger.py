"""The ledger: a DynamoDB table of the meetings that were created here, because Chime has no ListMeetings.

A row is written before CreateMeeting, under `pending#<client request token>`, and replaced by the meeting's own
row afterwards. A crash in between leaves the pending row: the meeting may exist, but its id is lost, so no attendee
can join and Chime ends it after five minutes; then the row is deleted as well.
Rows expire after 30 days (TTL attribute `ttl`); DynamoDB deletes them later, so expired rows are skipped here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from whatschat_ops.aws.translated import translating
from whatschat_ops.chime import rows
from whatschat_ops.chime.models import MeetingRecord, MeetingStatus
from whatschat_ops.errors import Conflict, NotFound, NotProvisioned, UsageError
from whatschat_ops.quotas import CHIME_UNATTENDED_S

UNATTENDED = timedelta(seconds=CHIME_UNATTENDED_S)
"""A pending row of this age is deleted: its meeting, without attendees, has ended."""


def utc_now() -> datetime:
    """The time, timezone-aware."""
    return datetime.now(UTC)


class MeetingLedger:
    """Reads and writes the rows of `table` through a boto3 client of `dynamodb`. Raises NotFound when the table does not exist."""

    def __init__(self, client: Any, table: str, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._client = client
        self._table = table
        self._clock = clock

    def begin(self, token: str, record: MeetingRecord) -> None:
        """Record that a meeting is about to be created with this client request token."""
        pending = replace(record, meeting_id=rows.PENDING_PREFIX + token, status=MeetingStatus.PENDING)
        with self._existing_table() as dynamodb:
            dynamodb.put_item(TableName=self._table, Item=rows.item_of(pending))

    def commit(self, token: str, record: MeetingRecord) -> None:
        """Replace the pending row by the meeting's own, in one transaction."""
        with self._existing_table() as dynamodb:
            dynamodb.transact_write_items(
                TransactItems=[
                    {"Put": {"TableName": self._table, "Item": rows.item_of(record)}},
                    {"Delete": {"TableName": self._table, "Key": rows.key(rows.PENDING_PREFIX + token)}},
                ]
            )

    def abandon(self, token: str) -> None:
        """Delete the pending row: Chime refused, so there is no meeting."""
        self._delete(rows.PENDING_PREFIX + token)

    def get(self, meeting_id: str) -> MeetingRecord | None:
        """The row of a meeting, or None."""
        with self._existing_table() as dynamodb:
            answer = dynamodb.get_item(TableName=self._table, Key=rows.key(meeting_id), ConsistentRead=True)
        item = answer.get("Item")
        return rows.record_of(item) if item and rows.unexpired(item, self._clock()) else None

    def records(self) -> list[MeetingRecord]:
        """Every row that has not expired, newest first."""
        found: list[MeetingRecord] = []
        with self._existing_table() as dynamodb:
            pages = dynamodb.get_paginator("scan").paginate(TableName=self._table, ConsistentRead=True)
            for page in pages:
                found.extend(
                    rows.record_of(item) for item in page["Items"] if rows.unexpired(item, self._clock())
                )
        return sorted(found, key=lambda record: record.created_at, reverse=True)

    def set_status(self, meeting_id: str, status: MeetingStatus) -> bool:
        """Record the status of a meeting. False when it is not in the ledger."""
        try:
            with self._existing_table() as dynamodb:
                dynamodb.update_item(
                    TableName=self._table,
                    Key=rows.key(meeting_id),
                    UpdateExpression="SET #status = :status",
                    ConditionExpression="attribute_exists(meetingId)",
                    ExpressionAttributeNames={"#status": "status"},
                    ExpressionAttributeValues={":status": {"S": status.value}},
                )
        except Conflict:
            return False
        return True

    def settle(self) -> list[MeetingRecord]:
        """As `records`, after deleting the pending rows whose meeting must have ended."""
        kept = []
        for record in self.records():
            if record.status is MeetingStatus.PENDING and self._clock() - record.created_at >= UNATTENDED:
                self._delete(record.meeting_id)
            else:
                kept.append(record)
        return kept

    def _delete(self, key: str) -> None:
        with self._existing_table() as dynamodb:
            dynamodb.delete_item(TableName=self._table, Key=rows.key(key))

    @contextmanager
    def _existing_table(self) -> Iterator[Any]:
        try:
            with translating():
                yield self._client
        except NotFound as error:
            raise NotProvisioned.of(
                error,
                f"The meeting ledger is not available: the table {self._table} does not exist in {self._client.meta.region_name}.",
            ) from error


class NoLedger:
    """In place of a ledger where none is wanted: meetings are not recorded, so they cannot be listed."""

    def begin(self, token: str, record: MeetingRecord) -> None:
        """Record nothing."""

    def commit(self, token: str, record: MeetingRecord) -> None:
        """Record nothing."""

    def abandon(self, token: str) -> None:
        """There is nothing to delete."""

    def get(self, _meeting_id: str) -> MeetingRecord | None:
        """No meeting is known."""
        return None

    def records(self) -> list[MeetingRecord]:
        """Raises UsageError."""
        raise UsageError(
            "Meetings cannot be listed or found by external id: this ChimeService has no ledger.",
            hint="Give ChimeService a MeetingLedger.",
        )

    def set_status(self, _meeting_id: str, _status: MeetingStatus) -> bool:
        """No meeting is known."""
        return False

    def settle(self) -> list[MeetingRecord]:
        """Raises UsageError."""
        return self.records()


Ledger = MeetingLedger | NoLedger
"""What `ChimeService` records meetings in."""
