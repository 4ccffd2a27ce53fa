"""What is asked of Chime when a meeting is created: tags, purposes, times to live, parameters."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from whatschat_ops.chime.models import MeetingRecord, MeetingStatus
from whatschat_ops.chime.requests import (
    MeetingOptions,
    create_parameters,
    is_same_request,
    parse_tags,
)
from whatschat_ops.errors import UsageError

HOUR = timedelta(hours=1)
LATER = datetime(2026, 11, 28, 1, tzinfo=UTC)
RECORD = MeetingRecord(
    "", "standup", "alice", "us-east-1", "eu-west-1", datetime(2026, 11, 28, tzinfo=UTC), MeetingStatus.CREATED,
    request_token="token-1",
)  # fmt: skip
FULL = replace(
    RECORD,
    host_user_id="bob",
    features={"Video": {"MaxResolution": "HD"}},
    tags={"team": "calls"},
    primary_meeting_id="m-0",
    purpose="demo",
    delete_after=LATER,
)


def test_parameters_have_what_was_asked_for_and_nothing_else() -> None:
    least = {"ClientRequestToken": "token-1", "MediaRegion": "eu-west-1", "ExternalMeetingId": "standup"}
    assert create_parameters(RECORD) == least
    assert create_parameters(FULL) == {
        **least,
        "MeetingHostId": "bob",
        "MeetingFeatures": {"Video": {"MaxResolution": "HD"}},
        "Tags": [{"Key": "team", "Value": "calls"}],
        "PrimaryMeetingId": "m-0",
    }


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"request_token": "token-2", "meeting_id": "pending#token-2"}, True),
        ({"created_at": LATER, "delete_after": LATER + HOUR}, True),
        ({"delete_after": LATER + HOUR}, False),
        ({"delete_after": None}, False),
        ({"purpose": "test"}, False),
        ({"created_by": "carol"}, False),
        ({"external_meeting_id": "other"}, False),
        ({"tags": None}, False),
        ({"media_region": "us-east-1"}, False),
    ],
)
def test_request_is_the_same_whenever_it_asks_for_the_same(change: dict[str, Any], same: bool) -> None:
    assert is_same_request(replace(FULL, **change), FULL) is same


def test_value_of_a_tag_may_have_an_equals_sign_and_may_be_empty() -> None:
    assert parse_tags(["filter=a=b", "empty="]) == {"filter": "a=b", "empty": ""}


@pytest.mark.parametrize(
    ("tags", "rule"),
    [
        (["team"], "'team' has no ="),
        (["=calls"], "the key '' must have 1 to 128"),
        (["my team=calls"], "the key 'my team' must have"),
        (["AWS:team=calls"], "begins with aws:"),
        (["team=a,b"], "the value 'a,b' must have"),
        ([f"team={'x' * 257}"], "256 characters at most"),
        (["team=a", "team=b"], "'team' is given twice"),
        ([f"team-{n}=x" for n in range(51)], "a meeting has 50 at most, and 51 are given"),
    ],
)
def test_broken_rule_of_tags_is_named_with_an_example_that_works(tags: list[str], rule: str) -> None:
    with pytest.raises(UsageError, match=rule) as error:
        parse_tags(tags)
    assert parse_tags([str(error.value.hint).removeprefix("For example: --tag ")]) == {"team": "calls"}


@pytest.mark.parametrize(
    ("given", "rule", "example"),
    [
        ({"purpose": "two words"}, "1 to 32 letters", "--purpose demo"),
        ({"purpose": ""}, "1 to 32 letters", "--purpose demo"),
        ({"ttl": timedelta(0)}, "longer than 0 and 24h at most", "--ttl 30m"),
        ({"ttl": timedelta(hours=25)}, "longer than 0 and 24h at most", "--ttl 30m"),
        ({"host_user_id": "a"}, "2 to 64 characters", "id-a"),
        ({"features": {"Video": {"MaxResolution": "FHD"}}}, "needs attendees=N", "attendees=25"),
        ({"tags": {"a b": "c"}}, "must have 1 to 128", "--tag"),
    ],
)
def test_option_that_chime_would_refuse_is_refused(given: dict[str, Any], rule: str, example: str) -> None:
    with pytest.raises(UsageError, match=rule) as error:
        MeetingOptions(**given)
    assert example in str(error.value.hint)
