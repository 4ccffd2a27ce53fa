"""A Chime meeting with two attendees, made, checked and deleted: as far as a call can be tested without a browser.

Whatever happens, the meeting is deleted. Its media are not tested: amazon-chime-sdk-js needs a browser
(aws/amazon-chime-sdk-js#1959), and no other client of Chime's media exists outside phones.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Protocol

from whatschat_ops.calls.stages import CallState, StageFailure, StageTime
from whatschat_ops.chime.models import AttendeeBatch, JoinInfo, Meeting
from whatschat_ops.chime.reachability import UDP_CHECK, MediaEndpoint, Outcome, Reach, media_endpoints
from whatschat_ops.errors import Hint, OpsError

NO_MEDIA: Final = "Media: no audio was sent, because Chime has no client without a browser."
NO_SERVERS: Final = "Media servers: the embedded AWS has none. Test them with an environment on an account."

JOIN_FIELDS: Final[Mapping[str, Sequence[str]]] = {
    "Meeting": ("MeetingId", "MediaPlacement"),
    "Meeting.MediaPlacement": ("AudioHostUrl", "SignalingUrl", "TurnControlUrl"),
    "Attendee": ("AttendeeId", "ExternalUserId", "JoinToken"),
}
"""What amazon-chime-sdk-js reads without asking whether it is there (src/meetingsession/MeetingSessionConfiguration.ts)."""

_SWEEP: Final = Hint(("chime", "meeting", "list"), "See whether it was created")


class MeetingStage(StrEnum):
    """What a test meeting has to get through. It is deleted after each of them."""

    CREATE_MEETING = "create meeting"
    CREATE_ATTENDEES = "create attendees"
    JOIN_INFORMATION = "join information"
    ENDPOINTS = "endpoints"
    REACHABILITY = "reachability"
    DELETE = "delete"


class Service(Protocol):
    """The part of `ChimeService` that a test meeting needs."""

    def create_attendees(self, meeting_id: str, user_ids: Sequence[str]) -> AttendeeBatch: ...
    def join_info(self, meeting_id: str, reference: str) -> JoinInfo: ...
    def delete_meeting(self, meeting_id: str) -> None: ...


@dataclass(frozen=True, slots=True)
class MeetingReport:
    """A test meeting. `deleted`: None when none was created. `reached`: what the probes of its servers found."""

    mode: str
    started_at: datetime
    meeting_id: str | None
    control_region: str | None
    media_region: str | None
    users: Mapping[str, str]
    ok: bool
    interrupted: bool
    stages: tuple[StageTime, ...]
    failure: StageFailure | None
    reached: tuple[Reach, ...]
    deleted: bool | None
    remarks: tuple[str, ...]
    not_tested: tuple[str, ...]


class _Failed(Exception):
    """A check failed; the arguments are the cause and the hint."""


class MeetingCall:
    """One test meeting, to be made once."""

    def __init__(
        self,
        service: Service,
        create: Callable[[], Meeting],
        users: tuple[str, str],
        *,
        probe: Callable[[Sequence[MediaEndpoint]], Sequence[Reach]] | None,
        stop: threading.Event,
        advise: Callable[[OpsError], Hint | None] = lambda error: error.hint,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`create` makes the meeting. Without `probe` its servers are not looked for. Setting `stop` ends it after a stage."""
        self._service, self._create, self._users = service, create, users
        self._probe, self._stop, self._advise, self._clock = probe, stop, advise, clock
        skipped = () if probe else (MeetingStage.ENDPOINTS, MeetingStage.REACHABILITY)
        self._state = CallState(clock(), tuple(stage for stage in MeetingStage if stage not in skipped))
        self._meeting: Meeting | None = None
        self._join: dict[str, Any] = {}
        self._reached: tuple[Reach, ...] = ()
        self._remarks: list[str] = []
        self._deleted: bool | None = None

    def run(self) -> MeetingReport:
        """Everything; the meeting is deleted even when a stage fails or a second interrupt ends it."""
        started_at = datetime.now(UTC)
        actions: dict[StrEnum, Callable[[], None]] = {
            MeetingStage.CREATE_MEETING: self._create_meeting,
            MeetingStage.CREATE_ATTENDEES: self._create_attendees,
            MeetingStage.JOIN_INFORMATION: self._check_join_information,
            MeetingStage.ENDPOINTS: self._find_endpoints,
            MeetingStage.REACHABILITY: self._check_reachability,
        }
        try:
            while (stage := self._state.stage) in actions and not self._stop.is_set():
                self._through(actions[stage])
        finally:
            interrupted = self._stop.is_set()
            self._delete()
        return self._report(started_at, interrupted)

    def _through(self, action: Callable[[], None]) -> None:
        try:
            action()
        except OpsError as error:
            self._state = self._state.failed(error.message, self._advise(error) or _SWEEP)
        except _Failed as failed:
            self._state = self._state.failed(*failed.args)
        else:
            self._state = self._state.reached(self._clock())

    def _create_meeting(self) -> None:
        self._meeting = self._create()

    def _create_attendees(self) -> None:
        assert self._meeting is not None
        batch = self._service.create_attendees(self._meeting.meeting_id, self._users)
        if batch.failed:
            each = batch.failed[0]
            raise _Failed(
                f"No attendee was created for {each.external_user_id}: {each.code} ({each.message}).",
                Hint(("doctor", "chime")),
            )

    def _check_join_information(self) -> None:
        assert self._meeting is not None
        for user in self._users:
            self._join = self._service.join_info(self._meeting.meeting_id, user).document()
            if missing := missing_fields(self._join):
                raise _Failed(
                    f"What {user} joins with has no {', '.join(missing)}, which amazon-chime-sdk-js needs.",
                    Hint(
                        text="Use the endpoint of the Chime SDK meetings API itself: unset AWS_ENDPOINT_URL."
                    ),
                )

    def _find_endpoints(self) -> None:
        assert self._probe is not None
        self._reached = tuple(self._probe(media_endpoints(self._join["Meeting"]["MediaPlacement"])))
        unresolved = [reach for reach in self._reached if reach.outcome is Outcome.UNRESOLVED]
        if unresolved:
            hosts = ", ".join(reach.endpoint.host for reach in unresolved)
            raise _Failed(
                f"The names of media servers do not resolve: {hosts}.",
                Hint(text="Let this network's DNS resolve *.chime.aws."),
            )

    def _check_reachability(self) -> None:
        closed = [
            reach
            for reach in self._reached
            if reach.outcome is Outcome.REFUSED
            or (reach.outcome is Outcome.NO_ANSWER and reach.endpoint.check != UDP_CHECK)
        ]
        if closed:
            raise _Failed(
                "Media servers cannot be reached: "
                + ", ".join(f"{_address(reach)} ({reach.detail})" for reach in closed)
                + ".",
                Hint(text="Allow TCP 443 and UDP 3478 to *.chime.aws (99.77.128.0/18)."),
            )
        self._remarks += [
            f"{_address(reach)} did not answer: UDP may be blocked, and clients then fall back to TCP."
            for reach in self._reached
            if reach.outcome is Outcome.NO_ANSWER
        ]

    def _delete(self) -> None:
        """Its attendees go with it."""
        if self._meeting is None:
            return
        meeting_id, self._deleted = self._meeting.meeting_id, False
        try:
            self._service.delete_meeting(meeting_id)
            self._deleted = True
        except OpsError as error:
            cause = f"The meeting {meeting_id} was not deleted and may cost money: {error.message}"
            hint = Hint(("chime", "meeting", "delete", meeting_id))
            if self._state.failure is None:
                self._state = self._state.failed(cause, hint, MeetingStage.DELETE)
            else:
                self._remarks.append(f"{cause} {hint}")
        else:
            if self._state.stage is MeetingStage.DELETE:
                self._state = self._state.reached(self._clock())

    def _report(self, started_at: datetime, interrupted: bool) -> MeetingReport:
        meeting, state = self._meeting, self._state
        return MeetingReport(
            mode="chime",
            started_at=started_at,
            meeting_id=meeting.meeting_id if meeting else None,
            control_region=meeting.control_region if meeting else None,
            media_region=meeting.media_region if meeting else None,
            users=dict(zip(("caller", "callee"), self._users, strict=True)),
            ok=len(state.reached_s) == len(state.stages),
            interrupted=interrupted,
            stages=state.times,
            failure=state.failure,
            reached=self._reached,
            deleted=self._deleted,
            remarks=tuple(self._remarks),
            not_tested=(NO_MEDIA,) if self._probe else (NO_MEDIA, NO_SERVERS),
        )


def missing_fields(join: Mapping[str, Any]) -> list[str]:
    """The fields that amazon-chime-sdk-js needs and that are not in what a client joins with, or are empty."""
    found = []
    for path, names in JOIN_FIELDS.items():
        part: Any = join
        for name in path.split("."):
            part = part.get(name) if isinstance(part, Mapping) else None
        found += [
            f"{path}.{name}" for name in names if not (part.get(name) if isinstance(part, Mapping) else None)
        ]
    return found


def _address(reach: Reach) -> str:
    endpoint = reach.endpoint
    return f"{endpoint.host} ({endpoint.protocol.upper()} {endpoint.port})"
