"""No meeting is forgotten, whatever call of a command is the last one that it makes. (`python -m tests.chime_leaks` is the large run.)"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chime_leaks import rounds, world

pytestmark = pytest.mark.local


def test_killed_commands_leave_no_meeting_that_the_ledger_does_not_know(tmp_path: Path) -> None:
    with world(tmp_path) as leaks:
        rounds(leaks, meetings=12, alive=6, kills=10, losses=3)
    assert leaks.tally.problems == []
    assert leaks.tally.killed == 10
    assert leaks.tally.rows >= len(set(leaks.tally.ever.values())) >= 6
