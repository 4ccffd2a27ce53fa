"""The ledger of meetings, as the handlers use it: the table in which `chime` of the program keeps its meetings, too.

A meeting's row is written before Chime is asked, under `pending#<client request token>`, and replaced by the meeting's own
afterwards: what a lost answer leaves in doubt is resolved by asking again with the same token. `joined` holds who joined
through the functions: `<attendee id> <user id>`.

`open#<user id>` is the one row of a user: the meetings that this user has made and that may be open. It is replaced only
in the version that was read, so the limit of a user holds for calls at the same time. Raises AwsCallFailed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from .aws_api import AwsCallFailed
from .connections_table import Attribute, JsonApi, iso_time
from .limits import CHIME_MEETING_S

PENDING_PREFIX: Final = "pending#"
OPEN_PREFIX: Final = "open#"
KEPT_S: Final = 30 * 24 * 60 * 60
"""How long rows are kept."""

PURPOSE: Final = "call"
"""What meetings of users are for, in the ledger; the program's own have `test`."""

ENDED_BY_SERVICE: Final = "ended"
ENDED_BY_USER: Final = "signalling"
CHANGED: Final = ("ConditionalCheckFailedException", "TransactionCanceledException")

Item = Mapping[str, Attribute]


@dataclass(frozen=True, slots=True)
class StoredMeeting:
    """A meeting's row. `created_s` is seconds since the epoch; `joined` are (attendee id, user id)."""

    meeting_id: str
    external_meeting_id: str
    created_by: str
    control_region: str
    media_region: str
    created_s: float
    status: str = "created"
    request_token: str = ""
    joined: frozenset[tuple[str, str]] = frozenset()

    def is_over(self, now_s: float) -> bool:
        """Whether it has ended, as far as the ledger and its age tell."""
        return self.status not in ("created", "pending") or now_s - self.created_s >= CHIME_MEETING_S

    def others(self, user: str) -> tuple[str, ...]:
        """The users who joined, without this one."""
        return tuple(sorted({other for _, other in self.joined} - {user}))


@dataclass(frozen=True, slots=True)
class OpenMeeting:
    """A meeting that a user has made; `meeting_id` is empty until Chime has answered. `at_s` is when it was asked for.

    `is_new`: this message asks first, so no earlier request to Chime can have had the token.
    """

    token: str
    external_meeting_id: str
    meeting_id: str
    at_s: float
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class OpenMeetings:
    """Those of one user, in one version of their row (None: there is no row)."""

    version: int | None
    meetings: tuple[OpenMeeting, ...]


class MeetingsTable:
    """Reads and writes rows of one table."""

    def __init__(self, api: JsonApi, name: str) -> None:
        self._api = api
        self._name = name

    def get(self, meeting_id: str) -> StoredMeeting | None:
        """The row of a meeting."""
        item = self._item(meeting_id)
        return None if item is None else _meeting(item)

    def open_meetings(self, user: str) -> OpenMeetings:
        """What a user has open, as their row says."""
        item = self._item(OPEN_PREFIX + user)
        if item is None:
            return OpenMeetings(None, ())
        found = (
            OpenMeeting(
                token, _text(of["M"], "external"), _text(of["M"], "meeting"), float(of["M"]["at"]["N"])
            )
            for token, of in item["open"]["M"].items()
        )
        return OpenMeetings(int(item["version"]["N"]), tuple(found))

    def begin(self, seen: OpenMeetings, kept: tuple[OpenMeeting, ...], meeting: StoredMeeting) -> bool:
        """Record that a meeting is about to be made, beside the user's other open ones (`kept`).

        False when the user's row is no longer the one that was seen.
        """
        entry = OpenMeeting(meeting.request_token, meeting.external_meeting_id, "", meeting.created_s)
        opened = {
            "meetingId": {"S": OPEN_PREFIX + meeting.created_by},
            "version": {"N": str((seen.version or 0) + 1)},
            "open": {"M": {each.token: _entry(each) for each in (*kept, entry)}},
            "ttl": {"N": str(int(meeting.created_s) + KEPT_S)},
        }
        unchanged: dict[str, Any] = {
            "ConditionExpression": "attribute_not_exists(meetingId)"
            if seen.version is None
            else "#version = :seen",
        }
        if seen.version is not None:
            unchanged |= {
                "ExpressionAttributeNames": {"#version": "version"},
                "ExpressionAttributeValues": {":seen": {"N": str(seen.version)}},
            }
        pending = {
            **_item(meeting),
            "meetingId": {"S": PENDING_PREFIX + meeting.request_token},
            "status": {"S": "pending"},
        }
        return self._transact(
            {"Put": {"TableName": self._name, "Item": opened, **unchanged}},
            {"Put": {"TableName": self._name, "Item": pending}},
        )

    def commit(self, meeting: StoredMeeting) -> None:
        """Replace the pending row by the meeting's own, unless another call has."""
        for _ in range(3):
            if self._transact(
                {
                    "Put": {
                        "TableName": self._name,
                        "Item": _item(meeting),
                        "ConditionExpression": "attribute_not_exists(meetingId)",
                    }
                },
                {
                    "Delete": {
                        "TableName": self._name,
                        "Key": _key(PENDING_PREFIX + meeting.request_token),
                    }
                },
            ):
                break
            if self.get(meeting.meeting_id) is not None:
                break
        else:
            raise AwsCallFailed("TransactWriteItems", CHANGED[1])
        self._update(
            OPEN_PREFIX + meeting.created_by,
            "SET #open.#token.meeting = :id, #version = #version + :one",
            "attribute_exists(#open.#token)",
            {"#open": "open", "#token": meeting.request_token, "#version": "version"},
            {":id": {"S": meeting.meeting_id}, ":one": {"N": "1"}},
        )

    def abandon(self, user: str, token: str) -> None:
        """Chime refused: there is no meeting."""
        self._call("DeleteItem", Key=_key(PENDING_PREFIX + token))
        self.release(user, token)

    def release(self, user: str, token: str) -> None:
        """A user's meeting is not open any more."""
        self._update(
            OPEN_PREFIX + user,
            "REMOVE #open.#token SET #version = #version + :one",
            "attribute_exists(#open.#token)",
            {"#open": "open", "#token": token, "#version": "version"},
            {":one": {"N": "1"}},
        )

    def join(self, meeting_id: str, attendee_id: str, user: str) -> StoredMeeting | None:
        """Record that a user has joined. The row as it was before; None when the meeting is not open."""
        return self._update(
            meeting_id,
            "ADD joined :who",
            "#status = :created",
            {"#status": "status"},
            {":who": {"SS": [f"{attendee_id} {user}"]}, ":created": {"S": "created"}},
        )

    def leave(self, meeting_id: str, attendee_id: str, user: str) -> None:
        """Record that a user has left."""
        who = f"{attendee_id} {user}"
        values: dict[str, Attribute] = {":who": {"SS": [who]}, ":one": {"S": who}}
        self._update(meeting_id, "DELETE joined :who", "contains(joined, :one)", {}, values)

    def end(
        self, meeting: StoredMeeting, now_s: float, reason: str, user: str | None = None
    ) -> StoredMeeting | None:
        """Record that a meeting has ended. The row as it was before; None when the end was recorded before."""
        values: dict[str, Attribute] = {
            ":created": {"S": "created"},
            ":status": {"S": "ended" if user is None else "deleted"},
            ":at": {"S": iso_time(int(now_s * 1000))},
            ":reason": {"S": reason},
        }
        by = "" if user is None else ", endedBy = :by"
        if user is not None:
            values[":by"] = {"S": user}
        was = self._update(
            meeting.meeting_id,
            f"SET #status = :status, endedAt = :at, endReason = :reason{by}",
            "#status = :created",
            {"#status": "status"},
            values,
        )
        if meeting.request_token:
            self.release(meeting.created_by, meeting.request_token)
        return was

    def _item(self, key: str) -> Item | None:
        # Strongly consistent: a client joins the meeting that another has just made.
        answer = self._call("GetItem", Key=_key(key), ConsistentRead=True)
        found: Item | None = answer.get("Item")
        return found

    def _update(
        self,
        key: str,
        expression: str,
        condition: str,
        names: Mapping[str, str],
        values: Mapping[str, Attribute],
    ) -> StoredMeeting | None:
        """The row as it was before, if it is a meeting's. None when the condition does not hold."""
        try:
            answer = self._call(
                "UpdateItem",
                Key=_key(key),
                UpdateExpression=expression,
                ConditionExpression=condition,
                ExpressionAttributeValues=values,
                ReturnValues="ALL_OLD",
                **({"ExpressionAttributeNames": names} if names else {}),
            )
        except AwsCallFailed as failure:
            if failure.code in CHANGED:
                return None
            raise
        old = answer["Attributes"]
        return _meeting(old) if "externalMeetingId" in old else None

    def _transact(self, *items: Mapping[str, Any]) -> bool:
        try:
            self._api.call("dynamodb", "DynamoDB_20120810.TransactWriteItems", {"TransactItems": items})
        except AwsCallFailed as failure:
            if failure.code in CHANGED:
                return False
            raise
        return True

    def _call(self, operation: str, **request: Any) -> dict[str, Any]:
        return self._api.call(
            "dynamodb", f"DynamoDB_20120810.{operation}", {"TableName": self._name, **request}
        )


def _key(meeting_id: str) -> dict[str, Attribute]:
    return {"meetingId": {"S": meeting_id}}


def _entry(meeting: OpenMeeting) -> Attribute:
    return {
        "M": {
            "external": {"S": meeting.external_meeting_id},
            "meeting": {"S": meeting.meeting_id},
            "at": {"N": f"{meeting.at_s:.3f}"},
        }
    }


def _item(meeting: StoredMeeting) -> dict[str, Attribute]:
    texts = {
        "meetingId": meeting.meeting_id,
        "externalMeetingId": meeting.external_meeting_id,
        "createdBy": meeting.created_by,
        "controlRegion": meeting.control_region,
        "mediaRegion": meeting.media_region,
        "createdAt": iso_time(int(meeting.created_s * 1000)),
        "status": meeting.status,
        "purpose": PURPOSE,
        "requestToken": meeting.request_token,
    }
    ttl = {"ttl": {"N": str(int(meeting.created_s) + KEPT_S)}}
    return {**{name: {"S": text} for name, text in texts.items()}, **ttl}


def _meeting(item: Item) -> StoredMeeting:
    """Rows of the program and of its earlier versions have no `joined` and may have no `requestToken`."""
    joined = (who.partition(" ") for who in item.get("joined", {}).get("SS", ()))
    return StoredMeeting(
        item["meetingId"]["S"],
        item["externalMeetingId"]["S"],
        item["createdBy"]["S"],
        item["controlRegion"]["S"],
        item["mediaRegion"]["S"],
        datetime.fromisoformat(item["createdAt"]["S"]).timestamp(),
        item["status"]["S"],
        _text(item, "requestToken"),
        frozenset((attendee_id, user) for attendee_id, _, user in joined),
    )


def _text(item: Item, name: str) -> str:
    return str(item.get(name, {}).get("S", ""))
