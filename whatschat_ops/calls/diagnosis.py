"""Why a stage of a call failed, and what to do: from what both ends saw. Pure.

Both ends are ours, so what was sent and what arrived are compared, not guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from whatschat_ops.calls.stages import Stage
from whatschat_ops.errors import Hint

Content = Mapping[str, Any]

_DEFAULT_LOG: Final = Hint(("lambda", "invoke", "default", "--tail"), "See why the function fails")
_DOCTOR: Final = Hint(("doctor", "websocket"))
_CONNECTIONS: Final = Hint(("ws", "connections", "list"), "See who is connected")
_HANDLER: Final = Hint(
    ("lambda", "deploy", "default"), "Correct the function that serves $default, or deploy the built-in one"
)
_NETWORK: Final = Hint(
    text="Allow UDP between the two networks, or add a STUN server with --ice-server stun:HOST:PORT; "
    "clients behind symmetric NAT need a TURN server."
)


@dataclass(frozen=True, slots=True)
class End:
    """What is known of one end when a stage failed."""

    candidates_sent: Sequence[Content] = ()
    candidates_arrived: Sequence[Content] = ()
    refusals: Sequence[str] = ()
    closed: str = ""
    state: str = "new"
    audio_packets: int = 0
    hears_tone: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a call when a stage failed. `sent` and `arrived`: of the message that the stage waits for."""

    limit_s: float
    sent: Content | None = None
    arrived: Content | None = None
    caller: End = field(default_factory=End)
    callee: End = field(default_factory=End)

    @property
    def ends(self) -> tuple[tuple[str, End], ...]:
        """Both ends with their names."""
        return (("caller", self.caller), ("callee", self.callee))


@dataclass(frozen=True, slots=True)
class Cause:
    """Why, as a sentence, and what to do."""

    text: str
    hint: Hint


def diagnose(stage: Stage, seen: Seen) -> Cause:
    """The cause of a stage that failed."""
    signalled = _signalling_cause(stage, seen)
    if signalled is not None:
        return signalled
    match stage:
        case Stage.CANDIDATES:
            return _candidates_cause(seen)
        case Stage.ICE:
            return _ice_cause(seen)
        case Stage.DTLS:
            return Cause(
                f"The peers reach each other, but DTLS was not done within {seen.limit_s:g} s: packets are lost, or something "
                "between the peers drops DTLS.",
                _NETWORK,
            )
        case Stage.DATA:
            return Cause(
                f"The connection is encrypted, but no message came back through the data channel within {seen.limit_s:g} s.",
                _NETWORK,
            )
        case Stage.AUDIO:
            return _audio_cause(seen)
        case Stage.MEDIA:
            states = ", ".join(f"{name} {end.state}" for name, end in seen.ends)
            return Cause(f"The peers lost each other during the call ({states}).", _NETWORK)
        case _:
            return _silence_cause(stage, seen)


def _signalling_cause(stage: Stage, seen: Seen) -> Cause | None:
    """What the API itself said about it."""
    if stage in (Stage.ICE, Stage.DTLS, Stage.DATA, Stage.AUDIO, Stage.MEDIA):
        return None  # the media need no signalling any more
    for name, end in seen.ends:
        if end.closed:
            return Cause(f"The socket of the {name} was closed: {end.closed}.", _DOCTOR)
    if seen.arrived is not None and seen.arrived != seen.sent:
        return Cause(f"The {stage.value} was changed on its way: {_difference(seen)}.", _HANDLER)
    refusals = [refusal for _, end in seen.ends for refusal in end.refusals]
    return _refusal_cause(stage, refusals[-1]) if refusals else None


def _refusal_cause(stage: Stage, refusal: str) -> Cause:
    code = refusal.partition(":")[0]
    if code == "API Gateway":
        return Cause(
            f"{refusal}. The function of $default failed, or API Gateway may not invoke it.",
            _DOCTOR
            if "Forbidden" in refusal
            else Hint(_DEFAULT_LOG.argv, _DEFAULT_LOG.text, ("doctor", "websocket")),
        )
    hints = {
        "target_offline": _CONNECTIONS,
        "not_connected": _CONNECTIONS,
        "delivery_failed": _DEFAULT_LOG,
        "internal_error": _DEFAULT_LOG,
        "message_too_large": Hint(
            text="Send a smaller message: a URL as callerAvatar, not the picture itself."
        ),
    }
    return Cause(f"The {stage.value} was refused: {refusal}.", hints.get(code, _HANDLER))


def _difference(seen: Seen) -> str:
    sent, arrived = seen.sent or {}, seen.arrived or {}
    names = sorted(name for name in {*sent, *arrived} if sent.get(name) != arrived.get(name))
    return ", ".join(
        f"{name} had {len(str(sent.get(name, ''))):,} characters and arrived with {len(str(arrived.get(name, ''))):,}"
        for name in names
    )


def _silence_cause(stage: Stage, seen: Seen) -> Cause:
    """The message was sent, and neither it nor an error arrived."""
    if stage is Stage.ANSWER:
        return Cause(
            f"The offer arrived, but the far side did not answer: no answer arrived at the caller within {seen.limit_s:g} s.",
            Hint(("lambda", "invoke", "default", "--tail"), "See whether $default serves the answer's type"),
        )
    what = "offer" if stage is Stage.OFFER else "end of the call"
    return Cause(
        f"The {what} was sent, and neither it nor an error arrived within {seen.limit_s:g} s: $default did not run, or its "
        "function may not post to connections (execute-api:ManageConnections).",
        Hint(
            ("iam", "policies", "lambda"), "Check the role of the functions against", ("doctor", "websocket")
        ),
    )


def _candidates_cause(seen: Seen) -> Cause:
    for name, sender, receiver in (
        ("caller", seen.caller, seen.callee),
        ("callee", seen.callee, seen.caller),
    ):
        sent, arrived = sender.candidates_sent, receiver.candidates_arrived
        if not sent:
            return Cause(f"The {name} found no address of its own to offer.", _NETWORK)
        if any(candidate not in sent for candidate in arrived):
            return Cause(f"ICE candidates of the {name} were changed on their way.", _HANDLER)
        if len(arrived) < len(sent):
            return Cause(
                f"Of {len(sent)} ICE candidates of the {name}, {len(arrived)} arrived at the other side within "
                f"{seen.limit_s:g} s, and no connection came about.",
                _HANDLER,
            )
    return Cause(f"The candidates did not arrive within {seen.limit_s:g} s.", _HANDLER)


def _ice_cause(seen: Seen) -> Cause:
    return Cause(
        f"All candidates arrived, but no pair of addresses worked within {seen.limit_s:g} s: UDP is blocked between the peers.",
        _NETWORK,
    )


def _audio_cause(seen: Seen) -> Cause:
    name, end = next((name, end) for name, end in seen.ends if not end.hears_tone)
    if not end.audio_packets:
        return Cause(
            f"No audio packet arrived at the {name} within {seen.limit_s:g} s, though data did.", _NETWORK
        )
    return Cause(
        f"{end.audio_packets:,} audio packets arrived at the {name}, but the other side's tone was not in them.",
        Hint(text="Run it again with --debug; if it stays silent, the media were changed on their way."),
    )
