"""Calls over Chime: the messages `chime:create-meeting`, `join`, `leave`, `end` and `list-attendees` (docs/protocol.md).

Takes the message and the user of its connection, who is the only identity; returns the answer and what the other users in
the meeting are told. Only meetings of the ledger exist here. What is refused is `Refused`. Join tokens go to their own user
only. Objects of Chime have its fields with a small first letter, as the application's clients read them.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from . import chime_ids
from .aws_api import AwsCallFailed, required
from .chime_api import ChimeApi, ChimeRefused, Document
from .limits import CHIME_UNATTENDED_S
from .meetings import ENDED_BY_SERVICE, ENDED_BY_USER, MeetingsTable, OpenMeeting, StoredMeeting
from .protocol import ErrorCode, Json, Signal

SETTLING_S: Final = 30
"""Chime may not find a meeting younger than this (aws/aws-sdk-js#3328)."""

SETTLING_DELAYS_S: Final = (0.2, 0.5)
TRIES: Final = 5
"""How often a creation begins again because the same user created or ended another meeting meanwhile."""

AGAIN: Final = "send the message again"

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class SignallingSettings:
    """Where new meetings are made, and how many a user can have open."""

    region: str
    media_region: str
    meetings_per_user: int

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> SignallingSettings:
        """From the function's variables. Raises NotConfigured."""
        return cls(
            required(environ, "SIGNALLING_REGION"),
            required(environ, "SIGNALLING_MEDIA_REGION"),
            int(required(environ, "SIGNALLING_MEETINGS_PER_USER")),
        )


@dataclass(frozen=True, slots=True)
class Told:
    """What the other users in the meeting are told."""

    type: str
    data: Json
    users: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Served:
    """The answer to the sender, and what others are told. `beside`: fields that stand beside `data` only."""

    type: str
    data: Json
    told: Told | None = None
    beside: Json | None = None


class Refused(Exception):
    """The message is refused: a code and a reason for the sender; `cause` is for the log."""

    def __init__(self, code: ErrorCode, reason: str, cause: str = "") -> None:
        super().__init__(reason)
        self.code: ErrorCode = code
        self.reason = reason
        self.cause = cause


class Signalling:
    """Serves the messages with a ledger and Chime. `now_s` is seconds since the epoch."""

    def __init__(
        self,
        ledger: MeetingsTable,
        chime: ChimeApi,
        settings: SignallingSettings,
        now_s: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._ledger = ledger
        self._chime = chime
        self._settings = settings
        self._now_s = now_s
        self._sleep = sleep
        self._serve: Mapping[str, Callable[[str, Signal], Served]] = {
            "chime:create-meeting": self._create,
            "chime:join-meeting": self._join,
            "chime:leave-meeting": self._leave,
            "chime:end-meeting": self._end,
            "chime:list-attendees": self._list,
        }

    def serve(self, signal: Signal, user: str) -> Served:
        """Do what the message asks for. Raises Refused."""
        try:
            return self._serve[signal.type](user, signal)
        except ChimeRefused as refusal:
            raise _of_refusal(refusal) from refusal
        except AwsCallFailed as failure:
            raise _of_failure(failure) from failure

    def _create(self, user: str, signal: Signal) -> Served:
        """The user's open meeting of that external id, or a new one: the same message twice makes one meeting."""
        external_user = _external_user_id(user)
        external = self._external_meeting_id(user, signal)
        for _ in range(TRIES):
            entry = self._entry(user, external)
            found = None if entry is None else self._meeting_of(user, entry)
            if found is not None:
                stored, meeting = found
                attendee, told = self._attend(stored, user, external_user)
                document = _small(meeting)
                data = {"meeting": document, "attendee": attendee}
                return Served("chime:meeting-created", data, told, beside=document)
        raise Refused("chime_busy", f"you are creating or ending other meetings; {AGAIN}")

    def _external_meeting_id(self, user: str, signal: Signal) -> str:
        given = signal.field("externalMeetingId")
        if given is None:
            return chime_ids.of_new_meeting(user, int(self._now_s * 1000))
        problem = chime_ids.problem_with(given) if isinstance(given, str) else "it must be a string"
        if problem:
            raise Refused("bad_message", f"externalMeetingId cannot be used: {problem}")
        return str(given)

    def _entry(self, user: str, external: str) -> OpenMeeting | None:
        """The user's entry for the meeting, begun now unless there was one. None when the row changed meanwhile."""
        seen = self._ledger.open_meetings(user)
        kept = tuple(each for each in seen.meetings if not self._has_expired(each))
        known = next((each for each in kept if each.external_meeting_id == external), None)
        if known is not None:
            return known
        if len(kept) >= self._settings.meetings_per_user:
            kept = tuple(each for each in kept if self._is_open(each))
        if len(kept) >= self._settings.meetings_per_user:
            most = self._settings.meetings_per_user
            raise Refused(
                "too_many_meetings", f"you have {len(kept)} meetings open, of {most}; end one first"
            )
        token = str(uuid.uuid4())
        region, media_region = self._settings.region, self._settings.media_region
        meeting = StoredMeeting("", external, user, region, media_region, self._now_s, request_token=token)
        begun = self._ledger.begin(seen, kept, meeting)
        return OpenMeeting(token, external, "", self._now_s, is_new=True) if begun else None

    def _has_expired(self, entry: OpenMeeting) -> bool:
        """Whether its age alone tells that it is not open: no user can have joined a meeting without an id."""
        if not entry.meeting_id:
            return self._now_s - entry.at_s >= CHIME_UNATTENDED_S
        return StoredMeeting("", "", "", "", "", entry.at_s).is_over(self._now_s)

    def _is_open(self, entry: OpenMeeting) -> bool:
        """Ask the ledger, and Chime about a meeting that may have ended by itself."""
        if not entry.meeting_id or self._now_s - entry.at_s < CHIME_UNATTENDED_S:
            return True
        stored = self._ledger.get(entry.meeting_id)
        if stored is None or stored.is_over(self._now_s):
            return False
        if self._now_s - stored.created_s < CHIME_UNATTENDED_S:  # a late resend made it
            return True
        return self._chime.get_meeting(stored.control_region, entry.meeting_id) is not None

    def _meeting_of(self, user: str, entry: OpenMeeting) -> tuple[StoredMeeting, Document] | None:
        """The entry's meeting, which is made now unless it is there. None when it has ended: the entry is deleted."""
        if not entry.meeting_id:
            return self._made(user, entry)
        stored = self._ledger.get(entry.meeting_id)
        if stored is not None and not stored.is_over(self._now_s):
            meeting = self._chime.get_meeting(stored.control_region, stored.meeting_id)
            if meeting is not None:
                return stored, meeting
            self._require_settled(stored)
            self._ledger.end(stored, self._now_s, ENDED_BY_SERVICE)
        self._ledger.release(user, entry.token)
        return None

    def _made(self, user: str, entry: OpenMeeting) -> tuple[StoredMeeting, Document]:
        """Make the meeting. A refusal deletes the rows of a new entry only: an earlier message may have made a meeting."""
        region, media_region = self._settings.region, self._settings.media_region
        try:
            meeting = self._chime.create_meeting(
                region,
                token=entry.token,
                external_meeting_id=entry.external_meeting_id,
                media_region=media_region,
            )
        except ChimeRefused:
            if entry.is_new:
                self._ledger.abandon(user, entry.token)
            raise
        except AwsCallFailed as failure:
            if entry.is_new and not failure.in_doubt:
                self._ledger.abandon(user, entry.token)
            raise
        stored = StoredMeeting(
            meeting["MeetingId"],
            entry.external_meeting_id,
            user,
            region,
            media_region,
            self._now_s,  # not entry.at_s: Chime may have made it just now, and not find it yet
            request_token=entry.token,
        )
        self._ledger.commit(stored)
        return stored, meeting

    def _join(self, user: str, signal: Signal) -> Served:
        external_user = _external_user_id(user)
        stored = self._open_meeting(signal)
        meeting = self._ask(stored, lambda: self._chime.get_meeting(stored.control_region, stored.meeting_id))
        attendee, told = self._attend(stored, user, external_user)
        return Served("chime:attendee-created", {"meeting": _small(meeting), "attendee": attendee}, told)

    def _attend(self, stored: StoredMeeting, user: str, external_user: str) -> tuple[Document, Told | None]:
        """The user's attendee with its join token, and what the others are told about a new one."""
        attendee = self._ask(
            stored,
            lambda: self._chime.create_attendee(stored.control_region, stored.meeting_id, external_user),
        )
        if attendee["ExternalUserId"] != external_user:
            # Chime ignores case: this is the attendee of another user.
            raise Refused(
                "not_allowed",
                "your user id differs in case only from that of an attendee, and Chime cannot tell them apart",
            )
        attendee_id = attendee["AttendeeId"]
        before = self._ledger.join(stored.meeting_id, attendee_id, user)
        if before is None:
            raise _ended()
        if any(joined == attendee_id and other != user for joined, other in before.joined):
            self._ledger.leave(stored.meeting_id, attendee_id, user)
            raise Refused("not_allowed", "your user id stands for the attendee of another user in Chime")
        told = Told(
            "chime:attendee-joined",
            {"meetingId": stored.meeting_id, "attendee": _named(attendee), "userId": user},
            before.others(user),
        )
        return _small(attendee), None if (attendee_id, user) in before.joined else told

    def _leave(self, user: str, signal: Signal) -> Served:
        """A meeting that has ended can be left, too: the web client does it when it hears of the end."""
        stored = self._stored(signal)
        attendee_id = _id(signal, "attendeeId")
        if (attendee_id, user) not in stored.joined:
            raise Refused("not_allowed", "attendeeId is not your attendee in this meeting")
        left = Served("chime:left-meeting", {"meetingId": stored.meeting_id, "attendeeId": attendee_id})
        if stored.is_over(self._now_s):
            return left
        self._chime.delete_attendee(stored.control_region, stored.meeting_id, attendee_id)
        self._ledger.leave(stored.meeting_id, attendee_id, user)
        data = {"meetingId": stored.meeting_id, "attendeeId": attendee_id, "userId": user}
        return Served(left.type, left.data, Told("chime:attendee-left", data, stored.others(user)))

    def _end(self, user: str, signal: Signal) -> Served:
        stored = self._stored(signal)
        if stored.created_by != user:
            raise Refused("not_allowed", "only the user who created a meeting can end it")
        data = {"meetingId": stored.meeting_id, "endedBy": user}
        ended = Served("chime:meeting-ended", data)
        if stored.is_over(self._now_s):
            return ended
        self._chime.delete_meeting(stored.control_region, stored.meeting_id)
        # Users may have joined since the row was read.
        last = self._ledger.end(stored, self._now_s, ENDED_BY_USER, user) or stored
        return Served(ended.type, data, Told(ended.type, data, last.others(user)))

    def _list(self, _user: str, signal: Signal) -> Served:
        stored = self._open_meeting(signal)
        attendees = self._ask(
            stored, lambda: self._chime.list_attendees(stored.control_region, stored.meeting_id)
        )
        data = {"meetingId": stored.meeting_id, "attendees": [*map(_named, attendees)]}
        return Served("chime:attendees-list", data)

    def _stored(self, signal: Signal) -> StoredMeeting:
        stored = self._ledger.get(_id(signal, "meetingId"))
        if stored is None:
            raise Refused("meeting_not_found", "no such meeting was created here")
        return stored

    def _open_meeting(self, signal: Signal) -> StoredMeeting:
        stored = self._stored(signal)
        if stored.is_over(self._now_s):
            raise _ended()
        return stored

    def _ask(self, stored: StoredMeeting, call: Callable[[], Answer | None]) -> Answer:
        """Chime's answer about a meeting. One that Chime does not know has ended, unless it is new."""
        is_new = self._now_s - stored.created_s < SETTLING_S
        for delay_s in (*(SETTLING_DELAYS_S if is_new else ()), None):
            answer = call()
            if answer is not None:
                return answer
            if delay_s is not None:
                self._sleep(delay_s)
        self._require_settled(stored)
        self._ledger.end(stored, self._now_s, ENDED_BY_SERVICE)
        raise _ended()

    def _require_settled(self, stored: StoredMeeting) -> None:
        if self._now_s - stored.created_s < SETTLING_S:
            raise Refused("chime_busy", f"Chime does not know the new meeting yet; {AGAIN}")


def _ended() -> Refused:
    return Refused("meeting_not_found", "the meeting has ended")


def _id(signal: Signal, name: str) -> str:
    value = signal.field(name)
    if not isinstance(value, str) or not chime_ids.is_guid(value):
        raise Refused("bad_message", f"{name} must be an id as Chime gives them")
    return value


def _external_user_id(user: str) -> str:
    external = chime_ids.of_user(user)
    if problem := chime_ids.problem_with(external):
        raise Refused("not_allowed", f"your user id cannot be used in Chime: {problem}")
    return external


def _small(document: Document) -> Document:
    """Chime's document with small first letters: the web client reads `meetingId`, and Chime's SDK ignores case."""
    return {
        f"{name[:1].lower()}{name[1:]}": _small(value) if isinstance(value, dict) else value
        for name, value in document.items()
    }


def _named(attendee: Document) -> Document:
    """An attendee for others: without the join token, with which anyone can join as this attendee."""
    return {"attendeeId": attendee["AttendeeId"], "externalUserId": attendee["ExternalUserId"]}


def _of_refusal(refusal: ChimeRefused) -> Refused:
    if refusal.code == "LimitExceeded":
        reason = "the account has no room for another meeting, or the meeting for another attendee; try later"
        return Refused("chime_limit", reason, str(refusal))
    return Refused("internal_error", "Chime refused the call", str(refusal))


def _of_failure(failure: AwsCallFailed) -> Refused:
    if failure.code.startswith("Throttl") or failure.code in ("HTTP 429", "TooManyRequests"):
        return Refused("chime_busy", f"there are too many calls at the moment; {AGAIN}", str(failure))
    if failure.in_doubt:
        return Refused(
            "chime_failed",
            f"there was no answer in time; {AGAIN}, with the same externalMeetingId",
            str(failure),
        )
    return Refused("internal_error", f"the message could not be handled; {AGAIN}", str(failure))
