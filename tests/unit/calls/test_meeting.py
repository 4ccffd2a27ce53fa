"""A test meeting: each failure named at its stage, and the meeting deleted whatever happens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from whatschat_ops.calls.meeting import JOIN_FIELDS, MeetingCall, MeetingReport, missing_fields
from whatschat_ops.chime.models import Attendee, AttendeeBatch, FailedAttendee, JoinInfo, Meeting
from whatschat_ops.chime.reachability import (
    TCP_CHECK,
    UDP_CHECK,
    MediaEndpoint,
    Outcome,
    Reach,
    media_endpoints,
)
from whatschat_ops.errors import OpsError, PermissionDenied, Unavailable

MEETING = {
    "MeetingId": "m-1",
    "ExternalMeetingId": "call-1",
    "MediaRegion": "eu-central-1",
    "MediaPlacement": {
        "AudioHostUrl": "audio.example:3478",
        "SignalingUrl": "wss://signal.example/control/m-1",
        "TurnControlUrl": "https://turn.example/v2",
    },
}
ATTENDEE = {"AttendeeId": "a-1", "ExternalUserId": "alice", "JoinToken": "secret-token"}


@dataclass
class Service:
    """Chime with one meeting; each operation can fail."""

    failing: Mapping[str, OpsError] = field(default_factory=dict)
    meeting: Mapping[str, Any] = field(default_factory=lambda: MEETING)
    failed: tuple[FailedAttendee, ...] = ()
    calls: list[str] = field(default_factory=list)
    on_call: Callable[[str], None] = lambda _name: None

    def _called(self, name: str) -> None:
        self.calls.append(name)
        self.on_call(name)
        if name in self.failing:
            raise self.failing[name]

    def create_meeting(self) -> Meeting:
        self._called("create_meeting")
        return Meeting.from_api(MEETING, "us-east-1")

    def create_attendees(self, meeting_id: str, user_ids: Sequence[str]) -> AttendeeBatch:
        self._called("create_attendees")
        return AttendeeBatch((), self.failed)

    def join_info(self, meeting_id: str, reference: str) -> JoinInfo:
        self._called("join_info")
        return JoinInfo(self.meeting, Attendee.from_api(ATTENDEE))

    def delete_meeting(self, meeting_id: str) -> None:
        self._called("delete_meeting")


def probed(
    udp: Outcome, tcp: Outcome = Outcome.REACHABLE
) -> Callable[[Sequence[MediaEndpoint]], list[Reach]]:
    outcomes = {UDP_CHECK: udp, TCP_CHECK: tcp}
    return lambda endpoints: [Reach(each, outcomes[each.check], 1.0, "", "x") for each in endpoints]


def called(service: Service, probe: Any = None, stop: threading.Event | None = None) -> MeetingReport:
    users = ("alice", "bob")
    return MeetingCall(
        service, service.create_meeting, users, probe=probe, stop=stop or threading.Event()
    ).run()


def test_meeting_that_can_be_joined_passes_every_stage_and_is_deleted() -> None:
    service = Service()

    report = called(service, probed(Outcome.REACHABLE))

    assert report.ok and report.deleted and report.failure is None
    assert [stage.stage for stage in report.stages] == [
        "create meeting",
        "create attendees",
        "join information",
        "endpoints",
        "reachability",
        "delete",
    ]
    assert [reach.endpoint.field for reach in report.reached] == [
        each.field
        for each in media_endpoints(MEETING["MediaPlacement"])  # type: ignore[arg-type]
    ]
    assert service.calls[-1] == "delete_meeting"
    assert "no audio was sent" in " ".join(report.not_tested)


def test_without_media_servers_their_stages_are_left_out_and_named_as_not_tested() -> None:
    report = called(Service())

    assert report.ok
    assert "endpoints" not in [stage.stage for stage in report.stages]
    assert len(report.not_tested) == 2


@pytest.mark.parametrize(
    ("operation", "stage", "deleted"),
    [
        ("create_meeting", "create meeting", None),
        ("create_attendees", "create attendees", True),
        ("join_info", "join information", True),
        ("delete_meeting", "delete", False),
    ],
)
def test_operation_that_fails_is_named_at_its_stage_and_the_meeting_is_deleted(
    operation: str, stage: str, deleted: bool | None
) -> None:
    service = Service({operation: PermissionDenied("not allowed", hint="ask")})

    report = called(service, probed(Outcome.REACHABLE))

    assert report.failure is not None
    assert (report.failure.stage, report.deleted, report.ok) == (stage, deleted, False)
    assert "not allowed" in report.failure.cause
    assert (service.calls[-1] == "delete_meeting") == (deleted is not None)


def test_meeting_that_is_left_over_after_a_failure_is_named_in_a_remark() -> None:
    failing = {"join_info": Unavailable("down"), "delete_meeting": Unavailable("still down")}

    report = called(Service(failing))

    assert report.failure is not None and report.failure.stage == "join information"
    assert report.deleted is False
    (remark,) = report.remarks
    assert "m-1 was not deleted" in remark and "chime meeting delete m-1" in remark


def test_attendee_that_chime_refuses_is_named() -> None:
    report = called(Service(failed=(FailedAttendee("bob", "LimitExceeded", "too many"),)))

    assert report.failure is not None and report.failure.stage == "create attendees"
    assert "bob: LimitExceeded (too many)" in report.failure.cause


@pytest.mark.parametrize("path", ["AudioHostUrl", "SignalingUrl", "TurnControlUrl"])
def test_meeting_without_a_url_that_the_sdk_needs_is_named(path: str) -> None:
    placement = {name: url for name, url in MEETING["MediaPlacement"].items() if name != path}  # type: ignore[attr-defined]

    report = called(Service(meeting={**MEETING, "MediaPlacement": placement}))

    assert report.failure is not None and report.failure.stage == "join information"
    assert f"Meeting.MediaPlacement.{path}" in report.failure.cause
    assert report.deleted


def test_every_field_is_missing_from_nothing() -> None:
    assert len(missing_fields({})) == sum(map(len, JOIN_FIELDS.values()))
    assert missing_fields({"Meeting": MEETING, "Attendee": ATTENDEE}) == []


@pytest.mark.parametrize(
    ("probe", "stage", "cause"),
    [
        (probed(Outcome.UNRESOLVED), "endpoints", "do not resolve: audio.example"),
        (probed(Outcome.REFUSED), "reachability", "audio.example (UDP 3478)"),
        (probed(Outcome.REACHABLE, Outcome.NO_ANSWER), "reachability", "signal.example (TCP 443)"),
        (probed(Outcome.REACHABLE, Outcome.REFUSED), "reachability", "turn.example (TCP 443)"),
    ],
)
def test_server_that_cannot_be_reached_is_named(probe: Any, stage: str, cause: str) -> None:
    report = called(Service(), probe)

    assert report.failure is not None and report.failure.stage == stage
    assert cause in report.failure.cause
    assert "chime.aws" in str(report.failure.hint)
    assert report.deleted


def test_silence_over_udp_is_a_remark_because_it_proves_nothing() -> None:
    report = called(Service(), probed(Outcome.NO_ANSWER))

    assert report.ok
    assert "UDP may be blocked" in report.remarks[0]


@pytest.mark.parametrize("operation", ["create_meeting", "create_attendees", "join_info"])
def test_interrupt_ends_it_after_the_operation_and_deletes_the_meeting(operation: str) -> None:
    stop = threading.Event()
    service = Service(on_call=lambda name: stop.set() if name == operation else None)

    report = called(service, probed(Outcome.REACHABLE), stop)

    assert report.interrupted and report.deleted and not report.ok
    assert service.calls[-1] == "delete_meeting"
    assert report.reached == ()


def test_second_interrupt_still_deletes_the_meeting() -> None:
    def interrupt(name: str) -> None:
        if name == "join_info":
            raise KeyboardInterrupt

    service = Service(on_call=interrupt)

    with pytest.raises(KeyboardInterrupt):
        called(service)

    assert service.calls[-1] == "delete_meeting"
