"""A small walk on the embedded AWS, with the backend in this process. The large one: `python -m tests.migration_walk`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.local.conftest import EmbeddedAws
from tests.migration_walk.judge import judge
from tests.migration_walk.walk import Evidence
from tests.migration_walk.world import walking
from whatschat_ops.local import service

pytestmark = pytest.mark.local

USERS, SAMPLES = 24, 20


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evidence]:
    """The evidence of one walk, on an embedded AWS of its own: it moves its clock."""
    from tests.local.conftest import started
    from tests.ports import free_port

    directory = tmp_path_factory.mktemp("walk")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WHATSCHAT_OPS_STATE_DIR", str(directory / "state"))
        running = service.ensure_running(port=free_port(), say=lambda _: None)
        aws: EmbeddedAws = started(directory / "state", running)
        try:
            for name, value in aws.environment().items():
                patch.setenv(name, value)
            with walking(running, aws.client, directory, users=USERS, minimum=SAMPLES) as walk:
                yield walk.run()
        finally:
            service.stop()


def test_every_promise_of_the_walk_is_kept(found: Evidence) -> None:
    assert found.surprises == []
    assert [finding for finding in judge(found) if not finding.kept] == []


def test_each_gate_says_what_its_traffic_deserves(found: Evidence) -> None:
    said = [part.verdict for part in found.parts]
    assert said == [
        "done", "pass", "pass", "pass", "inconclusive", "pass", "fail", "done", "pass", "pass", "pass", "done",
    ]  # fmt: skip
    failed = next(part for part in found.parts if part.verdict == "fail")
    assert failed.state == "phase 3: 50 %, held"
    assert found.parts[-1].state == "phase 4: 100 %, drained"
