"""What is asked of the service, in order, and what comes of it: every operation with each kind of its results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

UNKNOWN: Final = "00000000-0000-0000-0000-000000000000"
ALL: Final = {"Audio": "SendReceive", "Video": "SendReceive", "Content": "SendReceive"}
NO_VIDEO: Final = {"Audio": "SendReceive", "Video": "None", "Content": "SendReceive"}
ENGLISH: Final = {"EngineTranscribeSettings": {"LanguageCode": "en-US"}}

Said = dict[str, Any]
"""Step -> its answer."""


@dataclass(frozen=True)
class Step:
    """One call. `given` makes its input from earlier answers. `error` None: it succeeds, and `holds` is true of the answer.

    `sampled`: the AWS CLI, which takes a second for a call, makes it in the tests, too, and not for the table only.
    """

    operation: str
    asked: str
    given: Callable[[Said], Mapping[str, Any]]
    error: str | None = None
    holds: Callable[[Mapping[str, Any], Said], bool] = field(default=lambda answer, said: True)
    sampled: bool = False

    @property
    def name(self) -> str:
        return f"{self.operation}: {self.asked}"


def _meeting(said: Said, name: str = "CreateMeeting: every option") -> str:
    return str(said[name]["Meeting"]["MeetingId"])


def _arn(said: Said) -> str:
    return str(said["CreateMeeting: every option"]["Meeting"]["MeetingArn"])


def _small(said: Said) -> str:
    return _meeting(said, "CreateMeeting: one attendee at most")


def _attendee(said: Said) -> dict[str, str]:
    attendee = said["CreateAttendee: a user"]["Attendee"]["AttendeeId"]
    return {"MeetingId": _meeting(said), "AttendeeId": attendee}


def _unknown(**more: Any) -> Callable[[Said], Mapping[str, Any]]:
    return lambda _said: {"MeetingId": UNKNOWN, **more}


def _of_meeting(**more: Any) -> Callable[[Said], Mapping[str, Any]]:
    return lambda said: {"MeetingId": _meeting(said), **more}


EVERY_OPTION: Final = {
    "ClientRequestToken": "clients-token",
    "MediaRegion": "eu-central-1",
    "ExternalMeetingId": "clients-1",
    "MeetingHostId": "host-1",
    "MeetingFeatures": {"Audio": {"EchoReduction": "AVAILABLE"}, "Video": {"MaxResolution": "HD"}},
    "TenantIds": ["tenant-1"],
    "Tags": [{"Key": "team", "Value": "calls"}],
}
ONE_ATTENDEE: Final = {
    "MediaRegion": "us-west-2",
    "ExternalMeetingId": "clients-2",
    "MeetingFeatures": {"Video": {"MaxResolution": "None"}, "Attendee": {"MaxCount": 1}},
}
USERS: Final = [{"ExternalUserId": user} for user in ("bob", "carol", "aws:x")]
FIFTY: Final = [{"Key": f"key{number}", "Value": "x"} for number in range(50)]

STEPS: Final = (
    Step("CreateMeeting", "every option", lambda _: EVERY_OPTION, sampled=True),
    Step(
        "CreateMeeting", "the same token", lambda _: EVERY_OPTION,
        holds=lambda answer, said: answer == said["CreateMeeting: every option"],
    ),
    Step(
        "CreateMeeting", "one attendee at most", lambda _: ONE_ATTENDEE,
        holds=lambda answer, _: "TenantIds" not in answer["Meeting"],
    ),
    Step(
        "CreateMeeting", "a replica",
        lambda said: {"MediaRegion": "eu-west-1", "ExternalMeetingId": "clients-3", "PrimaryMeetingId": _meeting(said)},
        holds=lambda answer, said: answer["Meeting"]["PrimaryMeetingId"] == _meeting(said),
    ),
    Step(
        "CreateMeeting", "a media Region that is none",
        lambda _: {"MediaRegion": "mars-1", "ExternalMeetingId": "clients-4"}, "BadRequestException",
    ),
    Step(
        "CreateMeeting", "a reserved id",
        lambda _: {"MediaRegion": "us-east-1", "ExternalMeetingId": "aws:x"}, "BadRequestException",
    ),
    Step(
        "CreateMeetingWithAttendees", "two users, one with a reserved id",
        lambda _: {"MediaRegion": "us-east-1", "ExternalMeetingId": "clients-5", "Attendees": [USERS[0], USERS[2]]},
        holds=lambda answer, _: (len(answer["Attendees"]), len(answer["Errors"])) == (1, 1),
    ),
    Step(
        "CreateMeetingWithAttendees", "a media Region that is none",
        lambda _: {"MediaRegion": "mars-1", "ExternalMeetingId": "clients-6", "Attendees": USERS[:1]},
        "BadRequestException",
    ),
    Step(
        "GetMeeting", "a meeting", _of_meeting(),
        holds=lambda answer, said: answer == said["CreateMeeting: every option"],
    ),
    Step("GetMeeting", "an unknown meeting", _unknown(), "NotFoundException", sampled=True),
    Step("CreateAttendee", "a user", _of_meeting(ExternalUserId="alice", Capabilities=ALL)),
    Step(
        "CreateAttendee", "the same user", _of_meeting(ExternalUserId="ALICE"),
        holds=lambda answer, said: answer == said["CreateAttendee: a user"],
    ),
    Step("CreateAttendee", "in an unknown meeting", _unknown(ExternalUserId="alice"), "NotFoundException"),
    Step(
        "CreateAttendee", "capabilities that the meeting has not",
        lambda said: {"MeetingId": _small(said), "ExternalUserId": "alice", "Capabilities": ALL},
        "BadRequestException",
    ),
    Step(
        "BatchCreateAttendee", "three users, one with a reserved id", _of_meeting(Attendees=USERS),
        holds=lambda answer, _: [error["ExternalUserId"] for error in answer["Errors"]] == ["aws:x"],
        sampled=True,
    ),
    Step(
        "BatchCreateAttendee", "one more than the meeting holds",
        lambda said: {"MeetingId": _small(said), "Attendees": USERS[:2]},
        holds=lambda answer, _: [error["ErrorCode"] for error in answer["Errors"]] == ["LimitExceeded"],
    ),
    Step("BatchCreateAttendee", "in an unknown meeting", _unknown(Attendees=USERS[:1]), "NotFoundException"),
    Step(
        "CreateAttendee", "one more than the meeting holds",
        lambda said: {"MeetingId": _small(said), "ExternalUserId": "dave"}, "LimitExceededException",
    ),
    Step(
        "GetAttendee", "an attendee", _attendee,
        holds=lambda answer, said: answer == said["CreateAttendee: a user"],
    ),
    Step("GetAttendee", "an unknown attendee", _of_meeting(AttendeeId=UNKNOWN), "NotFoundException"),
    Step(
        "ListAttendees", "two at most", _of_meeting(MaxResults=2),
        holds=lambda answer, _: len(answer["Attendees"]) == 2 and bool(answer["NextToken"]),
        sampled=True,
    ),
    Step(
        "ListAttendees", "the next page",
        lambda said: {"MeetingId": _meeting(said), "NextToken": said["ListAttendees: two at most"]["NextToken"]},
        holds=lambda answer, _: len(answer["Attendees"]) == 1 and answer.get("NextToken") is None,
    ),
    Step("ListAttendees", "a token that is none", _of_meeting(NextToken="x"), "BadRequestException"),
    Step("ListAttendees", "of an unknown meeting", _unknown(), "NotFoundException"),
    Step(
        "UpdateAttendeeCapabilities", "of an attendee",
        lambda said: {**_attendee(said), "Capabilities": {**ALL, "Video": "Receive"}},
        holds=lambda answer, _: answer["Attendee"]["Capabilities"]["Video"] == "Receive",
    ),
    Step(
        "UpdateAttendeeCapabilities", "content without video",
        lambda said: {**_attendee(said), "Capabilities": NO_VIDEO}, "BadRequestException",
    ),
    Step(
        "UpdateAttendeeCapabilities", "of an unknown attendee",
        _of_meeting(AttendeeId=UNKNOWN, Capabilities=ALL), "NotFoundException",
    ),
    Step(
        "BatchUpdateAttendeeCapabilitiesExcept", "of all but one",
        lambda said: {
            "MeetingId": _meeting(said), "Capabilities": ALL,
            "ExcludedAttendeeIds": [{"AttendeeId": _attendee(said)["AttendeeId"]}],
        },
    ),
    Step(
        "BatchUpdateAttendeeCapabilitiesExcept", "in an unknown meeting",
        _unknown(Capabilities=ALL, ExcludedAttendeeIds=[{"AttendeeId": UNKNOWN}]), "NotFoundException",
    ),
    Step(
        "TagResource", "a meeting",
        lambda said: {"ResourceARN": _arn(said), "Tags": [{"Key": "stage", "Value": "test"}]},
    ),
    Step("TagResource", "more than 50 tags", lambda said: {"ResourceARN": _arn(said), "Tags": FIFTY}, "TooManyTagsException"),
    Step(
        "TagResource", "a resource that is none",
        lambda said: {"ResourceARN": _arn(said)[:-36] + UNKNOWN, "Tags": FIFTY[:1]}, "ResourceNotFoundException",
    ),
    Step("UntagResource", "a meeting", lambda said: {"ResourceARN": _arn(said), "TagKeys": ["team"]}),
    Step(
        "UntagResource", "a resource that is none",
        lambda said: {"ResourceARN": _arn(said)[:-36] + UNKNOWN, "TagKeys": ["team"]}, "ResourceNotFoundException",
    ),
    Step(
        "ListTagsForResource", "a meeting", lambda said: {"ResourceARN": _arn(said)},
        holds=lambda answer, _: answer["Tags"] == [{"Key": "stage", "Value": "test"}],
    ),
    Step(
        "ListTagsForResource", "a resource that is none",
        lambda said: {"ResourceARN": _arn(said)[:-36] + UNKNOWN}, "ResourceNotFoundException",
    ),
    Step(
        "StartMeetingTranscription", "a meeting", _of_meeting(TranscriptionConfiguration=ENGLISH),
        "UnprocessableEntityException", sampled=True,
    ),
    Step(
        "StartMeetingTranscription", "no engine", _of_meeting(TranscriptionConfiguration={}), "BadRequestException",
    ),
    Step(
        "StartMeetingTranscription", "an unknown meeting",
        _unknown(TranscriptionConfiguration=ENGLISH), "NotFoundException",
    ),
    Step("StopMeetingTranscription", "a meeting", _of_meeting(), "UnprocessableEntityException"),
    Step("StopMeetingTranscription", "an unknown meeting", _unknown(), "NotFoundException"),
    Step("DeleteAttendee", "an attendee", _attendee),
    Step("DeleteAttendee", "an unknown attendee", _of_meeting(AttendeeId=UNKNOWN), "NotFoundException"),
    Step("DeleteMeeting", "a meeting", _of_meeting()),
    Step("DeleteMeeting", "a meeting that was deleted", _of_meeting()),
    Step("GetMeeting", "a meeting that was deleted", _of_meeting(), "NotFoundException"),
)  # fmt: skip
