"""Creating many attendees: batches, single failures, retries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.chime.invitations import invite
from whatschat_ops.errors import AwsError, PermissionDenied, Throttled
from whatschat_ops.quotas import CHIME_BATCH_ATTENDEES


@dataclass
class FakeBatches:
    """Creates an attendee for each user, except those in `codes` (user -> error codes, one per attempt) and `failing` calls."""

    codes: dict[str, list[str]] = field(default_factory=dict)
    failing: dict[int, AwsError] = field(default_factory=dict)
    calls: list[list[str]] = field(default_factory=list)
    slept_s: list[float] = field(default_factory=list)

    def send(self, users: Sequence[str]) -> dict[str, Any]:
        self.calls.append(list(users))
        if error := self.failing.get(len(self.calls)):
            raise error
        attendees, errors = [], []
        for user in users:
            if self.codes.get(user):
                code = self.codes[user].pop(0)
                errors.append({"ExternalUserId": user, "ErrorCode": code, "ErrorMessage": f"{user}: {code}"})
            else:
                attendees.append({"ExternalUserId": user, "AttendeeId": f"id-{user}", "JoinToken": "t"})
        return {"Attendees": attendees, "Errors": errors}


def users(count: int) -> list[str]:
    return [f"user-{number}" for number in range(count)]


def test_many_users_are_sent_100_per_call() -> None:
    fake = FakeBatches()
    batch = invite(fake.send, users(250), fake.slept_s.append)
    assert [len(call) for call in fake.calls] == [100, 100, 50]
    assert [attendee.external_user_id for attendee in batch.attendees] == users(250)
    assert batch.failed == ()


def test_no_users_need_no_call() -> None:
    fake = FakeBatches()
    assert invite(fake.send, [], fake.slept_s.append).attendees == ()
    assert fake.calls == []


def test_only_throttled_users_are_retried() -> None:
    fake = FakeBatches({"user-1": ["Throttled", "ServiceUnavailable"], "user-2": ["BadRequest"]})
    batch = invite(fake.send, users(4), fake.slept_s.append)
    assert fake.calls[1:] == [["user-1"], ["user-1"]]
    assert fake.slept_s == [0.2, 0.5]
    assert {attendee.external_user_id for attendee in batch.attendees} == {"user-0", "user-1", "user-3"}
    assert [(item.external_user_id, item.code) for item in batch.failed] == [("user-2", "BadRequest")]


def test_user_throttled_on_every_retry_fails() -> None:
    fake = FakeBatches({"user-0": ["ThrottlingException"] * 9})
    batch = invite(fake.send, users(2), fake.slept_s.append)
    assert [item.external_user_id for item in batch.failed] == ["user-0"]
    assert batch.failed[0].message == "user-0: ThrottlingException"
    assert len(fake.calls) == 6


def test_user_whom_the_answer_does_not_name_has_failed() -> None:
    attendee = {"ExternalUserId": "USER-0", "AttendeeId": "id-0", "JoinToken": "t"}
    error = {"ExternalUserId": "User-1", "ErrorCode": "BadRequest", "ErrorMessage": "no"}
    calls: list[list[str]] = []
    slept_s: list[float] = []

    def send(users: Sequence[str]) -> dict[str, Any]:
        calls.append(list(users))
        return {"Attendees": [attendee], "Errors": [error]}

    batch = invite(send, users(3), slept_s.append)
    assert [item.external_user_id for item in batch.attendees] == ["USER-0"]
    assert [(item.external_user_id, item.code) for item in batch.failed] == [
        ("User-1", "BadRequest"), ("user-2", "Unanswered"),
    ]  # fmt: skip
    assert (len(calls), slept_s) == (1, [])


def test_failed_call_fails_its_users_and_the_next_call_is_sent() -> None:
    error = Throttled("BatchCreateAttendee: slow down", aws_code="ThrottlingException")
    fake = FakeBatches(failing=dict.fromkeys(range(2, 8), error))
    batch = invite(fake.send, users(250), fake.slept_s.append)
    assert len(batch.attendees) == 150
    assert {item.code for item in batch.failed} == {"ThrottlingException"}
    assert [item.external_user_id for item in batch.failed] == users(200)[100:]


def test_throttled_call_is_sent_again_for_the_same_users() -> None:
    error = Throttled("BatchCreateAttendee: slow down", aws_code="ThrottlingException")
    fake = FakeBatches({"user-150": ["Throttled"]}, failing={2: error, 3: error})
    batch = invite(fake.send, users(250), fake.slept_s.append)
    assert [len(call) for call in fake.calls] == [100, 100, 100, 100, 1, 50]
    assert (len(batch.attendees), batch.failed) == (250, ())
    assert fake.slept_s == [0.2, 0.5, 1.0]


def test_call_that_is_throttled_in_every_attempt_raises() -> None:
    error = Throttled("BatchCreateAttendee: slow down", aws_code="ThrottlingException")
    fake = FakeBatches(failing=dict.fromkeys(range(1, 99), error))
    with pytest.raises(Throttled, match="slow down"):
        invite(fake.send, users(250), fake.slept_s.append)


def test_call_that_fails_for_all_users_raises() -> None:
    error = PermissionDenied("no", aws_code="ForbiddenException")
    fake = FakeBatches(failing={1: error, 2: error})
    with pytest.raises(PermissionDenied):
        invite(fake.send, users(101), fake.slept_s.append)


@given(
    st.dictionaries(
        st.sampled_from(users(130)),
        st.lists(st.sampled_from(["Throttled", "BadRequest", "LimitExceeded", "ServiceFailure"]), max_size=6),
    )
)
def test_each_user_is_either_created_or_failed(codes: dict[str, list[str]]) -> None:
    fake = FakeBatches(codes)
    batch = invite(fake.send, users(130), fake.slept_s.append)
    ended = [attendee.external_user_id for attendee in batch.attendees]
    ended += [item.external_user_id for item in batch.failed]
    assert sorted(ended) == sorted(users(130))
    assert all(len(call) <= CHIME_BATCH_ATTENDEES for call in fake.calls)
