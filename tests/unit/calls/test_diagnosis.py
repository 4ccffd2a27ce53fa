"""Each way to fail: which cause is told from what both ends saw, and what it advises."""

from __future__ import annotations

import pytest

from whatschat_ops.calls.diagnosis import End, Seen, diagnose
from whatschat_ops.calls.stages import Stage

SENT = {"sdp": "v=0"}
ONE = ({"candidate": "1"},)
REFUSALS = {
    "target_offline: the user has no live connection": "ws connections list",
    "not_connected: connect again": "ws connections list",
    "delivery_failed: could not be reached": "lambda invoke default",
    "internal_error: send it again": "lambda invoke default",
    "message_too_large: 128 KB": "callerAvatar",
    "bad_message: no": "lambda deploy default",
    "API Gateway: Internal server error": "lambda invoke default",
    "API Gateway: Forbidden": "doctor websocket",
}


@pytest.mark.parametrize(("refusal", "hint"), REFUSALS.items())
@pytest.mark.parametrize("stage", [Stage.OFFER, Stage.ANSWER, Stage.CANDIDATES, Stage.END])
def test_refusal_is_the_cause_with_its_own_advice(stage: Stage, refusal: str, hint: str) -> None:
    cause = diagnose(stage, Seen(10, caller=End(refusals=(refusal,))))

    assert refusal in cause.text
    assert hint in str(cause.hint)


@pytest.mark.parametrize("stage", [Stage.ICE, Stage.DTLS, Stage.DATA, Stage.AUDIO, Stage.MEDIA])
def test_refusal_of_a_late_signal_is_no_cause_once_media_need_no_signalling(stage: Stage) -> None:
    cause = diagnose(stage, Seen(10, caller=End(refusals=("target_offline: no",), closed="1001")))

    assert "target_offline" not in cause.text and "1001" not in cause.text


def test_closed_socket_is_the_cause_before_everything_else() -> None:
    seen = Seen(10, SENT, {"sdp": "v"}, callee=End(closed="1009 (message too large)"))

    assert "The socket of the callee was closed: 1009" in diagnose(Stage.OFFER, seen).text


@pytest.mark.parametrize(
    ("stage", "seen", "text"),
    [
        (Stage.OFFER, Seen(7, SENT), "within 7 s: $default did not run"),
        (Stage.OFFER, Seen(7, SENT, {"sdp": "v"}), "sdp had 3 characters and arrived with 1"),
        (Stage.OFFER, Seen(7, SENT, {**SENT, "x": "yy"}), "x had 0 characters and arrived with 2"),
        (Stage.ANSWER, Seen(7, SENT), "far side did not answer"),
        (Stage.CANDIDATES, Seen(7), "The caller found no address"),
        (Stage.CANDIDATES, Seen(7, caller=End(ONE)), "Of 1 ICE candidates of the caller, 0 arrived"),
        (Stage.CANDIDATES, Seen(7, caller=End(ONE), callee=End((), ONE)), "The callee found no address"),
        (
            Stage.CANDIDATES,
            Seen(7, caller=End(ONE, ({"candidate": "2"},)), callee=End(ONE, ONE)),
            "candidates of the callee were changed",
        ),
        (Stage.CANDIDATES, Seen(7, caller=End(ONE, ONE), callee=End(ONE, ONE)), "within 7 s"),
        (Stage.ICE, Seen(7), "UDP is blocked"),
        (Stage.DTLS, Seen(7), "DTLS was not done within 7 s"),
        (Stage.DATA, Seen(7), "no message came back"),
        (Stage.AUDIO, Seen(7), "No audio packet arrived at the caller"),
        (
            Stage.AUDIO,
            Seen(7, caller=End(hears_tone=True), callee=End(audio_packets=1_500)),
            "1,500 audio packets arrived at the callee, but",
        ),
        (Stage.MEDIA, Seen(7, callee=End(state="failed")), "caller new, callee failed"),
        (Stage.END, Seen(7), "The end of the call was sent"),
    ],
)
def test_what_both_ends_saw_names_the_cause(stage: Stage, seen: Seen, text: str) -> None:
    cause = diagnose(stage, seen)

    assert text in cause.text
    assert str(cause.hint)
