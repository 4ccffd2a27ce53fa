"""The ledger: a DynamoDB table of the meetings that were created here, because Chime has no ListMeetings.

A row is written before CreateMeeting, under `pending#<client request token>`, and replaced by the meeting's own
row afterwards (`creation` has what becomes of it after a crash).
Rows expire after 30 days (TTL attribute `ttl`); DynamoDB deletes them later, so expired rows are skipped here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from whatschat_ops.aws.items import typed
from whatschat_ops.aws.translated import translating
from whatschat_ops.chime import rows
from whatschat_ops.chime.models import End, MeetingRecord, MeetingStatus
from whatschat_ops.errors import Conflict, NotFound, NotProvisioned, Rejected, UsageError

COMMIT_ATTEMPTS = 3
"""DynamoDB cancels a transaction while another one has the same rows (TransactionConflict), as of a process that recovers them."""


def utc_now() -> datetime:
    """The time, timezone-aware."""
    return datetime.now(UTC)


class MeetingLedger:
    """Reads and writes the rows of `table` through a boto3 client of `dynamodb`. Raises NotFound when the table does not exist."""

    def __init__(self, client: Any, table: str, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._client = client
        self._table = table
        self._clock = clock

    def begin(self, record: MeetingRecord) -> None:
        """Record that a meeting is about to be created with the record's request token."""
        pending = replace(record, meeting_id=rows.pending_id(record), status=MeetingStatus.PENDING)
        with self._existing_table() as dynamodb:
            dynamodb.put_item(TableName=self._table, Item=rows.item_of(pending))

    def commit(self, record: MeetingRecord) -> None:
        """Replace the pending row by the meeting's own, in one transaction. A row that is there already stays as it is.

        Another process may have recovered the meeting, and deleted it since then.
        """
        put = {"Item": rows.item_of(record), "ConditionExpression": "attribute_not_exists(meetingId)"}
        delete = {"Key": rows.key(rows.pending_id(record))}
        for attempt in range(1, COMMIT_ATTEMPTS + 1):
            try:
                with self._existing_table() as dynamodb:
                    dynamodb.transact_write_items(
                        TransactItems=[
                            {"Put": {"TableName": self._table, **put}},
                            {"Delete": {"TableName": self._table, **delete}},
                        ]
                    )
                return
            except (Conflict, Rejected):
                if self.get(record.meeting_id) is not None:
                    self.abandon(record)
                    return
                if attempt == COMMIT_ATTEMPTS:
                    raise

    def abandon(self, record: MeetingRecord) -> None:
        """Delete the pending row of a record: there is no meeting, or it has a row of its own."""
        with self._existing_table() as dynamodb:
            dynamodb.delete_item(TableName=self._table, Key=rows.key(rows.pending_id(record)))

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

    def end(self, meeting_id: str, status: MeetingStatus, end: End) -> bool:
        """Record that a meeting is over, and how. False when it is not in the ledger, or was over already."""
        return self._set_end(meeting_id, {"status": status.value, **_how(end)})

    def intend(self, meeting_id: str, end: End | None) -> bool:
        """Record how a meeting is about to be ended, so that it is known even if the program ends before `end`; None: it is not.

        False as for `end`.
        """
        return self._set_end(meeting_id, _how(end))

    def _set_end(self, meeting_id: str, values: dict[str, str | None]) -> bool:
        given = {name: value for name, value in values.items() if value is not None}
        changes = {
            "SET": [f"#{name} = :{name}" for name in given],
            "REMOVE": [f"#{name}" for name in values if name not in given],
        }
        over = [status.value for status in MeetingStatus if status.over]
        try:
            with self._existing_table() as dynamodb:
                dynamodb.update_item(
                    TableName=self._table,
                    Key=rows.key(meeting_id),
                    UpdateExpression=" ".join(
                        f"{verb} {', '.join(each)}" for verb, each in changes.items() if each
                    ),
                    ConditionExpression="attribute_exists(meetingId) AND NOT #status IN (:over0, :over1)",
                    ExpressionAttributeNames={f"#{name}": name for name in (*values, "status")},
                    ExpressionAttributeValues=typed(
                        {f":{name}": value for name, value in given.items()}
                        | {f":over{n}": status for n, status in enumerate(over)}
                    ),
                )
        except Conflict:
            return False
        return True

    def set_usage(self, record: MeetingRecord) -> None:
        """Record what a meeting has used. Nothing happens when it is not in the ledger any more."""
        values = rows.usage_of(record)
        names = {f"#{number}": name for number, name in enumerate(values)}
        with suppress(Conflict), self._existing_table() as dynamodb:
            dynamodb.update_item(
                TableName=self._table,
                Key=rows.key(record.meeting_id),
                UpdateExpression="SET " + ", ".join(f"{short} = :{short[1:]}" for short in names),
                ConditionExpression="attribute_exists(meetingId)",
                ExpressionAttributeNames=names,
                ExpressionAttributeValues={f":{short[1:]}": values[name] for short, name in names.items()},
            )

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

    def begin(self, record: MeetingRecord) -> None:
        """Record nothing."""

    def commit(self, record: MeetingRecord) -> None:
        """Record nothing."""

    def abandon(self, record: MeetingRecord) -> None:
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

    def end(self, _meeting_id: str, _status: MeetingStatus, _end: End) -> bool:
        """No meeting is known."""
        return False

    def intend(self, _meeting_id: str, _end: End | None) -> bool:
        """No meeting is known."""
        return False


def _how(end: End | None) -> dict[str, str | None]:
    if end is None:
        return dict.fromkeys(("endReason", "endedBy", "endedAt"))
    at = None if end.at is None else end.at.isoformat()
    return {"endReason": end.reason, "endedBy": end.by, "endedAt": at}


Ledger = MeetingLedger | NoLedger
"""What `ChimeService` records meetings in."""
