"""What older versions left behind, used with this one: an embedded AWS, journals of broadcasts, a saved plan."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from websockets.exceptions import InvalidHandshake
from websockets.sync.client import connect

from tests.local.program import Program
from tests.ports import free_port
from tests.upgrade.archive import ARCHIVES, unpack

pytestmark = pytest.mark.local

PAUSE_S = 0.1
"""Between two clients that connect: every connection starts a function, which takes processor time."""


each_archive = pytest.fixture(
    scope="module",
    params=sorted(ARCHIVES.glob("*.tar.xz")),
    ids=lambda archive: archive.name.partition(".")[0],
)


@contextmanager
def unpacked(archive: Path, directory: Path) -> Iterator[Program]:
    """The program of today where an older version left these files."""
    port = free_port()
    unpack(archive, directory, port)
    environment = {
        "WHATSCHAT_OPS_STATE_DIR": str(directory / "state"),
        "WHATSCHAT_LOCAL_PORT": str(port),
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "COLUMNS": "200",
    }
    found = Program(environment, directory=directory, options=("--config", "whatschat.yaml"))
    try:
        yield found
    finally:
        found.run("local", "stop")


@each_archive
def upgraded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """The stack stays as the older version made it."""
    with unpacked(request.param, tmp_path_factory.mktemp("upgraded")) as found:
        yield found


@each_archive
def changing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """The stack changes over to this version, test by test."""
    with unpacked(request.param, tmp_path_factory.mktemp("changing")) as found:
        yield found


def roles_of(program: Program) -> dict[str, str]:
    """The name of each role of ours -> its path."""
    roles = client_of(program)("iam").list_roles(PathPrefix="/whatschat-ops/")["Roles"]
    return {role["RoleName"]: role["Path"] for role in roles}


def client_of(program: Program) -> Callable[[str], Any]:
    """Clients with the key of the embedded AWS that was left behind."""
    key = json.loads((Path(program.environment["HOME"]) / "state/local/credentials.json").read_text())

    def client(service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{program.environment['WHATSCHAT_LOCAL_PORT']}",
            region_name="us-east-1",
            aws_access_key_id=key["access_key_id"],
            aws_secret_access_key=key["secret_access_key"],
        )

    return client


@contextmanager
def connecting(program: Program) -> Iterator[list[str]]:
    """Connects one client after the other meanwhile, at least one before and one after; the list has what came of each."""
    url = program.says("ws", "endpoint")
    token = program.says("token", "mint", "--user", "carol")
    outcomes: list[str] = []
    first, stop = threading.Event(), threading.Event()

    def work() -> None:
        while not stop.wait(PAUSE_S):
            outcomes.append(handshake(f"{url}?token={token}"))
            first.set()
        outcomes.append(handshake(f"{url}?token={token}"))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert first.wait(60)
        yield outcomes
    finally:
        stop.set()
        thread.join()


def handshake(url: str) -> str:
    """`accepted`, or why not."""
    try:
        with connect(url, open_timeout=60):
            return "accepted"
    except (InvalidHandshake, OSError) as error:
        return str(error)


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
        assert shown["message"]["text"] == "Maintenance tonight"


def test_interrupted_broadcast_of_an_older_version_is_resumed(upgraded: Program) -> None:
    run = interrupted(upgraded, "local")
    done = upgraded.json("ws", "broadcast", "--resume", run["run_id"])
    assert (done["state"], done["resumes"], done["connections"]) == ("finished", 1, run["connections"])
    assert done["delivered"] + done["gone"] == done["connections"]
    assert (done["pending"], done["failed"]) == (0, 0)
    assert "nothing to do" in upgraded.run("ws", "broadcast", "--resume", run["run_id"]).stderr


def test_interrupted_distributed_broadcast_of_an_older_version_is_refused_with_what_to_do(
    upgraded: Program,
) -> None:
    require_refused(upgraded)


def interrupted(program: Program, engine: str) -> Any:
    """The run of this engine that was interrupted."""
    runs = program.json("ws", "broadcasts", "list")
    (run,) = (run for run in runs if (run["engine"], run["state"]) == (engine, "interrupted"))
    return run


def require_refused(program: Program) -> str:
    """The distributed run that an earlier version began is not resumed, and shown as it was; its id."""
    run = interrupted(program, "distributed")
    refused = program.run("ws", "broadcast", "--resume", run["run_id"], code=1).stderr
    assert "was begun by an earlier version" in refused
    assert "Finish it with that version" in refused
    shown = program.json("ws", "broadcasts", "show", run["run_id"])["summary"]
    assert (shown["state"], shown["connections"]) == ("interrupted", run["connections"])
    return str(run["run_id"])


FUNCTIONS = ("connect", "disconnect", "default", "broadcast-worker")
PARTS = ("lambda", "broadcast-worker", "broadcast-states")
CREATED = {"bucket.broadcast", *(f"{kind}.{part}" for kind in ("role", "role_policy") for part in PARTS)}
EARLIER_ROLES = (
    "whatschat-websocket-lambda-local", "whatschat-broadcast-worker-local", "whatschat-broadcast-states-local",
)  # fmt: skip
EARLIER_BUCKET = "whatschat-local-broadcast-000000000000"
CHANGED = {
    **{(f"function.{short}", "role_arn"): "the name of the role has the Region" for short in FUNCTIONS},
    ("function.broadcast-worker", "environment"): "the name of the bucket has the Region",
    ("stage.websocket", "access_log_format"): "its lines name the invocation, the message and the client",
    ("state_machine.broadcast", "role_arn"): "the name of the role has the Region",
    ("state_machine.broadcast", "definition"): "the name of the bucket has the Region",
}
"""What a newer version changes besides the code of functions, and why."""


def test_plan_of_an_older_stack_creates_what_has_the_region_in_its_name_and_deletes_the_roles_last(
    changing: Program,
) -> None:
    steps = changing.json("plan")["steps"]
    actions = {step["address"]: step["action"] for step in steps if step["action"] != "no-op"}
    assert {address for address, action in actions.items() if action == "create"} == CREATED
    assert {address for address, action in actions.items() if action == "delete"} == set(list(actions)[-3:])
    assert set(list(actions)[-3:]) == {f"role.orphan/{name}" for name in EARLIER_ROLES}
    changes = {
        (step["address"], change["field"])
        for step in steps
        if step["action"] == "update"
        for change in step["changes"]
    }
    code = {(address, field) for address, field in changes if field in ("code_sha256", "version")}
    assert changes - code == CHANGED.keys()
    kept = {step["address"]: step["kept"] for step in steps if step["kept"]}
    assert kept == {f"bucket.orphan/{EARLIER_BUCKET}": "it holds broadcasts of an earlier version"}


def test_older_stack_accepts_every_connection_while_it_changes_over(changing: Program) -> None:
    client = client_of(changing)
    log_role = client("apigateway").get_account()["cloudwatchRoleArn"]
    with connecting(changing) as outcomes:
        changing.run("provision", "--yes")
    assert set(outcomes) == {"accepted"}
    assert not changing.json("plan")["changes"]
    paths = roles_of(changing)
    assert set(paths) == {f"{name}-us-east-1" for name in EARLIER_ROLES} | {"whatschat-ops-apigateway-logs"}
    assert set(paths.values()) == {"/whatschat-ops/whatschat-local/us-east-1/", "/whatschat-ops/"}
    assert client("apigateway").get_account()["cloudwatchRoleArn"] == log_role


def test_run_in_the_bucket_of_an_older_stack_is_refused_shown_and_deleted_after_it_changed_over(
    changing: Program,
) -> None:
    run_id = require_refused(changing)
    changing.run("ws", "broadcasts", "delete", run_id, "--yes")
    assert run_id not in {run["run_id"] for run in changing.json("ws", "broadcasts", "list")}


def test_bucket_of_an_older_stack_is_deleted_once_it_holds_no_runs(changing: Program) -> None:
    bucket = client_of(changing)("s3")
    for found in bucket.list_objects_v2(Bucket=EARLIER_BUCKET)["Contents"]:
        bucket.delete_object(Bucket=EARLIER_BUCKET, Key=found["Key"])
    changing.run("provision", "--yes")
    assert [found["Name"] for found in bucket.list_buckets()["Buckets"]] == [
        "whatschat-local-broadcast-us-east-1-000000000000"
    ]


def test_distributed_broadcast_over_an_older_stack_is_refused_until_it_has_changed_over(
    upgraded: Program,
) -> None:
    """The last test of `upgraded`, which is changed over."""
    url = upgraded.says("ws", "endpoint")
    token = upgraded.says("token", "mint", "--user", "dora")
    options = ("--engine", "distributed", "--user", "dora", "--text", "on the move")
    with ExitStack() as sockets:
        for _ in range(10):
            sockets.enter_context(connect(f"{url}?token={token}", open_timeout=60, ping_interval=None))
        refused = upgraded.run("ws", "broadcast", *options, code=1).stderr
        assert "provisioned by an earlier version" in refused
        with connecting(upgraded) as outcomes:
            upgraded.run("provision", "--yes")
        summary = upgraded.json("ws", "broadcast", *options)
    assert (summary["connections"], summary["delivered"], summary["failed"]) == (10, 10, 0)
    assert set(outcomes) == {"accepted"}
    upgraded.run("provision", "--yes")
    assert set(roles_of(upgraded)).isdisjoint(EARLIER_ROLES)
