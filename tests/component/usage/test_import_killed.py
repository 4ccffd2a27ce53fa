"""`cost usage import`, killed in the middle of a file and started again."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.in_process import run
from tests.local.program import eventually
from tests.unit.usage.test_logs import access, function
from whatschat_ops.errors import ExitCode
from whatschat_ops.usage.logs.importing import pieces_of
from whatschat_ops.usage.logs.reading import LogSources, measure_logs

FIRST = [access("MESSAGE", 0, request="r"), access("DISCONNECT", 60_000)]
SECOND = [function("r", bytes_in=40_000), access("MESSAGE", 9, connection="b=")]


def text_of(lines: list[dict[str, object]]) -> str:
    return "".join(f"{json.dumps(line)}\n" for line in lines)


def opened(fifo: Path) -> int:
    """For writing, once another process reads it: before, POSIX answers ENXIO. 0: not yet."""
    try:
        return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        assert error.errno == errno.ENXIO
        return 0


def test_import_that_was_killed_while_it_read_a_file_ends_as_one_that_was_not(
    clean_environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "1.jsonl").write_text(text_of(FIRST))
    os.mkfifo(logs / "2.jsonl")
    command = ("cost", "usage", "import", "logs", "-o", "usage")
    process = subprocess.Popen(
        [sys.executable, "-m", "whatschat_ops", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        writer = eventually(lambda: opened(logs / "2.jsonl"))
        os.write(writer, b'{"requestId":')  # the rest never comes: it waits in the middle of the file
    finally:
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    os.close(writer)
    assert len(pieces_of(tmp_path / "usage")) == 1
    (tmp_path / "usage" / "lines" / "x-0000.part").write_bytes(b"PAR1")
    (logs / "2.jsonl").unlink()
    (logs / "2.jsonl").write_text(text_of(SECOND))
    done = run("--json", *command)
    assert (done.code, json.loads(done.stdout)["skipped"]) == (ExitCode.DONE, 1), done.said
    assert run("cost", "usage", "import", "logs", "-o", "whole").code == ExitCode.DONE
    again, whole = (measure_logs(LogSources((each,)), memory_mb=200) for each in ("usage", "whole"))
    assert again.quantities == whole.quantities
    assert (again.rows, again.since, again.until, again.handled) == (
        whole.rows,
        whole.since,
        whole.until,
        whole.handled,
    )
    names = [
        sorted(path.name for path in (tmp_path / each / "lines").iterdir()) for each in ("usage", "whole")
    ]
    assert names[0] == names[1]
