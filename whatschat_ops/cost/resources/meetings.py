"""Chime SDK meetings: attendee-minutes, and what AWS lists beside them, whose prices are in no public source that was found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from whatschat_ops.cost.components import Component
from whatschat_ops.cost.quantities import Quantity, Traffic
from whatschat_ops.pricing.rates import RateKey

SERVICE: Final = "Chime SDK"
OTHERS: Final[tuple[tuple[str, RateKey], ...]] = (
    ("HD meetings", "chime_hd"),
    ("Media capture", "chime_capture"),
    ("Media concatenation", "chime_concatenation"),
    ("Live connector", "chime_live_connector"),
    ("Media replication", "chime_replication"),
    ("Media streaming", "chime_streaming"),
    ("Live transcription", "chime_transcription"),
    ("Voice Focus", "chime_voice_focus"),
)
"""https://aws.amazon.com/chime/chime-sdk/pricing/ lists them apart from the standard attendee-minute."""


def components(traffic: Traffic) -> Iterator[Component]:
    """Audio and video are one price on AWS's list and two in the guide."""
    yield Component(SERVICE, "Audio", "chime_audio", "attendee-minute", traffic.audio_minutes)
    yield Component(SERVICE, "Video", "chime_video", "attendee-minute", traffic.video_minutes)
    for item, price in OTHERS:
        yield Component(SERVICE, item, price, "minute", Quantity(None))
