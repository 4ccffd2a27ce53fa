"""When keys are renewed, and when that is hopeless."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from whatschat_ops.errors import CredentialsError
from whatschat_ops.redaction import Secret
from whatschat_ops.sender.keys import ASK_AGAIN_S, MOST_RENEWALS_IN_A_ROW, RENEW_BEFORE_S, Keys
from whatschat_ops.sender.model import Credentials

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NOW_S = NOW.timestamp()


class Source:
    """Gives these keys one after the other, then the last again and again."""

    def __init__(self, *keys: Credentials) -> None:
        self._keys = keys
        self.asked = 0

    def __call__(self) -> Credentials:
        self.asked += 1
        return self._keys[min(self.asked, len(self._keys)) - 1]


def keys(name: str, *, lives_s: float | None = None, aware: bool = True) -> Credentials:
    end = None if lives_s is None else NOW + timedelta(seconds=lives_s)
    return Credentials(name, Secret("s"), None, end if aware or end is None else end.replace(tzinfo=None))


def test_keys_without_an_end_are_never_asked_for_again() -> None:
    source = Source(keys("A"))
    assert not Keys(source, NOW_S).renew_if_due(NOW_S + 10**9)
    assert source.asked == 1


@pytest.mark.parametrize("aware", [True, False])
def test_keys_are_renewed_a_minute_before_their_end(aware: bool) -> None:
    source = Source(keys("A", lives_s=300, aware=aware), keys("B", lives_s=3600))
    held = Keys(source, NOW_S)
    assert not held.renew_if_due(NOW_S + 300 - RENEW_BEFORE_S - 1)
    assert held.renew_if_due(NOW_S + 300 - RENEW_BEFORE_S)
    assert (held.current.access_key_id, held.version) == ("B", 2)


def test_source_that_only_prolongs_the_same_keys_changes_nothing() -> None:
    held = Keys(Source(keys("A", lives_s=300), keys("A", lives_s=600)), NOW_S)
    assert not held.renew_if_due(NOW_S + 250)
    assert held.version == 1


def test_source_that_gives_keys_near_their_end_is_not_asked_all_the_time() -> None:
    source = Source(keys("A", lives_s=10))
    held = Keys(source, NOW_S)
    for step in range(100):
        held.renew_if_due(NOW_S + step * 0.1)
    assert source.asked == 1 + int(9.9 / ASK_AGAIN_S)


def test_many_refusals_of_one_version_renew_it_once() -> None:
    source = Source(keys("A"), keys("B"), keys("C"))
    held = Keys(source, NOW_S)
    assert [held.renew_expired(1, NOW_S) for _ in range(50)] == [True] + 49 * [False]
    assert held.current.access_key_id == "B"


def test_no_newer_keys_is_an_error() -> None:
    with pytest.raises(CredentialsError, match="no newer ones"):
        Keys(Source(keys("A")), NOW_S).renew_expired(1, NOW_S)


def test_new_keys_that_are_refused_again_and_again_are_an_error() -> None:
    held = Keys(Source(*(keys(str(number)) for number in range(100))), NOW_S)
    for version in range(1, MOST_RENEWALS_IN_A_ROW + 1):
        assert held.renew_expired(version, NOW_S)
    with pytest.raises(CredentialsError):
        held.renew_expired(MOST_RENEWALS_IN_A_ROW + 1, NOW_S)


def test_accepted_keys_reset_the_count() -> None:
    held = Keys(Source(*(keys(str(number)) for number in range(100))), NOW_S)
    for version in range(1, 50):
        assert held.renew_expired(version, NOW_S)
        held.accepted()


@pytest.mark.parametrize(
    "other",
    [
        Credentials("B", Secret("s"), Secret("t"), None),
        Credentials("A", Secret("other"), Secret("t"), None),
        Credentials("A", Secret("s"), Secret("other"), None),
        Credentials("A", Secret("s"), None, None),
    ],
)
def test_each_part_of_the_keys_makes_new_ones(other: Credentials) -> None:
    held = Keys(Source(Credentials("A", Secret("s"), Secret("t"), None), other), NOW_S)
    assert held.renew_expired(1, NOW_S)
    assert (held.version, held.current) == (2, other)
