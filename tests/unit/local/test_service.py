"""The parts of the embedded AWS that need no process: saving, identity, files, identifying the process."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from whatschat_ops.cli.local import Shell, shell_lines
from whatschat_ops.errors import LocalError
from whatschat_ops.installation import extra_command
from whatschat_ops.local import layout as layouts
from whatschat_ops.local import process, server, service
from whatschat_ops.local.control.persistence import LAZY_DELAY_S, Autosave, unsaved_text
from whatschat_ops.local.control.telemetry import MAX_EVENTS_PER_STREAM, MAX_STREAMS_PER_GROUP, Telemetry
from whatschat_ops.local.identity import ensure_operator, read_access_key
from whatschat_ops.local.layout import Layout, process_environment, write_private
from whatschat_ops.local.process_file import ProcessFile, ServiceProcess, read
from whatschat_ops.local.server import listening


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Disk:
    """Stores what is written; `failing` makes it full, `slowness_s` slow."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.written: list[tuple[str, Any]] = []
        self.failing = False
        self.slowness_s = 0.0

    def write(self, service: str, state: Any) -> None:
        self.clock.now += self.slowness_s
        if self.failing:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.written.append((service, state))


def autosave(clock: Clock, disk: Disk, snapshot: Callable[[str], Any] = str.upper) -> Autosave:
    return Autosave(snapshot, disk.write, clock=clock)


# --- saving -----------------------------------------------------------------------------------------------------------


def test_a_change_is_due_at_once_and_a_lazy_one_later() -> None:
    clock = Clock()
    saver = autosave(clock, Disk(clock))
    saver.changed("dynamodb")
    saver.changed("logs", lazily=True)
    assert saver.due() == ["dynamodb"]
    clock.now += LAZY_DELAY_S
    assert saver.due() == ["dynamodb", "logs"]


def test_lazy_change_does_not_delay_an_earlier_one() -> None:
    clock = Clock()
    saver = autosave(clock, Disk(clock))
    saver.changed("logs")
    saver.changed("logs", lazily=True)
    assert saver.due() == ["logs"]


def test_saving_takes_at_most_a_tenth_of_the_time() -> None:
    clock = Clock()
    disk = Disk(clock)
    disk.slowness_s = 2.0
    saver = autosave(clock, disk)
    saver.changed("dynamodb")
    asyncio.run(saver.save("dynamodb"))
    saver.changed("dynamodb")
    clock.now += 19.9
    assert saver.due() == []
    clock.now += 0.2
    assert saver.due() == ["dynamodb"]


def test_failed_write_stays_due() -> None:
    clock = Clock()
    disk = Disk(clock)
    disk.failing = True
    saver = autosave(clock, disk)
    saver.changed("iam")
    asyncio.run(saver.flush())
    clock.now += 60
    assert saver.due() == ["iam"]
    disk.failing = False
    asyncio.run(saver.flush())
    assert disk.written == [("iam", "IAM")]
    assert saver.due() == []


def test_what_is_not_saved_is_reported_with_the_reason_until_it_is_saved() -> None:
    clock, reports = Clock(), list[str | None]()
    disk = Disk(clock)
    disk.failing = True
    saver = Autosave(
        str.upper, disk.write, clock=clock, report=lambda found: reports.append(unsaved_text(found))
    )
    saver.changed("sqs")
    saver.changed("iam")
    asyncio.run(saver.flush())
    asyncio.run(saver.flush())
    assert reports == ["sqs (No space left on device)", "sqs, iam (No space left on device)"]
    disk.failing = False
    asyncio.run(saver.flush())
    assert reports[2:] == ["iam (No space left on device)", None]


def test_a_flush_waits_for_a_write_whose_saver_was_cancelled() -> None:
    """A stop cancels the saver in the middle of a write, and then saves all: two writes would use one partial file."""
    began, second, go_on = threading.Event(), threading.Event(), threading.Event()
    states, log = iter(["older", "newer"]), []

    def write(_: str, state: str) -> None:
        log.append(f"{state} begins")
        (second if began.is_set() else began).set()
        assert go_on.wait(60)
        log.append(f"{state} ends")

    async def scenario() -> None:
        saver = Autosave(lambda _: next(states), write)
        saving = asyncio.create_task(saver.save("dynamodb"))
        await asyncio.to_thread(began.wait, 60)
        saving.cancel()
        await asyncio.wait({saving})
        saver.changed("dynamodb")
        flushing = asyncio.create_task(saver.flush())
        assert not await asyncio.to_thread(second.wait, 0.5)
        go_on.set()
        await flushing

    asyncio.run(scenario())
    assert log == ["older begins", "older ends", "newer begins", "newer ends"]


def test_a_failing_snapshot_is_logged_and_stays_due(caplog: pytest.LogCaptureFixture) -> None:
    def snapshot(_: str) -> Any:
        raise ValueError("broken")

    clock = Clock()
    saver = autosave(clock, Disk(clock), snapshot)
    saver.changed("iam")
    asyncio.run(saver.flush())
    clock.now += 60
    assert saver.due() == ["iam"]
    assert "Saving iam failed" in caplog.text


def test_a_dictionary_that_grows_while_it_is_copied_is_copied_on_the_loop() -> None:
    main = threading.get_ident()

    def snapshot(service: str) -> Any:
        if threading.get_ident() != main:
            raise RuntimeError("dictionary changed size during iteration")
        return service

    clock = Clock()
    disk = Disk(clock)
    saver = autosave(clock, disk, snapshot)
    saver.changed("dynamodb")
    asyncio.run(saver.flush())
    assert disk.written == [("dynamodb", "dynamodb")]


def test_a_change_during_the_save_is_saved_next_time() -> None:
    clock = Clock()
    disk = Disk(clock)

    def snapshot(service: str) -> Any:
        saver.changed(service)
        return service

    saver = autosave(clock, disk, snapshot)
    saver.changed("dynamodb")
    asyncio.run(saver.save("dynamodb"))
    clock.now += 60
    assert saver.due() == ["dynamodb"]


# --- identity ---------------------------------------------------------------------------------------------------------


class Iam:
    """The operations of IAM that the operator needs."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.policies: list[str] = []
        self.users: list[str] = []
        self.broken = False
        self.created = 0

    async def __call__(self, action: str, parameters: Mapping[str, str]) -> tuple[int, bytes]:
        if self.broken:
            return 500, b"<Code>ServiceFailure</Code>"
        return getattr(self, f"_{action}")(parameters)  # type: ignore[no-any-return]

    def _ListAccessKeys(self, parameters: Mapping[str, str]) -> tuple[int, bytes]:
        if parameters["UserName"] not in self.users:
            return 404, b"<ErrorResponse><Error><Code>NoSuchEntity</Code></Error></ErrorResponse>"
        ids = "".join(f"<member><AccessKeyId>{key}</AccessKeyId></member>" for key in self.keys)
        return 200, f'<R xmlns="https://iam.amazonaws.com/doc/2010-05-08/">{ids}</R>'.encode()

    def _CreateUser(self, parameters: Mapping[str, str]) -> tuple[int, bytes]:
        if parameters["UserName"] in self.users:
            return 409, b"<ErrorResponse><Error><Code>EntityAlreadyExists</Code></Error></ErrorResponse>"
        self.users.append(parameters["UserName"])
        return 200, b"<R/>"

    def _AttachUserPolicy(self, parameters: Mapping[str, str]) -> tuple[int, bytes]:
        self.policies.append(parameters["PolicyArn"])
        return 200, b"<R/>"

    def _DeleteAccessKey(self, parameters: Mapping[str, str]) -> tuple[int, bytes]:
        self.keys.remove(parameters["AccessKeyId"])
        return 200, b"<R/>"

    def _CreateAccessKey(self, parameters: Mapping[str, str]) -> tuple[int, bytes]:
        if len(self.keys) == 2:
            return 409, b"<Code>LimitExceeded</Code>"
        self.created += 1
        self.keys.append(f"AKIA{self.created}")
        secret = f"<SecretAccessKey>secret of {self.keys[-1]}</SecretAccessKey>"
        return 200, f"<R><AccessKeyId>{self.keys[-1]}</AccessKeyId>{secret}</R>".encode()


def test_first_start_creates_a_user_with_a_policy_and_a_private_key_file(tmp_path: Path) -> None:
    iam, path = Iam(), tmp_path / "credentials.json"
    key = asyncio.run(ensure_operator(iam, path))
    assert (iam.users, iam.keys) == (["operator"], [key.access_key_id])
    assert iam.policies == ["arn:aws:iam::aws:policy/AdministratorAccess"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_access_key(path) == key


def test_a_key_that_iam_still_knows_is_used_again(tmp_path: Path) -> None:
    iam, path = Iam(), tmp_path / "credentials.json"
    first = asyncio.run(ensure_operator(iam, path))
    assert asyncio.run(ensure_operator(iam, path)) == first


@pytest.mark.parametrize("keys", [[], ["AKIAX"], ["AKIAX", "AKIAY"]])
def test_a_key_that_iam_has_lost_is_replaced(tmp_path: Path, keys: list[str]) -> None:
    iam, path = Iam(), tmp_path / "credentials.json"
    first = asyncio.run(ensure_operator(iam, path))
    iam.keys = list(keys)
    second = asyncio.run(ensure_operator(iam, path))
    assert second != first
    assert iam.keys == [second.access_key_id]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"access_key_id": "AKIA"}', "\udcff"])
def test_damaged_key_file_is_made_again(tmp_path: Path, text: str) -> None:
    path = tmp_path / "credentials.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert read_access_key(path) is None
    iam = Iam()
    iam.users, iam.keys = ["operator"], ["AKIAOLD"]
    key = asyncio.run(ensure_operator(iam, path))
    assert read_access_key(path) == key
    assert iam.keys == [key.access_key_id]


def test_iam_that_rejects_a_call_fails_the_start(tmp_path: Path) -> None:
    iam = Iam()
    iam.broken = True
    with pytest.raises(LocalError, match="rejected CreateUser"):
        asyncio.run(ensure_operator(iam, tmp_path / "credentials.json"))


# --- logs and metrics -------------------------------------------------------------------------------------------------


class Store(dict[str, Any]):
    """A region-scoped store of one Region."""

    def all_items(self) -> list[tuple[tuple[str, str, str], Any]]:
        return [(("000000000000", "eu-west-1", name), value) for name, value in self.items()]


class LogsModule:
    """The parts of ministack's CloudWatch Logs that are written to."""

    def __init__(self) -> None:
        self._log_groups = Store()

    def _create_log_group(self, data: Mapping[str, Any]) -> None:
        self._log_groups[data["logGroupName"]] = {"streams": {}}

    def _append_log_events(self, stream: dict[str, Any], events: list[Any]) -> None:
        stream["events"].extend(events)

    def _fanout_to_subscription_filters(self, group: str, stream: str, events: list[Any]) -> None:
        assert events

    _fanout_to_live_tail_sessions = _fanout_to_subscription_filters


class CloudWatchModule:
    """The parts of ministack's CloudWatch that are written to."""

    def __init__(self) -> None:
        self.buckets: dict[Any, list[dict[str, Any]]] = {}

    def _dims_key(self, dimensions: Mapping[str, str]) -> Any:
        return tuple(sorted(dimensions.items()))

    def _metric_bucket(self, key: Any) -> list[dict[str, Any]]:
        return self.buckets.setdefault(key, [])


class TelemetryRig:
    """Telemetry with fakes."""

    def __init__(self, regions: Mapping[str, str]) -> None:
        self.logs = LogsModule()
        self.cloudwatch = CloudWatchModule()
        self.scopes: list[str] = []
        self.changed: list[str] = []
        self.telemetry = Telemetry(
            self.logs,
            self.cloudwatch,
            self._scope,
            lambda _kind, name: (region for key, region in regions.items() if key == name),
            self.changed.append,
        )

    @contextmanager
    def _scope(self, account: str, region: str) -> Iterator[None]:
        self.scopes.append(region)
        yield


@pytest.mark.difference(
    "Logs and metrics of functions",
    aws="separate in each Region",
    here="those of functions with the same name in two Regions go to the first Region with the log group",
)
def test_log_lines_go_to_the_region_of_their_group_function_or_arn() -> None:
    rig = TelemetryRig({"connect": "ap-south-1"})
    rig.telemetry.write("/aws/lambda/connect", "s", [(1, "a")])
    rig.telemetry.write(
        "/aws/lambda/connect", "s", [(1, "a")]
    )  # the fake store says that it is in eu-west-1 now
    rig.telemetry.write("arn:aws:logs:sa-east-1:000000000000:log-group:/access", "s", [(1, "a")])
    rig.telemetry.write("/unknown", "s", [(1, "a")])
    assert rig.scopes == ["ap-south-1", "eu-west-1", "sa-east-1", "us-east-1"]
    assert set(rig.logs._log_groups) == {"/aws/lambda/connect", "/access", "/unknown"}
    assert set(rig.changed) == {"cloudwatch_logs"}


def test_event_for_a_missing_group_is_dropped_without_create_group() -> None:
    rig = TelemetryRig({})
    rig.telemetry.write("/g", "s", [(1, "late")], create_group=False)
    assert (rig.logs._log_groups, rig.changed) == ({}, [])
    rig.telemetry.write("/g", "s", [(1, "a")])
    rig.telemetry.write("/g", "t", [(2, "b")], create_group=False)
    assert set(rig.logs._log_groups["/g"]["streams"]) == {"s", "t"}


def test_a_stream_keeps_its_newest_events_only() -> None:
    rig = TelemetryRig({})
    for number in range(12):
        rig.telemetry.write("/g", "s", [(number, f"{number}")] * 2_000)
    events = rig.logs._log_groups["/g"]["streams"]["s"]["events"]
    assert MAX_EVENTS_PER_STREAM <= len(events) <= MAX_EVENTS_PER_STREAM * 1.1
    assert events[-1]["message"] == "11"


def test_a_group_keeps_its_newest_streams_only() -> None:
    rig = TelemetryRig({})
    for number in range(MAX_STREAMS_PER_GROUP + 5):
        rig.telemetry.write("/g", f"s{number}", [(number, "x")])
    streams = rig.logs._log_groups["/g"]["streams"]
    assert len(streams) == MAX_STREAMS_PER_GROUP
    assert "s0" not in streams
    assert f"s{MAX_STREAMS_PER_GROUP + 4}" in streams


def test_equal_values_become_one_weighted_point() -> None:
    rig = TelemetryRig({"connect": "eu-west-1"})
    for value in (1.0, 1.0, 1.0, 12.3449, 12.3451, 0.4213):
        rig.telemetry.record_metric("AWS/Lambda", "m", value, "Count", {"FunctionName": "connect"})
    [points] = rig.cloudwatch.buckets.values()
    assert [(point["Value"], point["Count"]) for point in points] == [(1.0, 3.0), (12.3, 2.0), (0.42, 1.0)]
    assert set(rig.scopes) == {"eu-west-1"}


# --- processes and files ----------------------------------------------------------------------------------------------


def process_file(layout: Layout, **values: Any) -> None:
    write_private(layout.process_file, json.dumps({"port": 1, **values}))


def test_pid_of_another_program_is_not_the_service(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    process_file(layout, pid=os.getpid())
    assert process.find(layout) is None, "this test process is no server"


@pytest.fixture
def pretender(tmp_path: Path) -> Iterator[Callable[..., int]]:
    """Starts processes that do nothing, with a command line like the service's."""
    started: list[subprocess.Popen[bytes]] = []

    def start(root: Path) -> int:
        code = "import sys; print(flush=True); sys.stdin.read()"
        command = [sys.executable, "-c", code, process.SERVER_MODULE, process.ROOT_OPTION, str(root)]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(child)
        assert child.stdout is not None
        child.stdout.readline()  # the command line of a process that has just been started may be empty
        return child.pid

    yield start
    for child in started:
        child.communicate()


def test_service_is_recognised_by_the_directory_in_its_command_line(
    tmp_path: Path, pretender: Callable[..., int]
) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "root")
    layout = Layout(tmp_path / "root")
    process_file(layout, pid=pretender(tmp_path / "link"), create_time=0.0)  # as if the clock had been set
    assert process.find(layout) is not None
    process_file(layout, pid=pretender(tmp_path / "other"))
    assert process.find(layout) is None


def test_process_file_can_be_overwritten_without_another_block(tmp_path: Path) -> None:
    path = tmp_path / "service.json"
    file = ProcessFile(path, 4566, "1.0")
    file.create()
    size, inode = path.stat().st_size, path.stat().st_ino
    file.report("x" * 10_000)
    assert (path.stat().st_size, path.stat().st_ino) == (size, inode)
    found = read(path)
    assert found is not None
    assert (found.pid, found.port, (found.unsaved or "")[:3]) == (os.getpid(), 4566, "xxx")
    file.remove()
    assert path.exists(), "it tells the next command what was not saved"
    file.report(None)
    assert read(path) == ServiceProcess(os.getpid(), 4566)
    file.remove()
    assert not path.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}', '{"pid": 1}'])
def test_damaged_process_file_means_nothing_runs(tmp_path: Path, text: str) -> None:
    (tmp_path / "service.json").write_text(text, encoding="utf-8")
    assert process.find(Layout(tmp_path)) is None


def test_pid_that_no_longer_exists_is_not_running(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    process_file(layout, pid=2**22 + 1)
    assert process.find(layout) is None


def test_missing_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_NEEDED", ("psutil", "no_such_module_anywhere"))
    with pytest.raises(LocalError) as caught:
        service.ensure_running(port=4566, say=print)
    assert "no_such_module_anywhere missing" in caught.value.message
    assert str(caught.value.hint) == extra_command("local")


def test_process_environment_keeps_no_secret() -> None:
    kept = process_environment(
        {"PATH": "/bin", "AWS_SECRET_ACCESS_KEY": "x", "JWT_SECRET": "x", "MYSECRET": "x"}
    )
    assert kept == {"PATH": "/bin"}


def test_listener_names_tcp_so_that_asyncio_switches_nagle_off() -> None:
    with listening(0) as listener:
        assert listener.proto == socket.IPPROTO_TCP
        assert listener.getsockname()[0] == "127.0.0.1"


def test_write_private_replaces_in_one_step_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    write_private(path, "one")
    path.chmod(0o644)
    write_private(path, "two")
    assert (path.read_text(encoding="utf-8"), stat.S_IMODE(path.stat().st_mode)) == ("two", 0o600)
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_layout_follows_the_state_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WHATSCHAT_OPS_STATE_DIR", str(tmp_path))
    assert Layout.of_user().root == tmp_path / "local"


def test_ministack_listens_on_loopback_and_cannot_reach_docker(tmp_path: Path) -> None:
    environment = layouts.ministack_environment(Layout(tmp_path), 4567)
    assert environment["BIND_HOST"] == "127.0.0.1"
    assert environment["AUTH"] == "true"
    assert environment["DOCKER_HOST"].startswith(f"unix://{tmp_path}")


def test_logs_follow_continues_after_a_rotation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WHATSCHAT_OPS_STATE_DIR", str(tmp_path))
    log = Layout.of_user().log_file
    log.parent.mkdir(parents=True)
    log.write_text("one\ntwo\nthree\n", encoding="utf-8")
    lines = service.log_lines(lines=2, follow=True)
    assert [next(lines), next(lines)] == ["two", "three"]

    def append(_: float) -> None:
        with log.open("a", encoding="utf-8") as file:
            file.write("four\nhalf")

    def rotate(_: float) -> None:
        os.truncate(log, 0)
        with log.open("a", encoding="utf-8") as file:
            file.write("new\n")

    steps = iter([append, rotate])
    monkeypatch.setattr(time, "sleep", lambda seconds: next(steps)(seconds))
    assert [next(lines), next(lines)] == ["four", "new"]


# --- shells -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shell", "first", "last"),
    [
        (Shell.bash, "export A='x y'", "unset AWS_SESSION_TOKEN AWS_PROFILE"),
        (Shell.fish, "set -gx A 'x y';", "set -e AWS_PROFILE;"),
        (Shell.powershell, "$Env:A = 'x y'", "Remove-Item Env:AWS_PROFILE -ErrorAction SilentlyContinue"),
    ],
)
def test_env_is_written_for_each_shell(shell: Shell, first: str, last: str) -> None:
    lines = shell_lines(shell, {"A": "x y"})
    assert (lines[0], lines[-1]) == (first, last)


def test_process_file_that_was_longer_can_still_be_read(tmp_path: Path) -> None:
    path = tmp_path / "service.json"
    file = ProcessFile(path, 4566, "1.0", ["x" * 5_000])
    file.create()
    file.report("no space left")
    file.report(None)
    found = read(path)
    assert found is not None and (found.pid, found.unsaved) == (os.getpid(), None)


def test_service_stops_with_its_directory_when_housekeeping_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "HOUSEKEEPING_S", 0)
    layout, stopping = Layout(tmp_path), asyncio.Event()

    def fail() -> None:
        raise KeyError("Threshold")

    asyncio.run(server._housekeeping(layout, ProcessFile(layout.process_file, 1, ""), stopping, fail))
    assert stopping.is_set()
    assert "KeyError: 'Threshold'" in caplog.text
