"""The stages of a call: order, times, limits, and the failure that ends it."""

from __future__ import annotations

import pytest

from whatschat_ops.calls.stages import STAGES, CallState, Limits, Stage
from whatschat_ops.errors import Hint


def test_call_that_reaches_every_stage_is_over_with_a_time_for_each() -> None:
    state = CallState(10.0)
    for number, stage in enumerate(STAGES):
        assert state.stage is stage
        state = state.reached(10.5 + number)

    assert state.stage is None
    assert [time.stage for time in state.times] == [stage.value for stage in STAGES]
    assert [time.took_ms for time in state.times[:3]] == [500.0, 1000.0, 1000.0]
    assert state.times[-1].at_ms == 500.0 + 1000.0 * (len(STAGES) - 1)


def test_failed_stage_ends_the_call_and_keeps_what_was_reached() -> None:
    state = CallState(0.0).reached(1.0).failed("no answer", Hint(("status",)))

    assert state.stage is None
    assert [time.stage for time in state.times] == ["token"]
    assert state.failure is not None
    assert (state.failure.stage, state.failure.cause) == ("connect caller", "no answer")
    with pytest.raises(ValueError, match="over"):
        state.reached(2.0)
    with pytest.raises(ValueError, match="over"):
        state.failed("again", Hint())


def test_clock_that_goes_back_gives_no_negative_time() -> None:
    state = CallState(5.0).reached(6.0).reached(5.5)

    assert [time.took_ms for time in state.times] == [1000.0, 0.0]


def test_limits_leave_handshakes_their_own_time_and_media_its_duration() -> None:
    limits = Limits(stage_s=2.0, media_s=30.0)

    assert limits.of(Stage.CONNECT_CALLER) == 35.0
    assert limits.of(Stage.OFFER) == limits.of(Stage.END) == 2.0
    assert limits.of(Stage.MEDIA) == 32.0
