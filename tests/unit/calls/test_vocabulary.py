"""Signals as messages of both vocabularies, through the rules of the `default` function, and back."""

from __future__ import annotations

from typing import Any

import pytest

from tests import web_client
from whatschat_ops.calls.simulated import SIGNALS, simulate
from whatschat_ops.calls.vocabulary import Envelope, Kind, Signal, message_of, padded, refusal_of, signal_of
from whatschat_ops.choices import CallVocabulary
from whatschat_ops.handlers import protocol

NOW_MS = 1_800_000_000_000


def there(vocabulary: CallVocabulary) -> Envelope:
    return Envelope(vocabulary, "alice", "bob", "c-1")


def back(vocabulary: CallVocabulary, call_id: str = "c-1") -> Envelope:
    return Envelope(vocabulary, "bob", "alice", call_id)


def delivered(message: dict[str, Any], sender: str = "alice") -> dict[str, Any]:
    command = protocol.parse_message(protocol.encode(message).decode())
    assert isinstance(command, protocol.Deliver)
    assert command.recipients("alice") == ("bob",)
    return protocol.delivered(command, command.id, sender, NOW_MS)


@pytest.mark.parametrize("vocabulary", CallVocabulary)
@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.kind)
def test_signal_that_the_functions_deliver_arrives_as_it_was_sent(
    vocabulary: CallVocabulary, signal: Signal
) -> None:
    message = message_of(signal, there(vocabulary), NOW_MS)

    assert signal_of(delivered(message), back(vocabulary)) == signal


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.kind)
def test_web_client_reads_every_signal_of_its_vocabulary(signal: Signal) -> None:
    message = delivered(message_of(signal, there(CallVocabulary.WEB), NOW_MS))

    event = web_client.read(protocol.encode(message).decode(), NOW_MS)

    assert (event.type, event.sender) == (message["type"], "alice")
    read = event.data["offer"] if signal.kind is Kind.OFFER else event.data
    assert read == signal.content


@pytest.mark.parametrize("vocabulary", CallVocabulary)
def test_message_of_another_user_or_of_another_kind_is_no_signal(vocabulary: CallVocabulary) -> None:
    message = delivered(message_of(SIGNALS[0], there(vocabulary), NOW_MS), sender="mallory")

    assert signal_of(message, back(vocabulary)) is None
    assert signal_of({"type": "message", "from": "alice", "data": {}}, back(vocabulary)) is None


def test_signal_of_another_call_is_ignored_where_the_vocabulary_names_calls() -> None:
    message = delivered(message_of(SIGNALS[0], there(CallVocabulary.SERVER), NOW_MS))

    assert signal_of(message, back(CallVocabulary.SERVER, "c-2")) is None


@pytest.mark.parametrize("content", ["text", None, ["list"]])
def test_content_that_is_no_object_becomes_an_empty_one(content: Any) -> None:
    message = {"type": "call:offer", "callId": "c-1", "from": "alice", "offer": content}

    assert signal_of(message, back(CallVocabulary.SERVER)) == Signal(Kind.OFFER, {})


@pytest.mark.parametrize("vocabulary", CallVocabulary)
def test_padded_message_has_the_size_that_was_asked_for(vocabulary: CallVocabulary) -> None:
    message = message_of(SIGNALS[0], there(vocabulary), NOW_MS)

    larger = padded(message, 40_000, len(protocol.encode(message)))

    assert len(protocol.encode(larger)) == 40_000
    assert signal_of(delivered(larger), back(vocabulary)) == SIGNALS[0]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"type": "error", "code": "target_offline", "message": "no"}, "target_offline: no"),
        ({"type": "error"}, "error: no reason given"),
        (
            {"message": "Internal server error", "connectionId": "x", "requestId": "y"},
            "API Gateway: Internal server error",
        ),
        ({"type": "message", "message": "hi"}, None),
        ({}, None),
    ],
)
def test_error_is_told_from_a_message(message: dict[str, Any], words: str | None) -> None:
    assert refusal_of(message) == words


def test_simulated_call_shows_what_becomes_of_every_message_of_the_web_client() -> None:
    report = simulate(CallVocabulary.WEB, "alice", "bob", "c-1", NOW_MS)

    outcomes = {message.type: message.outcome for message in report.messages}
    assert report.ok
    assert "nothing left this process" in report.note
    assert {outcomes[kind] for kind in ("call_offer", "call_answer", "call_ice_candidate", "call_end")} == {
        "delivered"
    }
    assert outcomes["user_status"] == "refused: undeliverable"
    assert set(outcomes) >= {"message", "message_read", "typing", "chime:create-meeting"}


def test_simulated_call_of_the_server_delivers_every_call_message() -> None:
    report = simulate(CallVocabulary.SERVER, "alice", "bob", "c-1", NOW_MS)

    calls = [message.outcome for message in report.messages if message.type.startswith("call:")]
    assert report.ok
    assert calls == ["delivered"] * 7
