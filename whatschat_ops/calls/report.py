"""What a test call found, as it is shown and printed as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from whatschat_ops.calls.stages import StageFailure, StageTime
from whatschat_ops.errors import OpsError
from whatschat_ops.measure.histogram import Latency


class CallFailed(OpsError):
    """A call could not be made; the message names the stage."""

    code = "call_failed"


@dataclass(frozen=True, slots=True)
class AudioSeen:
    """What one end has received: RTP packets, those lost, jitter (RFC 3550), and the tone's level."""

    packets: int
    lost: int
    jitter_ms: float | None
    level_dbfs: float | None


@dataclass(frozen=True, slots=True)
class AudioSent:
    """What one end has sent: RTP packets, and bytes of their payload."""

    packets: int
    bytes: int


@dataclass(frozen=True, slots=True)
class DataSeen:
    """Messages through the data channel and back."""

    sent: int
    returned: int
    round_trip: Latency


@dataclass(frozen=True, slots=True)
class AudioFlow:
    """Audio in one direction: packets sent and received. `level_dbfs` is that of the tone at the far end; None: it was not heard."""

    direction: str
    tone_hz: int
    sent: int
    packets: int
    lost: int
    loss_percent: float | None
    jitter_ms: float | None
    bitrate_kbps: float | None
    level_dbfs: float | None


@dataclass(frozen=True, slots=True)
class SignalCount:
    """The messages of one kind: sent and arrived."""

    kind: str
    sent: int
    arrived: int


@dataclass(frozen=True, slots=True)
class CallReport:
    """A call that was made over the WebSocket API, or how far it came. `endpoint`: None before it was known."""

    mode: str
    started_at: datetime
    endpoint: str | None
    vocabulary: str
    users: Mapping[str, str]
    """`caller` and `callee` -> user id."""
    ok: bool
    interrupted: bool
    stages: tuple[StageTime, ...]
    setup_ms: float | None
    """From the start until audio was heard at both ends; None: it was not."""
    failure: StageFailure | None
    signals: tuple[SignalCount, ...]
    audio: tuple[AudioFlow, ...]
    data: DataSeen | None
    remarks: tuple[str, ...]
