"""500 attendees in a primary meeting and its replica: Chime throttles calls and single attendees, and every user gets in.

The embedded Chime service creates the attendees. On the way to it, every seventh user is held back once, as an entry of `Errors`, and
calls are answered with 429 more often than botocore repeats them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.aws.test_chime_ledger import World, world
from tests.component.local.chime_in_process import ChimeInProcess
from whatschat_ops.chime.requests import MeetingOptions
from whatschat_ops.errors import Throttled
from whatschat_ops.local.interfaces import HttpRequest, HttpResponse

__all__ = ["world"]

BOTOCORE_ATTEMPTS = 5
CODES = ("ThrottlingException", "ServiceUnavailable", "ServiceFailure")


@dataclass
class RoughChime(ChimeInProcess):
    """The service behind a network that throttles: `throttled` says which calls of BatchCreateAttendee, counted from 1."""

    throttled: range = range(0)
    batches: int = 0
    held_back: set[str] = field(default_factory=set)
    seen: int = 0

    def send(self, request: HttpRequest) -> Any:
        if "operation=batch-create" not in request.query_string:
            return super().send(request)
        self.batches += 1
        if self.batches in self.throttled:
            return HttpResponse(429, b'{"Message": "slow down"}', {"x-amzn-errortype": "ThrottlingException"})
        wanted = json.loads(request.body)["Attendees"]
        errors = [self._error(each) for each in wanted if self._is_unlucky(each["ExternalUserId"])]
        failed = {error["ExternalUserId"] for error in errors}
        rest = [each for each in wanted if each["ExternalUserId"] not in failed]
        answer = super().send(replace(request, body=json.dumps({"Attendees": rest}).encode()))
        document = json.loads(answer.body)
        return replace(
            answer, body=json.dumps({**document, "Errors": [*document["Errors"], *errors]}).encode()
        )

    def _is_unlucky(self, user: str) -> bool:
        self.seen += 1
        if self.seen % 7 or user in self.held_back:
            return False
        self.held_back.add(user)
        return True

    def _error(self, attendee: Mapping[str, str]) -> dict[str, str]:
        code = CODES[len(self.held_back) % len(CODES)]
        return {"ExternalUserId": attendee["ExternalUserId"], "ErrorCode": code, "ErrorMessage": "busy"}


@pytest.fixture
def rough(world: World, monkeypatch: pytest.MonkeyPatch) -> RoughChime:
    """The world's Chime, replaced. botocore's own pauses take no time."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    world.chime = chime = RoughChime(world.chime.path)
    return chime


def test_500_attendees_of_a_primary_and_a_replica_are_complete_under_throttling(
    world: World, rough: RoughChime
) -> None:
    rough.throttled = range(2, 2 + BOTOCORE_ATTEMPTS + 2)
    service = world.service()
    primary = service.create_meeting("alice", "keynote").meeting_id
    replica = service.create_meeting(
        "alice", "keynote-2", options=MeetingOptions(primary_meeting_id=primary)
    ).meeting_id
    names = [f"viewer-{number}" for number in range(500)]
    halves = {primary: names[:250], replica: names[250:]}
    batches = {meeting_id: service.create_attendees(meeting_id, half) for meeting_id, half in halves.items()}
    assert {meeting_id: batch.failed for meeting_id, batch in batches.items()} == {primary: (), replica: ()}
    for meeting_id, half in halves.items():
        assert sorted(item.external_user_id for item in service.list_attendees(meeting_id)) == sorted(half)
        assert {item.external_user_id for item in batches[meeting_id].attendees} == set(half)
    assert len(rough.held_back) > 60
    assert rough.batches > 6 + BOTOCORE_ATTEMPTS


def test_attendees_that_stay_throttled_are_named_and_the_rest_is_created(
    world: World, rough: RoughChime
) -> None:
    rough.throttled = range(2, 10_000)
    service = world.service()
    meeting_id = service.create_meeting("alice", "keynote").meeting_id
    names = [f"viewer-{number}" for number in range(120)]
    batch = service.create_attendees(meeting_id, names)
    created = {item.external_user_id for item in batch.attendees}
    failed = {item.external_user_id for item in batch.failed}
    assert created | failed == set(names)
    assert failed == rough.held_back | set(names[100:])
    assert len(service.list_attendees(meeting_id)) == len(created)


def test_meeting_whose_every_call_is_throttled_raises(world: World, rough: RoughChime) -> None:
    rough.throttled = range(1, 10_000)
    service = world.service()
    meeting_id = service.create_meeting("alice", "keynote").meeting_id
    with pytest.raises(Throttled, match="slow down"):
        service.create_attendees(meeting_id, ["bob"])
