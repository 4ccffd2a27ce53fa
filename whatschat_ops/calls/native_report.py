"""What the report of a call between two peers of ours says, from what was seen. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from whatschat_ops.calls.plan import SENDS_HZ
from whatschat_ops.calls.report import AudioFlow, AudioSeen, AudioSent, SignalCount
from whatschat_ops.calls.signalling import Side, SignalLog
from whatschat_ops.calls.tone import FRAME_SAMPLES, SAMPLES_PER_S
from whatschat_ops.calls.vocabulary import Kind

FRAME_S: Final = FRAME_SAMPLES / SAMPLES_PER_S


def signal_counts(logs: Collection[SignalLog]) -> tuple[SignalCount, ...]:
    """How many signals of each kind were sent and arrived, on both sides together."""
    return tuple(
        SignalCount(
            kind.value,
            sum(len(log.contents(kind, arrived=False)) for log in logs),
            sum(len(log.contents(kind, arrived=True)) for log in logs),
        )
        for kind in Kind
    )


def audio_flow(side: Side, seen: AudioSeen, sent: AudioSent) -> AudioFlow:
    """The audio that `side` sends, as the other end received it."""
    expected = seen.packets + seen.lost
    return AudioFlow(
        f"{side.value} to {side.other.value}",
        SENDS_HZ[side],
        sent.packets,
        seen.packets,
        seen.lost,
        100 * seen.lost / expected if expected else None,
        seen.jitter_ms,
        sent.bytes * 8 / 1000 / (sent.packets * FRAME_S) if sent.packets else None,
        seen.level_dbfs,
    )


def refusals(logs: Iterable[SignalLog]) -> Iterable[str]:
    """What the API refused, each once."""
    return dict.fromkeys(refusal for log in logs for refusal in log.refusals)


def without_public_address(logs: Mapping[Side, SignalLog]) -> Iterator[str]:
    """The sides that have candidates, and none from the STUN server."""
    for side, log in logs.items():
        candidates = [str(each["candidate"]) for each in log.contents(Kind.CANDIDATE, arrived=False)]
        if candidates and not any(" typ srflx" in each for each in candidates):
            yield f"The STUN server gave the {side.value} no public address."
