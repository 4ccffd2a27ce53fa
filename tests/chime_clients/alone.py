"""The Chime service in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

PROGRAM: Final = (sys.executable, "-m", "whatschat_ops.local.chime")


@contextmanager
def alone(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The running process, and its endpoint."""
    process = subprocess.Popen(
        [*PROGRAM, "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stderr is not None
    try:
        said = process.stderr.readline()
        assert " listens on http://" in said, said + process.stderr.read()
        yield process, said.rpartition(" ")[2].strip().rstrip(".")
    finally:
        process.kill()
        process.communicate()


def environment(endpoint: str) -> Mapping[str, str]:
    """Variables that point any AWS client there."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {
        **kept,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
