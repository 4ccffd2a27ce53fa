"""A soak of three rounds. The long one: `python -m tests.soak`, docs/soak.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak.judge import judge
from tests.soak.running import soak

SOCKETS = 12


@pytest.mark.timeout(900)
def test_every_invariant_of_a_short_soak_holds(tmp_path: Path) -> None:
    found = soak(tmp_path, 0, SOCKETS, lambda _: None)
    assert found.surprises == []
    assert [finding for finding in judge(found) if not finding.kept] == []
    done = (
        "restarts of the embedded AWS", "`call test`", "`migrate rollback`", "kill -9 of `migrate advance`",
        "kill -9 of executor workers", "kill -9 of a process with sockets", "faults: a function throttled",
    )  # fmt: skip
    assert [what for what in done if not found.done[what]] == []
