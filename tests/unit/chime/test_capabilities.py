"""Capabilities of attendees: Chime's rules, each broken once, and the example that works."""

from __future__ import annotations

import pytest

from whatschat_ops.chime.capabilities import EXAMPLE, Capabilities, read_pairs
from whatschat_ops.errors import UsageError


def test_example_of_the_error_is_accepted() -> None:
    assert Capabilities().changed(read_pairs(EXAMPLE)) == Capabilities("SendReceive", "Receive", "None")


def test_given_values_replace_those_of_before_ignoring_case() -> None:
    before = Capabilities("None", "Send", "None")
    assert before.changed({"Audio": "sendreceive"}) == Capabilities("SendReceive", "Send", "None")


def test_document_is_that_of_the_api_and_is_read_back() -> None:
    document = {"Audio": "Send", "Video": "None", "Content": "Send"}
    assert Capabilities.from_api(document).document() == document


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("audio=Loud", "audio is one of SendReceive, Send, Receive, None, not 'Loud'"),
        ("screen=Send", "there is no kind of media 'screen'; there are audio, video, content"),
        ("video=None", "content=SendReceive needs video that is received"),
        ("video=Send,content=Receive", "content=Receive needs video that is received"),
        ("audio", "'audio' is not of the form KIND=VALUE"),
        ("audio=", "'audio=' is not of the form KIND=VALUE"),
        ("", "'' is not of the form KIND=VALUE"),
    ],
)
def test_broken_rule_is_named_with_an_example(text: str, rule: str) -> None:
    with pytest.raises(UsageError) as error:
        Capabilities().changed(read_pairs(text))
    assert rule in error.value.message
    assert EXAMPLE in str(error.value.hint)
