"""Chime's rules for ids."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.chime.ids import (
    default_external_meeting_id,
    external_meeting_id,
    external_user_id,
    is_guid,
    shortened,
)
from whatschat_ops.errors import UsageError
from whatschat_ops.local.chime.fault import ChimeFault
from whatschat_ops.local.chime.rules import check_external_id

NOW_MS = 1_790_000_000_123


def test_short_user_id_is_its_own_external_id() -> None:
    assert external_user_id("alice@example.com") == "alice@example.com"


def test_default_meeting_id_is_that_of_the_guide() -> None:
    assert default_external_meeting_id("alice", NOW_MS) == "call-alice-1790000000123"


@pytest.mark.parametrize(
    ("user", "why"),
    [
        ("", "2 to 64 characters"),
        ("a", "2 to 64 characters and has 1"),
        ("aws:alice", "reserved"),
        ("AWS:alice", "reserved"),
        ("alice?", r"'\?'"),
        ("100%", "'%'"),
        ("a*b", r"'\*'"),
        ("日本", "'日'"),
    ],
)
def test_id_that_chime_would_reject_is_rejected(user: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        external_user_id(user)


@pytest.mark.parametrize(
    ("bad", "example"),
    [("alice?", "alice-"), ("aws:alice", "alice"), ("a", "id-a"), ("", "id-"), ("日本", "--")],
)
def test_example_is_like_the_id_that_was_refused(bad: str, example: str) -> None:
    with pytest.raises(UsageError) as error:
        external_meeting_id(bad)
    assert str(error.value.hint) == f"For example: {example}"


def test_given_meeting_id_is_never_shortened() -> None:
    assert external_meeting_id("m" * 64) == "m" * 64
    with pytest.raises(UsageError, match="has 65"):
        external_meeting_id("m" * 65)


def test_long_user_id_is_shortened_to_its_beginning_and_a_digest() -> None:
    short = external_user_id("auth0|" + "x" * 100)
    assert len(short) == 64
    assert short.startswith("auth0|xxxx")
    assert short == external_user_id("auth0|" + "x" * 100)
    assert short != external_user_id("auth0|" + "x" * 101)


@pytest.mark.parametrize("spelled", [str.lower, str.upper])
def test_user_id_that_is_the_short_form_of_another_is_shortened_again(spelled: Callable[[str], str]) -> None:
    taken = spelled(external_user_id("auth0|" + "x" * 100))
    other = external_user_id(taken)
    assert other.lower() != taken.lower()
    assert len(other) == 64


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("c91df308-f383-4a14-900e-61e3e5db2480", True),
        ("C91DF308-F383-4A14-900E-61E3E5DB2480", True),
        ("c91df308f3834a14900e61e3e5db2480", False),
        ("c91df308-f383-4a14-900e-61e3e5db2480\n", False),
        ("call-alice-1790000000123", False),
    ],
)
def test_guid_is_recognised(text: str, expected: bool) -> None:
    assert is_guid(text) is expected


@given(st.text(max_size=200), st.integers(20, 64))
def test_shortened_is_never_longer_and_keeps_short_texts(text: str, longest: int) -> None:
    short = shortened(text, longest)
    assert len(short) <= longest
    assert short == text or len(text) > longest
    assert shortened(short, longest) == short


@given(st.text(min_size=2, max_size=64) | st.from_regex(r"[-_&@+=,(){}/:a-zA-Z0-9 é]{2,64}", fullmatch=True))
def test_ids_are_accepted_if_and_only_if_the_service_accepts_them(text: str) -> None:
    try:
        ours = external_user_id(text) == text
    except UsageError:
        ours = False
    try:
        check_external_id("ExternalUserId", text)
        theirs = True
    except ChimeFault:
        theirs = False
    assert ours is theirs


@given(st.text(max_size=100) | st.text("aws:?* ", max_size=80))
def test_refused_id_comes_with_an_example_that_is_accepted(text: str) -> None:
    try:
        external_meeting_id(text)
    except UsageError as error:
        example = str(error.hint).removeprefix("For example: ")
        assert external_meeting_id(example) == example


@given(st.from_regex(r"[-_@.:|a-zA-Z0-9]{1,200}", fullmatch=True))
def test_default_meeting_id_is_valid_for_every_user(user: str) -> None:
    name = default_external_meeting_id(user, NOW_MS)
    assert external_meeting_id(name) == name
    assert name.endswith(f"-{NOW_MS}")
