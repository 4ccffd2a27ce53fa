"""`--feature`: values and rules of MeetingFeatures; what is accepted is accepted by the service, too."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from whatschat_ops.chime.features import most_attendees, parse_features
from whatschat_ops.errors import UsageError
from whatschat_ops.local.chime.fault import ChimeFault
from whatschat_ops.local.chime.rules import meeting_features


@pytest.mark.parametrize(
    ("given", "features"),
    [
        ([], {}),
        (["audio=available"], {"Audio": {"EchoReduction": "AVAILABLE"}}),
        (
            ["video=none, content=None"],
            {"Video": {"MaxResolution": "None"}, "Content": {"MaxResolution": "None"}},
        ),
        (
            ["video=FHD,attendees=25", "content=uhd"],
            {
                "Video": {"MaxResolution": "FHD"},
                "Attendee": {"MaxCount": 25},
                "Content": {"MaxResolution": "UHD"},
            },
        ),
    ],
)
def test_features_are_those_of_the_api(given: list[str], features: dict[str, Any]) -> None:
    assert parse_features(given) == features


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ("video", "features are audio, video, content and attendees"),
        ("screen=hd", "features are audio, video, content and attendees"),
        ("", "features are"),
        ("video=4k", "video is one of none, hd, fhd, not '4k'"),
        ("audio=on", "audio is one of available, unavailable"),
        ("content=hd", "content is one of none, fhd, uhd"),
        ("attendees=0", "a number from 1 to 250"),
        ("attendees=251", "a number from 1 to 250"),
        ("attendees=٢", "a number from 1 to 250"),
        ("attendees=", "a number from 1 to 250"),
        ("video=hd,video=hd", "video is given twice"),
        ("video=fhd", "with video=FHD a meeting needs attendees=N, 25 at most"),
        ("content=uhd,attendees=26", "with content=UHD a meeting needs"),
        ("video=fhd,content=uhd", "with video=FHD and content=UHD"),
    ],
)
def test_broken_rule_is_named_with_an_example_that_works(given: str, rule: str) -> None:
    with pytest.raises(UsageError, match=rule) as error:
        parse_features([given])
    example = str(error.value.hint).removeprefix("For example: --feature ")
    assert meeting_features(parse_features([example]))


def test_features_are_accepted_if_and_only_if_the_service_accepts_them() -> None:
    counts = ("", ",attendees=1", ",attendees=25", ",attendees=26", ",attendees=250")
    for video, content, count in itertools.product(("none", "hd", "fhd"), ("none", "fhd", "uhd"), counts):
        text = f"video={video},content={content}{count}"
        resolutions = {"none": "None", "hd": "HD", "fhd": "FHD", "uhd": "UHD"}
        document: dict[str, Any] = {
            "Video": {"MaxResolution": resolutions[video]},
            "Content": {"MaxResolution": resolutions[content]},
            **({"Attendee": {"MaxCount": int(count.partition("=")[2])}} if count else {}),
        }
        try:
            meeting_features(document)
            theirs = True
        except ChimeFault:
            theirs = False
        try:
            ours = parse_features([text]) == document
        except UsageError:
            ours = False
        assert ours is theirs, text


def test_most_attendees_are_those_of_the_features() -> None:
    assert (most_attendees(None), most_attendees({"Attendee": {"MaxCount": 7}})) == (250, 7)
