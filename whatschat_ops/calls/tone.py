"""A test tone, and what is left of it at the far end: level and frequency of 16-bit samples. Pure, without numpy.

Goertzel's algorithm gives the power at one frequency ("An Algorithm for the Evaluation of Finite Trigonometric Series", 1958).
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from operator import mul
from typing import Final

SAMPLES_PER_S: Final = 48_000
"""Of Opus (RFC 7587, section 4.1)."""
FRAME_SAMPLES: Final = SAMPLES_PER_S // 50
FULL_SCALE: Final = 32_767
AMPLITUDE: Final = 0.5
"""Of full scale: -9 dBFS. Opus keeps it, and nothing clips."""
AUDIBLE_DBFS: Final = -40.0
TONE_SHARE: Final = 0.5
"""The least share of a frame's power at the tone's frequency for the frame to be that tone."""


def tone(hz: int) -> array[int]:
    """One second of a sine of `hz` whole periods: played again and again it has no click."""
    step = 2 * math.pi * hz / SAMPLES_PER_S
    scale = AMPLITUDE * FULL_SCALE
    return array("h", (round(scale * math.sin(step * sample)) for sample in range(SAMPLES_PER_S)))


def power(samples: Sequence[int]) -> float:
    """The mean square of the samples; 0.0 of none."""
    return sum(map(mul, samples, samples)) / len(samples) if samples else 0.0


def dbfs(mean_square: float) -> float | None:
    """A mean square as a level below full scale; None for digital silence."""
    return 10 * math.log10(mean_square / FULL_SCALE**2) if mean_square > 0 else None


def share_at(samples: Sequence[int], hz: int, samples_per_s: int = SAMPLES_PER_S) -> float:
    """The share (0 to 1) of the samples' power at `hz`."""
    total = power(samples)
    if not total:
        return 0.0
    coefficient = 2 * math.cos(2 * math.pi * hz / samples_per_s)
    before = last = 0.0
    for sample in samples:
        before, last = last, sample + coefficient * last - before
    energy = last * last + before * before - coefficient * last * before
    return min(1.0, 2 * energy / (len(samples) ** 2 * total))


def is_tone(samples: Sequence[int], hz: int) -> bool:
    """Whether these samples of one channel are audible and mostly the tone."""
    level = dbfs(power(samples))
    return level is not None and level > AUDIBLE_DBFS and share_at(samples, hz) >= TONE_SHARE
