"""The stages of a call, in order, each with a time limit. Pure: who makes the call says what it reached, and when.

A stage begins when the one before it is reached. The first one that fails ends the call.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from whatschat_ops.errors import Hint
from whatschat_ops.quotas import MAX_INTEGRATION_TIMEOUT_MS


class Stage(StrEnum):
    """What a call has to get through."""

    TOKEN = "token"
    CONNECT_CALLER = "connect caller"
    CONNECT_CALLEE = "connect callee"
    OFFER = "offer"
    ANSWER = "answer"
    CANDIDATES = "candidates"
    ICE = "ice"
    DTLS = "dtls"
    DATA = "data"
    AUDIO = "audio"
    MEDIA = "media"
    END = "end"


STAGES: Final = tuple(Stage)


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that a stage may take. `media_s` is how long the call itself lasts."""

    stage_s: float
    media_s: float
    connect_s: float = MAX_INTEGRATION_TIMEOUT_MS / 1000 + 6
    """API Gateway holds the handshake until `$connect` has responded."""
    close_s: float = 5.0
    """For each thing that has to be closed at the end."""

    def of(self, stage: Stage) -> float:
        """The most seconds that `stage` may take."""
        if stage in (Stage.TOKEN, Stage.CONNECT_CALLER, Stage.CONNECT_CALLEE):
            return self.connect_s
        return self.media_s + self.stage_s if stage is Stage.MEDIA else self.stage_s


@dataclass(frozen=True, slots=True)
class StageTime:
    """A stage that was reached: how long it took, and when it was reached, in milliseconds after the start."""

    stage: str
    took_ms: float
    at_ms: float


@dataclass(frozen=True, slots=True)
class StageFailure:
    """The stage at which a call failed, why, and what to do."""

    stage: str
    cause: str
    hint: Hint


@dataclass(frozen=True, slots=True)
class CallState:
    """How far a call has come. Times are seconds of one clock."""

    started_s: float
    stages: tuple[StrEnum, ...] = STAGES
    reached_s: tuple[float, ...] = ()
    failure: StageFailure | None = None

    @property
    def stage(self) -> StrEnum | None:
        """The stage that the call is in; None when it is over."""
        over = self.failure is not None or len(self.reached_s) == len(self.stages)
        return None if over else self.stages[len(self.reached_s)]

    def reached(self, at_s: float) -> CallState:
        """The call after its stage was reached. Raises ValueError when it is over."""
        if self.stage is None:
            raise ValueError("the call is over")
        return replace(self, reached_s=(*self.reached_s, max(at_s, self.entered_s)))

    def failed(self, cause: str, hint: Hint, stage: StrEnum | None = None) -> CallState:
        """The call after its stage, or a later one, failed. Raises ValueError when it is over."""
        if self.stage is None:
            raise ValueError("the call is over")
        return replace(self, failure=StageFailure((stage or self.stage).value, cause, hint))

    @property
    def entered_s(self) -> float:
        """When the stage that the call is in began."""
        return self.reached_s[-1] if self.reached_s else self.started_s

    @property
    def times(self) -> tuple[StageTime, ...]:
        """Every stage that was reached."""
        begun_s = (self.started_s, *self.reached_s)
        return tuple(
            StageTime(stage.value, (at_s - from_s) * 1000, (at_s - self.started_s) * 1000)
            for stage, from_s, at_s in zip(self.stages, begun_s, self.reached_s, strict=False)
        )
