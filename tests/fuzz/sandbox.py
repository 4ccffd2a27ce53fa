"""The directory that a fuzzed command runs in: made new for each, with everything that a path can lead to."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

SETTINGS: Final = "environment: {environment}\naws:\n  region: us-east-1\n  endpoint_url: {endpoint_url}\n"
USAGE: Final = "users: 1000\nmessages: 10M\nhours_per_day: 8\ndays: 30\n"
FILES: Final[Mapping[str, bytes]] = {
    "file.txt": b"one\ntwo\n",
    "empty": b"",
    "binary": bytes(range(256)),
    "bom.json": b'\xef\xbb\xbf{"type": "notice"}',
    "settings.yaml": b"stack: whatschat\n",
    "usage.yaml": USAGE.encode(),
    "users.txt": b"# team A\nalice\nuser#1 # not\n",
    "message.json": b'{"type": "notice", "content": "Hello"}',
    "plan.json": b"{}",
    "deep.json": b"[" * 50_000,
    "latin.txt": "café\n".encode("latin-1"),
}


def make_sandbox(directory: Path, more: Mapping[str, bytes]) -> None:
    """An empty directory, filled: files, folders, links that lead nowhere or to themselves."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for name, content in {**FILES, **more}.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)
    (directory / "folder" / "inner").mkdir(parents=True)
    (directory / "folder.yaml").mkdir()
    (directory / "loop").symlink_to("loop")
    (directory / "dangling").symlink_to("nowhere")


def variables(
    directory: Path, environment: str, *, state: Path, more: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The environment of a command: nothing of the user's own."""
    home = directory / "home"
    return {
        "PATH": str(directory / "bin"),
        "HOME": str(home),
        "XDG_CACHE_HOME": str(state / "cache"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_STATE_HOME": str(home / "state"),
        "TMPDIR": str(directory),
        "LANG": "C.UTF-8",
        "COLUMNS": "120",
        "NO_COLOR": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(directory / "aws-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(directory / "aws-credentials"),
        "WHATSCHAT_OPS_STATE_DIR": str(state),
        "WHATSCHAT_ENV": environment,
        **(more or {}),
    }


def account_settings(environment: str, endpoint_url: str) -> dict[str, bytes]:
    """The configuration file of an environment that is an account behind this endpoint."""
    text = json.dumps(
        {"environment": environment, "aws": {"region": "us-east-1", "endpoint_url": endpoint_url}}
    )
    return {f"configs/{environment}.yaml": text.encode()}
