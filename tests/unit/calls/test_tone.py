"""The test tone: what is made is found again, and nothing else is."""

from __future__ import annotations

from array import array

import pytest

from whatschat_ops.calls import tone

FRAME = tone.FRAME_SAMPLES


def frame(hz: int, scale: float = 1.0) -> array[int]:
    return array("h", (round(scale * sample) for sample in tone.tone(hz)[FRAME : 2 * FRAME]))


def test_tone_has_the_level_that_its_amplitude_says() -> None:
    level = tone.dbfs(tone.power(tone.tone(440)))

    assert level == pytest.approx(-9.03, abs=0.01)


@pytest.mark.parametrize("hz", [440, 660])
def test_tone_is_found_at_its_own_frequency_only(hz: int) -> None:
    other = 440 + 660 - hz

    assert tone.share_at(frame(hz), hz) > 0.9
    assert tone.share_at(frame(hz), other) < 0.1
    assert tone.is_tone(frame(hz), hz)
    assert not tone.is_tone(frame(hz), other)


def test_silence_and_a_tone_too_low_to_hear_are_no_tone() -> None:
    assert not tone.is_tone(array("h", [0] * FRAME), 440)
    assert not tone.is_tone(frame(440, 0.01), 440)
    assert tone.dbfs(tone.power(array("h"))) is None


def test_one_second_can_be_played_again_without_a_click() -> None:
    samples = tone.tone(660)
    step = samples[1] - samples[0]

    assert len(samples) == tone.SAMPLES_PER_S
    assert samples[0] - samples[-1] == pytest.approx(step, abs=1)
