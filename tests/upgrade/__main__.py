"""Makes tests/fixtures/upgrade/REVISION.tar.xz: runs an older version as its users do, and packs what it leaves behind.

    python -m tests.upgrade 90f8c14

It needs git and PyPI, and takes about two minutes. The archive names no path and no host of the machine it was made on,
and the keys in it are no keys of anything.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3

from tests.ports import free_port
from tests.upgrade.archive import ARCHIVES, DIRECTORY, MADE_AT, PORT, edit, journals, replace

ROOT: Final = Path(__file__).parents[2]
TABLE: Final = "websocket-connections"
SETTINGS: Final = "broadcast:\n  distributed: {enabled: true, shard_connections: 20, workers: 2}\n"
CHANGED: Final = f"{SETTINGS}lambda: {{memory_mb: 512}}\n"
NOTICE: Final = '{"type": "notice", "text": "Maintenance tonight"}'
AUTOSAVED_WITHIN_S: Final = 5.0


@dataclass(frozen=True)
class OldVersion:
    """The program of an older revision, in a directory where it keeps everything."""

    program: Path
    directory: Path
    port: int

    def start(self, *arguments: str, settings: str = "whatschat.yaml") -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.program), "--config", settings, *arguments],
            cwd=self.directory,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def run(self, *arguments: str, settings: str = "whatschat.yaml") -> str:
        process = self.start(*arguments, settings=settings)
        said, _ = process.communicate(timeout=120)
        if process.returncode:
            sys.exit(f"{' '.join(arguments)} ended with {process.returncode}: {said}")
        return said

    def client(self, service: str) -> Any:
        key = json.loads((self.directory / "state" / "local" / "credentials.json").read_text())
        return boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name="us-east-1",
            aws_access_key_id=key["access_key_id"],
            aws_secret_access_key=key["secret_access_key"],
        )

    def add_gone(self, number: int) -> None:
        """Rows whose connection is gone."""
        for _ in range(number):
            name = base64.b64encode(os.urandom(11)).decode()
            row = {"connectionId": name, "userId": "ghost", "connectedAt": "2026-01-01T00:00:00Z"}
            self.client("dynamodb").put_item(
                TableName=TABLE, Item={key: {"S": value} for key, value in row.items()}
            )

    def _environment(self) -> Mapping[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory.parent / "home"),
            "WHATSCHAT_OPS_STATE_DIR": str(self.directory / "state"),
            "WHATSCHAT_LOCAL_PORT": str(self.port),
        }


def main(revision: str) -> None:
    """Make the archive of this revision."""
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        contents = work / "contents"
        contents.mkdir()
        old = OldVersion(_installed(revision, work / "checkout"), contents, free_port())
        _leave_files(old)
        _make_neutral(contents, old.port)
        _pack(contents, ARCHIVES / f"{revision}.tar.xz")


def _installed(revision: str, checkout: Path) -> Path:
    """The program of that revision, in a virtual environment of its own."""
    pip = [str(checkout / ".venv" / "bin" / "pip"), "install", "--quiet"]
    for command in (
        ["git", "clone", "--quiet", "--shared", str(ROOT), str(checkout)],
        ["git", "-C", str(checkout), "checkout", "--quiet", revision],
        [sys.executable, "-m", "venv", str(checkout / ".venv")],
        [*pip, "--upgrade", "pip"],
        [*pip, f"{checkout}[local]"],
    ):
        subprocess.run(command, check=True)
    return checkout / ".venv" / "bin" / "whatschat-ops"


def _leave_files(old: OldVersion) -> None:
    """Do what leaves files behind; then kill everything, as a power cut does."""
    (old.directory / "whatschat.yaml").write_text(SETTINGS)
    (old.directory / "changed.yaml").write_text(CHANGED)
    old.run("provision", "--yes")
    connected = [_connect(old, user) for user in ("alice", "bob")]
    try:
        old.run("chime", "meeting", "create", "--user", "alice", "--attendee", "alice", "--attendee", "bob")
        for engine in ("local", "distributed"):
            old.add_gone(5)
            old.run("ws", "broadcast", NOTICE, "--engine", engine)
        old.add_gone(60)
        _kill_when(old, _execution_begun(old), "--engine", "distributed")
        old.add_gone(60)
        _kill_when(old, _rows_fewer_than(old, 40), "--rate", "20")
        old.run("plan", "--out", "memory.plan", settings="changed.yaml")
        time.sleep(AUTOSAVED_WITHIN_S)
    finally:
        service = json.loads((old.directory / "state" / "local" / "service.json").read_text())
        os.kill(service["pid"], signal.SIGKILL)
        for process in connected:
            process.kill()
            process.communicate()
    (old.directory / MADE_AT).write_text(f"{int(time.time())}\n")


def _connect(old: OldVersion, user: str) -> subprocess.Popen[str]:
    """A socket of this user, open until it is killed."""
    process = old.start("ws", "connect", "--user", user, "--wait", "600")
    _wait_until(lambda: user in old.run("ws", "connections", "list", "--json"))
    return process


def _kill_when(old: OldVersion, reached: Callable[[], bool], *options: str) -> None:
    process = old.start("ws", "broadcast", NOTICE, *options)
    _wait_until(reached)
    process.kill()
    process.communicate()


def _execution_begun(old: OldVersion) -> Callable[[], bool]:
    client = old.client("stepfunctions")
    (machine,) = client.list_state_machines()["stateMachines"]

    def number() -> int:
        return len(client.list_executions(stateMachineArn=machine["stateMachineArn"])["executions"])

    before = number()
    return lambda: number() > before


def _rows_fewer_than(old: OldVersion, number: int) -> Callable[[], bool]:
    client = old.client("dynamodb")
    return lambda: client.scan(TableName=TABLE, Select="COUNT")["Count"] < number


def _wait_until(reached: Callable[[], bool]) -> None:
    for _ in range(1000):
        if reached():
            return
        time.sleep(0.02)
    sys.exit("The older version did not come as far as expected.")


def _make_neutral(contents: Path, port: int) -> None:
    """Take out what belongs to this machine, what is only a copy, and every key."""
    local = contents / "state" / "local"
    shutil.rmtree(local / "work")
    (local / "service.log").unlink()
    for path in contents.rglob("*-shm"):
        path.unlink()
    replace(
        contents, {**_examples(local), f"127.0.0.1:{port}": f"127.0.0.1:{PORT}", str(contents): DIRECTORY}
    )
    for journal in journals(contents):
        edit(journal, "UPDATE part SET host = ?", ("host",))


def _examples(local: Path) -> dict[str, str]:
    """For each key in these files, what stands there instead: the examples of AWS's documentation, or words."""
    operator = json.loads((local / "credentials.json").read_text())
    meetings = json.loads((local / "chime.json").read_text())["meetings"]
    parameters = json.loads((local / "aws" / "ssm.json").read_text())["payload"]["parameters"]["data"]
    words = {
        **{parameter["OriginalValue"]: "example-jwt-secret-" for parameter in parameters.values()},
        **{
            attendee["join_token"]: "example-join-token-"
            for meeting in meetings
            for attendee in meeting["attendees"].values()
        },
    }
    padded = {key: word.ljust(len(key), "0") for key, word in words.items()}
    return {
        operator["access_key_id"]: "AKIAIOSFODNN7EXAMPLE",
        operator["secret_access_key"]: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        **padded,
        **{_base64(key): _base64(word) for key, word in padded.items()},
    }


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _pack(contents: Path, archive: Path) -> None:
    """Pack it so that the same contents give the same bytes."""
    archive.parent.mkdir(parents=True, exist_ok=True)

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = member.mtime = 0
        member.uname = member.gname = ""
        return member

    with tarfile.open(archive, "w:xz") as packed:
        for path in sorted(contents.iterdir()):
            packed.add(path, path.name, filter=plain)
    print(f"{archive}: {archive.stat().st_size:,} bytes")  # noqa: T201 - this is what it is run for


if __name__ == "__main__":
    main(*sys.argv[1:])
