"""The operations on attendees of a meeting, sent to its control Region; `ChimeService` inherits them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from whatschat_ops import quotas
from whatschat_ops.chime import ids
from whatschat_ops.chime.capabilities import Capabilities
from whatschat_ops.chime.invitations import invite
from whatschat_ops.chime.models import Attendee, AttendeeBatch, FailedAttendee, JoinInfo
from whatschat_ops.chime.region_routing import RegionRouter
from whatschat_ops.errors import Blocked, ConfigError, Missing, NotFound, OpsError, UsageError

_NO_CAPABILITIES: Final[Mapping[str, Capabilities]] = MappingProxyType({})
TAKEN: Final = "UserIdTaken"
"""The code of a user whose attendee would be that of another: not one of Chime."""
DISABLED: Final = "chime.enabled is false"


class AttendeeOperations:
    """Creates, reads, changes and deletes attendees. With `enabled=False` it creates none."""

    def __init__(self, router: RegionRouter, *, enabled: bool, sleep: Callable[[float], None]) -> None:
        self._router = router
        self._enabled = enabled
        self._sleep = sleep

    def create_attendee(
        self, meeting_id: str, user_id: str, capabilities: Capabilities | None = None
    ) -> Attendee:
        """Create one attendee. A second call for the same user returns the same attendee, its capabilities unchanged.

        Raises Blocked for a user whose id differs in case only from that of an attendee: Chime returns the other user's.
        """
        self._require_enabled()
        external = ids.external_user_id(user_id)
        _, answer = self._router.call(meeting_id, "create_attendee", **_wanted(external, capabilities))
        attendee = Attendee.from_api(answer["Attendee"])
        if attendee.external_user_id != external:
            raise Blocked(_same_but_for_case(external, attendee.external_user_id))
        return attendee

    def create_attendees(
        self,
        meeting_id: str,
        user_ids: Sequence[str],
        capabilities: Mapping[str, Capabilities] = _NO_CAPABILITIES,
    ) -> AttendeeBatch:
        """Create attendees for many users, each once; `capabilities` of users by their ids.

        A user whose id differs in case only from that of an attendee fails: Chime returns the other user's. Raises an AwsError
        only when no attendee was created.
        """
        self._require_enabled()
        given = dict.fromkeys(map(ids.external_user_id, user_ids))
        external_ids: dict[str, str] = {}
        capable: dict[str, Capabilities] = {}
        for user in user_ids:
            external = ids.external_user_id(user)
            first = external_ids.setdefault(external.lower(), external)
            if user in capabilities and external == first:
                capable.setdefault(external.lower(), capabilities[user])

        def send(wanted: Sequence[str]) -> dict[str, Any]:
            attendees = [_wanted(external, capable.get(external.lower())) for external in wanted]
            return self._router.call(meeting_id, "batch_create_attendee", Attendees=attendees)[1]

        batch = invite(send, list(external_ids.values()), self._sleep)
        holders = external_ids | {
            each.external_user_id.lower(): each.external_user_id for each in batch.attendees
        }
        taken = [each for each in given if each != holders[each.lower()]]
        return AttendeeBatch(
            tuple(each for each in batch.attendees if each.external_user_id in given),
            (
                *batch.failed,
                *(
                    FailedAttendee(each, TAKEN, _same_but_for_case(each, holders[each.lower()]))
                    for each in taken
                ),
            ),
        )

    def get_attendee(self, meeting_id: str, attendee_id: str) -> Attendee:
        """One attendee. Raises NotFound."""
        _require_attendee_id(attendee_id)
        _, answer = self._router.call(meeting_id, "get_attendee", AttendeeId=attendee_id)
        return Attendee.from_api(answer["Attendee"])

    def find_attendee(self, meeting_id: str, reference: str) -> Attendee:
        """The attendee with this id, or else of this user, whose id can be a UUID, too. Raises NotFound or Missing."""
        missing: OpsError = Missing(f"The user {reference!r} has no attendee in the meeting {meeting_id}.")
        if ids.is_guid(reference):
            try:
                return self.get_attendee(meeting_id, reference)
            except NotFound as error:
                missing = error
        external = ids.external_user_id(reference)
        for attendee in self.list_attendees(meeting_id):
            if attendee.external_user_id == external:
                return attendee
        raise missing

    def join_info(self, meeting_id: str, reference: str) -> JoinInfo:
        """What a client joins with, as the attendee with this id or of this user. Raises NotFound or Missing."""
        attendee = self.find_attendee(meeting_id, reference)
        _, answer = self._router.call(meeting_id, "get_meeting")
        return JoinInfo(answer["Meeting"], attendee)

    def list_attendees(self, meeting_id: str) -> list[Attendee]:
        """All attendees, page by page (botocore has no paginator for this API)."""
        found: list[Attendee] = []
        next_page: dict[str, str] = {}
        while True:
            _, answer = self._router.call(
                meeting_id, "list_attendees", MaxResults=quotas.CHIME_BATCH_ATTENDEES, **next_page
            )
            found.extend(map(Attendee.from_api, answer["Attendees"]))
            if not answer.get("NextToken"):
                return found
            next_page = {"NextToken": answer["NextToken"]}

    def update_capabilities(self, meeting_id: str, attendee_id: str, capabilities: Capabilities) -> Attendee:
        """Change what one attendee can send and receive, also while they are connected. Raises NotFound."""
        _require_attendee_id(attendee_id)
        _, answer = self._router.call(
            meeting_id,
            "update_attendee_capabilities",
            AttendeeId=attendee_id,
            Capabilities=capabilities.document(),
        )
        return Attendee.from_api(answer["Attendee"])

    def update_capabilities_except(
        self, meeting_id: str, excluded_attendee_ids: Sequence[str], capabilities: Capabilities
    ) -> None:
        """Change what all attendees can send and receive, except 1 to 250 of them (BatchUpdateAttendeeCapabilitiesExcept)."""
        for attendee_id in excluded_attendee_ids:
            _require_attendee_id(attendee_id)
        if not 1 <= len(excluded_attendee_ids) <= quotas.CHIME_ATTENDEES:
            raise UsageError(
                f"Chime changes the capabilities of all attendees except 1 to {quotas.CHIME_ATTENDEES} of them, "
                f"and {len(excluded_attendee_ids)} are excluded.",
                hint="Exclude an attendee, for example the host.",
            )
        self._router.call(
            meeting_id,
            "batch_update_attendee_capabilities_except",
            ExcludedAttendeeIds=[{"AttendeeId": attendee_id} for attendee_id in excluded_attendee_ids],
            Capabilities=capabilities.document(),
        )

    def delete_attendee(self, meeting_id: str, attendee_id: str) -> None:
        """Delete an attendee, whose join token expires. Raises NotFound."""
        _require_attendee_id(attendee_id)
        self._router.call(meeting_id, "delete_attendee", AttendeeId=attendee_id)

    def _require_enabled(self) -> None:
        if not self._enabled:
            raise disabled()


def disabled(why: str = "") -> ConfigError:
    """The error for what would create meetings or attendees; `why` is a sentence."""
    return ConfigError(
        f"{why} Chime is disabled in this environment: {DISABLED}.".lstrip(),
        hint="Set AWS_CHIME_ENABLED=true, or chime.enabled: true in the configuration file.",
    )


def _wanted(external_user_id: str, capabilities: Capabilities | None) -> dict[str, Any]:
    given = {} if capabilities is None else {"Capabilities": capabilities.document()}
    return {"ExternalUserId": external_user_id, **given}


def _same_but_for_case(external_user_id: str, other: str) -> str:
    return (
        f"The user id {external_user_id!r} differs in case only from that of the attendee {other!r}, "
        "and Chime cannot tell them apart."
    )


def _require_attendee_id(attendee_id: str) -> None:
    if not ids.is_guid(attendee_id):
        raise UsageError(
            f"{attendee_id!r} is not an attendee id, which is a UUID such as 3f2504e0-4f89-11d3-9a0c-0305e82c3301."
        )
