"""What the doctor says of the JWT secret."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from whatschat_ops.doctor.areas.secret import judge_secret
from whatschat_ops.doctor.check import Status
from whatschat_ops.redaction import Secret
from whatschat_ops.stack.jwt_secret import Rotation, StoredSecret

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
STRONG = Secret("a-secret-of-at-least-32-characters-000")
OTHER = Secret("another-secret-of-32-characters-00000")


def stored(value: Secret = STRONG, age: timedelta = timedelta(days=12)) -> StoredSecret:
    return StoredSecret(value, NOW - age)


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(minutes=5), "less than an hour"),
        (timedelta(hours=1), "1 hour"),
        (timedelta(hours=47), "47 hours"),
        (timedelta(days=2), "2 days"),
        (timedelta(days=400), "400 days"),
    ],
)
def test_secret_that_can_sign_shows_its_age(age: timedelta, words: str) -> None:
    found = judge_secret(stored(age=age), None, NOW)
    assert (found.status, found.detail) == (Status.OK, f"The JWT secret was stored {words} ago.")


def test_rotation_that_lasts_shows_its_end() -> None:
    found = judge_secret(stored(), Rotation(OTHER, STRONG, NOW + timedelta(hours=1)), NOW)
    assert found.status is Status.OK
    assert found.detail.endswith("Tokens of the previous one are accepted until 2026-11-23 13:00 UTC.")


@pytest.mark.parametrize(
    "rotation", [Rotation(OTHER, STRONG, NOW), Rotation(OTHER, OTHER, NOW + timedelta(hours=1))]
)
def test_rotation_that_has_ended_is_not_shown(rotation: Rotation) -> None:
    assert judge_secret(stored(), rotation, NOW) == judge_secret(stored(), None, NOW)


def test_rotation_that_was_interrupted_is_to_be_finished() -> None:
    found = judge_secret(stored(), Rotation(STRONG, OTHER, NOW + timedelta(hours=1)), NOW)
    assert (found.status, found.fix and found.fix.argv) == (Status.WARN, ("token", "secret", "rotate"))


@pytest.mark.parametrize(
    ("value", "status"),
    [("tiny", Status.WARN), ("-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----", Status.FAIL)],
)
def test_secret_that_cannot_sign_well_is_to_be_rotated(value: str, status: Status) -> None:
    found = judge_secret(stored(Secret(value)), None, NOW)
    assert found.status is status
    assert found.fix is not None
    assert found.fix.argv[:3] == ("token", "secret", "rotate")
    assert value not in found.detail


@pytest.mark.parametrize(
    ("text", "status"), [("x" * 31, Status.WARN), ("x" * 32, Status.OK), ("é" * 16, Status.OK)]
)
def test_secret_of_32_bytes_is_long_enough_for_hs256(text: str, status: Status) -> None:
    assert judge_secret(stored(Secret(text)), None, NOW).status is status
