"""What the embedded AWS could not save is said: by `local status`, by the next command, and by `local stop`, which fails."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from botocore.exceptions import ClientError

from tests.local.conftest import EmbeddedAws
from tests.local.program import Program, eventually
from whatschat_ops.errors import LocalError
from whatschat_ops.local import service
from whatschat_ops.local.layout import Layout
from whatschat_ops.local.process_file import SIZE_BYTES
from whatschat_ops.redaction import Secret

pytestmark = pytest.mark.local
MANY = 20
"""So many queues have a state of more than SIZE_BYTES."""


def create_queue(aws: EmbeddedAws, name: str) -> None:
    aws.client("sqs").create_queue(QueueName=name)


def queues(aws: EmbeddedAws) -> list[str]:
    return [url.rpartition("/")[2] for url in aws.client("sqs").list_queues().get("QueueUrls", [])]


@pytest.fixture
def layout(own_aws: EmbeddedAws) -> Iterator[Layout]:
    """The files of `own_aws`. What a test has made unwritable is writable when it ends."""
    found = Layout.of_user()
    yield found
    for path in (found.services / "sqs.json", found.objects):
        writable(path)


def unwritable(path: Path) -> None:
    """Nothing can be written to it, not even by root: a directory is in the place of a file, or the reverse."""
    was_directory = path.is_dir()
    path.rename(path.with_name(f"{path.name}.away"))
    path.touch() if was_directory else path.mkdir()


def writable(path: Path) -> None:
    away = path.with_name(f"{path.name}.away")
    if away.exists():
        path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
        away.rename(path)


@contextmanager
def full_disk(aws: EmbeddedAws, layout: Layout) -> Iterator[None]:
    """The kernel refuses every write that would make a file longer than `service.json`, which exists, has its size."""
    if not hasattr(psutil.Process, "rlimit"):  # only Linux can set the limit of another process
        unwritable(layout.services / "sqs.json")
        yield
        writable(layout.services / "sqs.json")
        return
    process = psutil.Process(aws.pid)
    usual = process.rlimit(psutil.RLIMIT_FSIZE)
    process.rlimit(psutil.RLIMIT_FSIZE, (SIZE_BYTES, usual[1]))
    yield
    process.rlimit(psutil.RLIMIT_FSIZE, usual)


def started_again(aws: EmbeddedAws) -> list[str]:
    """What the next start says."""
    said: list[str] = []
    service.ensure_running(port=aws.port, say=said.append)
    return said


def test_unsaved_changes_are_reported_and_stop_waits_for_the_user_to_make_room(
    own_aws: EmbeddedAws, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_queue(own_aws, "saved")
    eventually((layout.services / "sqs.json").exists)
    unsaved = [f"unsaved-{number:02}" for number in range(MANY)]
    with full_disk(own_aws, layout):
        for name in unsaved:
            create_queue(own_aws, name)
        eventually(lambda: "sqs" in str(service.status().unsaved))
        program = Program(own_aws.environment())
        refused = program.run("local", "stop", code=1).stderr
        assert "The embedded AWS was not stopped, because it cannot save sqs (" in refused
        assert "sqs" in program.json("local", "status")["unsaved"]
        assert "cannot save sqs (" in program.run("local", "env").stderr
        assert queues(own_aws) == ["saved", *unsaved]
    monkeypatch.setattr(service, "SAVE_TIMEOUT_S", 60.0)
    assert service.stop().stopped
    assert started_again(own_aws) == [f"Starting the embedded AWS on http://127.0.0.1:{own_aws.port} ..."]
    assert queues(own_aws) == ["saved", *unsaved]


def test_loss_at_the_end_is_told_by_status_and_the_next_start(own_aws: EmbeddedAws, layout: Layout) -> None:
    create_queue(own_aws, "saved")
    eventually((layout.services / "sqs.json").exists)
    unwritable(layout.services / "sqs.json")
    create_queue(own_aws, "lost")
    eventually(lambda: "sqs" in str(service.status().unsaved))
    os.kill(own_aws.pid, signal.SIGTERM)
    psutil.wait_procs([psutil.Process(own_aws.pid)], timeout=60)
    status = service.status()
    assert (status.running, "sqs" in str(status.unsaved)) == (False, True)
    writable(layout.services / "sqs.json")
    assert "could not save" in started_again(own_aws)[0]
    assert service.status().unsaved is None
    assert queues(own_aws) == ["saved"]


def test_change_that_could_not_be_saved_while_it_stopped_fails_the_stop(
    own_aws: EmbeddedAws, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_queue(own_aws, "saved")
    eventually((layout.services / "sqs.json").exists)
    unwritable(layout.services / "sqs.json")
    create_queue(own_aws, "lost")
    monkeypatch.setattr(service, "_require_saved", lambda _: None)  # as if the failure were not known yet
    with pytest.raises(LocalError, match="has stopped, but could not save"):
        service.stop()
    assert not service.status().running


def test_state_directory_that_was_deleted_is_written_again(own_aws: EmbeddedAws, layout: Layout) -> None:
    create_queue(own_aws, "old")
    eventually((layout.services / "sqs.json").exists)
    layout.services.rename(layout.services.with_name("deleted"))
    own_aws.client("ssm").put_parameter(Name="new", Value="x", Type="String")
    eventually((layout.services / "sqs.json").exists)
    os.kill(own_aws.pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(own_aws.pid)], timeout=60)
    started_again(own_aws)
    assert queues(own_aws) == ["old"]


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html: a success response means that the entire object was added"
)
def test_object_that_cannot_be_written_is_an_error(own_aws: EmbeddedAws, layout: Layout) -> None:
    s3 = own_aws.client("s3")
    s3.create_bucket(Bucket="objects")
    s3.put_object(Bucket="objects", Key="a", Body=b"x")
    unwritable(layout.objects)
    with pytest.raises(ClientError) as failed:
        s3.put_object(Bucket="objects", Key="b", Body=b"x")
    assert failed.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    writable(layout.objects)
    s3.put_object(Bucket="objects", Key="b", Body=b"x")


def test_damaged_credentials_are_made_again_and_nothing_is_lost(own_aws: EmbeddedAws) -> None:
    create_queue(own_aws, "kept")
    credentials = Layout.of_user().credentials_file
    credentials.write_text("{", encoding="utf-8")
    with pytest.raises(LocalError, match="damaged"):
        service.ensure_running(port=own_aws.port, say=print)
    service.stop()
    found = service.ensure_running(port=own_aws.port, say=print)
    assert found.access_key_id != own_aws.access_key_id
    secret: Secret = found.secret_access_key
    sqs = own_aws.client_as(found.access_key_id, secret.reveal(), "sqs")
    assert len(sqs.list_queues()["QueueUrls"]) == 1
