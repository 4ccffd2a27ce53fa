from __future__ import annotations

import pytest

from whatschat_ops.migration.log_figures import UserAt, reconnect_times

WITHIN_MS = 60_000


@pytest.mark.parametrize(
    ("connects", "disconnects", "expected"),
    [
        ([(100, "alice")], [], []),
        ([(100, "alice")], [(90, "alice")], [100]),
        ([(100, "alice")], [(100, "alice")], [100]),
        ([(100, "alice")], [(101, "alice")], []),
        ([(100, "alice")], [(90, "bob")], []),
        ([(60_090, "alice")], [(90, "alice")], [60_090]),
        ([(60_091, "alice")], [(90, "alice")], []),
        ([(100, "alice"), (110, "alice")], [(90, "alice")], [100]),
        ([(110, "alice"), (100, "alice")], [(90, "alice"), (105, "alice")], [100, 110]),
    ],
    ids=[
        "first connect",
        "came back",
        "in the same millisecond",
        "an earlier socket",
        "another user",
        "just in time",
        "too late",
        "a second socket is no reconnect",
        "twice, in any order",
    ],
)
def test_reconnect_is_a_connect_soon_after_a_disconnection_of_the_same_user(
    connects: list[tuple[int, str]], disconnects: list[tuple[int, str]], expected: list[int]
) -> None:
    found = reconnect_times(
        (UserAt(*each) for each in connects), (UserAt(*each) for each in disconnects), WITHIN_MS
    )
    assert found == expected
