"""What the doctor says of the JWT secret: from facts about it, which do not hold it."""

from __future__ import annotations

import json
from datetime import timedelta

import msgspec
import pytest

from tests.unit.doctor.recorded import NOW, facts
from whatschat_ops.doctor.areas import secret
from whatschat_ops.doctor.areas.secret import SecretFacts, entropy_bits, facts_of
from whatschat_ops.doctor.check import Finding, Status
from whatschat_ops.redaction import Secret
from whatschat_ops.stack.jwt_secret import Rotation, StoredSecret

STRONG = Secret("Zk3vQm8yT1xLr5Wc7Nb2Hd9Ps4Jf6Gu0")
OTHER = Secret("another-secret-of-32-characters-00000")


def known(
    value: Secret = STRONG,
    age: timedelta = timedelta(days=12),
    rotation: Rotation | None = None,
    *,
    unreadable: bool = False,
) -> SecretFacts:
    return facts_of(StoredSecret(value, NOW - age), rotation, NOW, unreadable=unreadable)


def judged(check: str, found: SecretFacts) -> Finding:
    examined: Finding = getattr(secret, check)(facts(observed={"secret": msgspec.to_builtins(found)}))
    return examined


@pytest.mark.parametrize(
    ("age", "status", "words"),
    [
        (timedelta(minutes=5), Status.OK, "less than an hour"),
        (timedelta(hours=1), Status.OK, "1 hour"),
        (timedelta(hours=47), Status.OK, "47 hours"),
        (timedelta(days=2), Status.OK, "2 days"),
        (timedelta(days=365), Status.OK, "365 days"),
        (timedelta(days=400), Status.WARN, "400 days"),
    ],
)
def test_secret_shows_its_age_and_warns_after_a_year(age: timedelta, status: Status, words: str) -> None:
    found = judged("age", known(age=age))
    assert (found.status, found.detail) == (status, f"The JWT secret was stored {words} ago.")


def test_rotation_that_lasts_shows_its_end() -> None:
    found = judged("rotation", known(rotation=Rotation(OTHER, STRONG, NOW + timedelta(hours=1))))
    assert found.status is Status.OK
    assert found.detail == "Tokens of the previous secret are accepted until 2026-11-29 13:00 UTC."


@pytest.mark.parametrize(
    "rotation", [None, Rotation(OTHER, STRONG, NOW), Rotation(OTHER, OTHER, NOW + timedelta(hours=1))]
)
def test_rotation_that_has_ended_is_not_shown(rotation: Rotation | None) -> None:
    found = judged("rotation", known(rotation=rotation))
    assert (found.status, found.detail) == (Status.OK, "No rotation is under way.")


def test_rotation_that_was_interrupted_is_to_be_finished() -> None:
    found = judged("rotation", known(rotation=Rotation(STRONG, OTHER, NOW + timedelta(hours=1))))
    assert (found.status, found.fix and found.fix.argv) == (Status.WARN, ("token", "secret", "rotate"))


def test_rotation_that_cannot_be_read_fails() -> None:
    found = judged("rotation", known(unreadable=True))
    assert (found.status, found.fix and found.fix.argv[-1]) == (Status.FAIL, "0")


def test_key_of_another_kind_cannot_sign() -> None:
    found = judged("secret", known(Secret("-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----")))
    assert (found.status, found.fix and found.fix.argv[:3]) == (Status.FAIL, ("token", "secret", "rotate"))
    assert judged("secret", known()).status is Status.OK


@pytest.mark.parametrize(
    ("text", "status", "words"),
    [
        ("tiny", Status.WARN, "shorter than 32 bytes"),
        (STRONG.reveal()[:31], Status.WARN, "shorter than 32 bytes"),
        (STRONG.reveal(), Status.OK, "32 bytes"),
        ("0123456789abcdef0" + "fedcba9876543210e", Status.OK, "34 bytes"),
        ("x" * 64, Status.WARN, "about 0 bits"),
        ("password" * 6, Status.WARN, "about 22 bits"),
    ],
)
def test_secret_has_to_be_long_and_not_to_be_guessed(text: str, status: Status, words: str) -> None:
    found = judged("strength", known(Secret(text)))
    assert found.status is status
    assert words in found.detail
    assert text not in f"{found.detail}{found.evidence}"


def test_facts_do_not_hold_the_secret() -> None:
    text = json.dumps(msgspec.to_builtins(known(rotation=Rotation(OTHER, STRONG, NOW + timedelta(hours=1)))))
    assert STRONG.reveal() not in text
    assert OTHER.reveal() not in text
    assert entropy_bits("") == 0
