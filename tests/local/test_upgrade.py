"""What older versions left behind, used with this one: an embedded AWS, journals of broadcasts, a saved plan."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from tests.local.program import Program
from tests.ports import free_port
from tests.upgrade.archive import ARCHIVES, unpack

pytestmark = pytest.mark.local


@pytest.fixture(
    scope="module",
    params=sorted(ARCHIVES.glob("*.tar.xz")),
    ids=lambda archive: archive.name.partition(".")[0],
)
def upgraded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    directory, port = tmp_path_factory.mktemp("upgraded"), free_port()
    unpack(request.param, directory, port)
    environment = {
        "WHATSCHAT_OPS_STATE_DIR": str(directory / "state"),
        "WHATSCHAT_LOCAL_PORT": str(port),
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "COLUMNS": "200",
    }
    found = Program(environment, directory=directory, options=("--config", "whatschat.yaml"))
    yield found
    found.run("local", "stop")


def test_rows_of_an_older_version_are_listed(upgraded: Program) -> None:
    """The first test, because the broadcasts of the others delete them."""
    assert {row["user_id"] for row in upgraded.json("ws", "connections", "list")} == {"alice", "bob", "ghost"}


def test_meeting_of_an_older_version_is_listed_and_has_its_attendees(upgraded: Program) -> None:
    (meeting,) = upgraded.json("chime", "meeting", "list")
    assert (meeting["created_by"], meeting["status"]) == ("alice", "active")
    attendees = upgraded.json("chime", "attendee", "list", meeting["meeting_id"])
    assert sorted(attendee["external_user_id"] for attendee in attendees) == ["alice", "bob"]


def test_functions_of_an_older_version_run(upgraded: Program) -> None:
    assert "Connected." in upgraded.run("ws", "connect", "--user", "carol").stderr


def test_plan_of_an_older_version_is_refused_when_it_would_do_something_else_now(upgraded: Program) -> None:
    refused = upgraded.run("provision", "memory.plan", "--config", "changed.yaml", code=1).stderr
    assert "The plan of 20" in refused
    assert "made with other settings" in refused or "is stale" in refused
    assert "plan --out memory.plan" in refused


def test_broadcasts_of_an_older_version_are_listed_and_shown(upgraded: Program) -> None:
    runs = upgraded.json("ws", "broadcasts", "list")
    assert [run["engine"] for run in runs] == ["local", "distributed", "distributed", "local"]
    for run in runs:
        shown = upgraded.json("ws", "broadcasts", "show", run["run_id"])
        assert shown["summary"] == run
        assert json.loads(shown["message"])["text"] == "Maintenance tonight"


@pytest.mark.parametrize("engine", ["local", "distributed"])
def test_interrupted_broadcast_of_an_older_version_is_resumed(upgraded: Program, engine: str) -> None:
    runs = upgraded.json("ws", "broadcasts", "list")
    (run,) = (run for run in runs if (run["engine"], run["state"]) == (engine, "interrupted"))
    done = upgraded.json("ws", "broadcast", "--resume", run["run_id"])
    assert (done["state"], done["resumes"], done["connections"]) == ("finished", 1, run["connections"])
    assert done["delivered"] + done["gone"] == done["connections"]
    assert (done["pending"], done["failed"]) == (0, 0)
    assert "nothing to do" in upgraded.run("ws", "broadcast", "--resume", run["run_id"]).stderr


CHANGED = {
    ("role_policy.lambda", "document"): "the functions may read the parameter of a rotated JWT secret",
}
"""What a newer version changes besides the code of functions, and why."""


def test_stack_of_an_older_version_gets_new_code_and_what_is_explained(upgraded: Program) -> None:
    steps = upgraded.json("plan")["steps"]
    assert {step["action"] for step in steps} <= {"no-op", "update"}
    changes = {(step["address"], change["field"]) for step in steps for change in step["changes"]}
    code = {(address, field) for address, field in changes if field in ("code_sha256", "version")}
    assert changes - code <= CHANGED.keys()
    upgraded.run("provision", "--yes")
    assert not upgraded.json("plan")["changes"]
