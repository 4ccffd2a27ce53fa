"""What stands between the start of a broadcast and its first post, seen in a new process."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "code",
    [
        "import whatschat_ops.broadcast.broadcasting, whatschat_ops.sender.sender",
        "from whatschat_ops.cli.terminal.output import Output; Output().note('Run 1: 9 bytes to every connection.')",
    ],
    ids=["the run", "a note in a pipe"],
)
def test_neither_rich_nor_pydantic_nor_boto_is_imported(code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert not {"rich", "pydantic", "boto3", "botocore"} & set(json.loads(done.stdout))
