"""What is asked of Chime when a meeting is created: options, their rules, and CreateMeeting's parameters. Pure.

A row of the ledger has all of it, so that the very same request can be sent again.
Tags: botocore's model of `Tag`; the API reference allows no key that begins with `aws:`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from whatschat_ops import quotas
from whatschat_ops.chime import ids
from whatschat_ops.chime.features import checked_features
from whatschat_ops.chime.models import MeetingRecord, Purpose
from whatschat_ops.errors import UsageError

LONGEST_MEETING: Final = timedelta(seconds=quotas.CHIME_MEETING_S)
_PURPOSE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
_TAG_KEY: Final = re.compile(quotas.CHIME_TAG_KEY_PATTERN)
_TAG_VALUE: Final = re.compile(quotas.CHIME_TAG_VALUE_PATTERN)


@dataclass(frozen=True, slots=True)
class MeetingOptions:
    """What a meeting can be given; the default is a call of users. `features` is `MeetingFeatures` of the API.

    `ttl` is recorded in the ledger: after it, a sweep of its purpose deletes the meeting. Raises UsageError for what Chime would refuse.
    """

    host_user_id: str | None = None
    features: Mapping[str, Any] | None = None
    tags: Mapping[str, str] | None = None
    primary_meeting_id: str | None = None
    purpose: str = Purpose.CALL
    ttl: timedelta | None = None

    def __post_init__(self) -> None:
        if self.host_user_id is not None:
            ids.external_user_id(self.host_user_id)
        checked_features(self.features or {})
        checked_tags((self.tags or {}).items())
        checked_purpose(self.purpose)
        if self.ttl is not None and not timedelta(0) < self.ttl <= LONGEST_MEETING:
            raise UsageError(
                "The time to live of a meeting is longer than 0 and 24h at most: Chime ends every meeting after 24 hours.",
                hint="For example: --ttl 30m",
            )


def create_parameters(record: MeetingRecord) -> dict[str, Any]:
    """CreateMeeting's parameters for a row. What was not asked for is left out."""
    optional = {
        "MeetingHostId": record.host_user_id,
        "MeetingFeatures": record.features,
        "PrimaryMeetingId": record.primary_meeting_id,
        "Tags": [{"Key": key, "Value": value} for key, value in (record.tags or {}).items()],
    }
    return {
        "ClientRequestToken": record.request_token,
        "MediaRegion": record.media_region,
        "ExternalMeetingId": record.external_meeting_id,
        **{name: value for name, value in optional.items() if value},
    }


def is_same_request(one: MeetingRecord, other: MeetingRecord) -> bool:
    """Whether two rows ask for the same meeting, whenever and by whichever token."""

    def asked(record: MeetingRecord) -> dict[str, Any]:
        ttl = record.delete_after and record.delete_after - record.created_at
        own = {"user": record.created_by, "purpose": record.purpose, "ttl": ttl}
        return {**create_parameters(record), "ClientRequestToken": "", **own}

    return asked(one) == asked(other)


def parse_tags(given: Iterable[str]) -> dict[str, str]:
    """The values of `--tag`, each `key=value`. Raises UsageError."""
    pairs = []
    for text in given:
        key, equals, value = text.partition("=")
        if not equals:
            raise _broken_tag(f"{text!r} has no =")
        pairs.append((key, value))
    return checked_tags(pairs)


def checked_tags(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The tags, each key once. Raises UsageError for what Chime would refuse."""
    tags: dict[str, str] = {}
    for key, value in pairs:
        if key in tags:
            raise _broken_tag(f"the key {key!r} is given twice")
        if not _TAG_KEY.fullmatch(key):
            raise _broken_tag(f"the key {key!r} must have 1 to 128 letters, digits or +-=._:/")
        if key.lower().startswith(quotas.CHIME_RESERVED_PREFIX):
            raise _broken_tag(f"the key {key!r} begins with aws:, which is reserved")
        if not _TAG_VALUE.fullmatch(value):
            raise _broken_tag(
                f"the value {value!r} must have 256 characters at most: letters, digits, white space or _+-=.:/@"
            )
        tags[key] = value
    if len(tags) > quotas.CHIME_TAGS:
        raise _broken_tag(f"a meeting has {quotas.CHIME_TAGS} at most, and {len(tags)} are given")
    return tags


def checked_purpose(purpose: str) -> str:
    """The purpose, if it is one word. Raises UsageError."""
    if not _PURPOSE.fullmatch(purpose):
        raise UsageError(
            f"The purpose {purpose!r} cannot be used: it must have 1 to 32 letters, digits or ._- and begin with a letter or a digit.",
            hint="For example: --purpose demo",
        )
    return purpose


def _broken_tag(rule: str) -> UsageError:
    return UsageError(f"The tags cannot be used: {rule}.", hint="For example: --tag team=calls")
