"""kill -9 of a real process at random moments of a run, again and again until it is finished."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from whatschat_ops.broadcast.journal.claims import SMALLEST_BLOCK
from whatschat_ops.broadcast.journal.past_runs import list_runs, read_run
from whatschat_ops.broadcast.journal.summary import RunState

ROWS = 10_000
KILLS = 4
BATCH = 40
GOT_BYTES = sum(len(f"c{index}\n") for index in range(ROWS) if index % 10)
AT_MOST_LATER_BYTES = GOT_BYTES // 20
RUN = "20261123-101502-7f3a"
ROOT = Path(__file__).parents[3]


def victim(directory: Path, hold_at_bytes: int = 2**40) -> subprocess.Popen[bytes]:
    """The process, when it has begun to work (or has found nothing to do). It stops when `got` has that size."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.component.broadcast.broadcast_victim",
            str(directory),
            RUN,
            str(ROWS),
            str(hold_at_bytes),
        ],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def kill_soon(directory: Path, after_s: float) -> None:
    """Kill it while it begins."""
    with victim(directory) as process:
        time.sleep(after_s)
        process.kill()


def kill_at(directory: Path, got_bytes: int) -> None:
    """Kill it when the file `got` has grown to so many bytes: in the middle, however fast it or we are."""
    got = directory / "got"
    with victim(directory, got_bytes + AT_MOST_LATER_BYTES) as process:
        while not got.exists() or got.stat().st_size < got_bytes:
            assert process.poll() is None, "it ended too soon"
            time.sleep(0.0005)
        process.kill()


def test_after_any_number_of_kills_every_connection_got_the_message(tmp_path: Path) -> None:
    moments = random.Random(1)
    kill_soon(tmp_path, moments.uniform(0, 0.05))
    for got_bytes in sorted(moments.sample(range(1, GOT_BYTES * 8 // 10), KILLS)):
        kill_at(tmp_path, got_bytes)
    assert [run.state for run in list_runs(tmp_path)[0]] == [RunState.INTERRUPTED]
    with victim(tmp_path) as process:
        assert process.wait() == 0

    summary = read_run(tmp_path, RUN).summary
    got = Counter((tmp_path / "got").read_text(encoding="ascii").split())
    deleted = set((tmp_path / "deleted").read_text(encoding="ascii").split())
    gone = {f"c{index}" for index in range(0, ROWS, 10)}
    assert set(got) == {f"c{index}" for index in range(ROWS)} - gone
    assert deleted == gone
    assert (summary.state, summary.connections, summary.pending) == (RunState.FINISHED, ROWS, 0)
    assert (summary.delivered, summary.gone, summary.pruned) == (len(got), len(gone), len(gone))
    twice = got.total() - len(got)
    assert twice <= summary.in_doubt <= (1 + KILLS) * (BATCH + SMALLEST_BLOCK)
    assert summary.resumes >= KILLS
