"""Features of a meeting: `audio=...,video=...,content=...,attendees=...` to `MeetingFeatures` of CreateMeeting, and their rules. Pure.

Values and rules: botocore's model of CreateMeeting; 25 attendees in high definition: Chime SDK Developer Guide, "Meeting features".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from whatschat_ops.errors import UsageError
from whatschat_ops.quotas import CHIME_ATTENDEES, CHIME_HD_ATTENDEES

_CHOICES: Final[Mapping[str, tuple[str, str, Mapping[str, str]]]] = {
    "audio": ("Audio", "EchoReduction", {"available": "AVAILABLE", "unavailable": "UNAVAILABLE"}),
    "video": ("Video", "MaxResolution", {"none": "None", "hd": "HD", "fhd": "FHD"}),
    "content": ("Content", "MaxResolution", {"none": "None", "fhd": "FHD", "uhd": "UHD"}),
}
"""Name on the command line -> structure and member of the API, and its values."""
_ATTENDEES: Final = "attendees"


def parse_features(given: Iterable[str]) -> dict[str, Any]:
    """`MeetingFeatures` of the values of `--feature`, each one or more `name=value` with commas. Raises UsageError."""
    features: dict[str, Any] = {}
    for pair in (part.strip() for text in given for part in text.split(",")):
        name, equals, value = (part.strip().lower() for part in pair.partition("="))
        if not equals or name not in (*_CHOICES, _ATTENDEES):
            raise _broken(f"{pair!r} is not a feature: features are audio, video, content and attendees")
        structure, member = ("Attendee", "MaxCount") if name == _ATTENDEES else _CHOICES[name][:2]
        if structure in features:
            raise _broken(f"{name} is given twice")
        features[structure] = {member: _count(value) if name == _ATTENDEES else _choice(name, value)}
    return checked_features(features)


def checked_features(features: Mapping[str, Any]) -> dict[str, Any]:
    """The features, if a meeting can have them together. Raises UsageError."""
    high = [
        f"{name}={value}"
        for name, structure, value in (("video", "Video", "FHD"), ("content", "Content", "UHD"))
        if features.get(structure, {}).get("MaxResolution") == value
    ]
    count = features.get("Attendee", {}).get("MaxCount")
    if high and not (count and count <= CHIME_HD_ATTENDEES):
        raise _broken(
            f"with {' and '.join(high)} a meeting needs attendees=N, {CHIME_HD_ATTENDEES} at most", high
        )
    return dict(features)


def most_attendees(features: Mapping[str, Any] | None) -> int:
    """How many attendees a meeting with these features can have."""
    return int((features or {}).get("Attendee", {}).get("MaxCount", CHIME_ATTENDEES))


def _choice(name: str, value: str) -> str:
    choices = _CHOICES[name][2]
    if value not in choices:
        raise _broken(f"{name} is one of {', '.join(choices)}, not {value!r}")
    return choices[value]


def _count(value: str) -> int:
    if not (value.isascii() and value.isdecimal() and len(value) <= 3 and 1 <= int(value) <= CHIME_ATTENDEES):
        raise _broken(f"attendees is a number from 1 to {CHIME_ATTENDEES}, not {value!r}")
    return int(value)


def _broken(rule: str, high: Iterable[str] = ("video=hd",)) -> UsageError:
    example = ",".join((*high, f"attendees={CHIME_HD_ATTENDEES}")).lower()
    return UsageError(f"The features cannot be used: {rule}.", hint=f"For example: --feature {example}")
