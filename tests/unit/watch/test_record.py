"""Recordings: what is written is what is read, also when the writer was killed, or the file is something else."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.watch.snapshots import NIGHT
from whatschat_ops.errors import OpsError, UsageError
from whatschat_ops.watch.record import FORMAT, Recorder, read

ENDINGS = ("jsonl", "jsonl.gz", "jsonl.zst")
HEADER = f'{{"format":"{FORMAT}","version":1}}\n'


@pytest.mark.parametrize("ending", ENDINGS)
def test_recording_is_read_as_it_was_written(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"night.{ending}"
    with Recorder(path) as recorder:
        for snapshot in NIGHT:
            recorder.write(snapshot)
    recorder.write(NIGHT[0])  # of another thread, after the end
    assert read(path) == list(NIGHT)


@pytest.mark.parametrize("ending", ENDINGS)
def test_recording_of_a_killed_process_has_every_snapshot_that_was_written(
    tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"night.{ending}"
    recorder = Recorder(path)
    for number, snapshot in enumerate(NIGHT[:5], start=1):
        recorder.write(snapshot)
        so_far = tmp_path / f"killed.{ending}"
        so_far.write_bytes(path.read_bytes())  # what a kill -9 leaves
        assert read(so_far) == list(NIGHT[:number])
    with recorder:
        pass


@pytest.mark.parametrize("ending", ENDINGS)
def test_recording_that_was_cut_is_read_up_to_the_last_whole_snapshot(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"night.{ending}"
    with Recorder(path) as recorder:
        sizes = []
        for snapshot in NIGHT[:4]:
            recorder.write(snapshot)
            sizes.append(path.stat().st_size)
    whole = path.read_bytes()
    for length in range(sizes[0], sizes[-1], 7):
        path.write_bytes(whole[:length])
        found = read(path)
        assert found == list(NIGHT[: len(found)])
        assert len(found) >= sum(size <= length for size in sizes)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", b"", "not that of a recording"),
        ("a.jsonl", b"\x00\xff\xfe garbage\n", "not that of a recording"),
        ("a.jsonl", b'{"format":"asciicast","version":2}\n', "another format"),
        ("a.jsonl", b'{"level":"INFO"}\n', "not that of a recording"),
        ("a.jsonl", HEADER.replace("1}", "2}").encode(), "version 2"),
        ("a.jsonl", HEADER.encode(), "no whole snapshot"),
        ("a.jsonl", HEADER.encode() + b'{"at":1}\n', "line 2 is not a snapshot"),
        ("a.jsonl", HEADER.encode() + b"[" * 100_000 + b"\n", "line 2 is not a snapshot"),
        ("a.jsonl.gz", b"\x1f\x8bgarbage garbage", "cannot be decompressed"),
        ("a.jsonl.zst", b"garbage garbage garbage", "cannot be decompressed"),
        ("a.jsonl.gz", gzip.compress(b"x" * 9_000_000, mtime=0), "more than 4 MB"),
    ],
)
def test_what_is_not_a_recording_is_refused(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UsageError, match=says):
        read(path)


def test_files_that_cannot_be_opened_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read(tmp_path / "absent.jsonl")
    with pytest.raises(UsageError, match="cannot be written"):
        Recorder(tmp_path / "absent" / "night.jsonl")


def test_zst_without_its_library_names_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent: dict[str, Any] = {"zstandard": None}
    monkeypatch.setitem(sys.modules, "zstandard", absent["zstandard"])
    with pytest.raises(OpsError, match="zstandard") as refused:
        Recorder(tmp_path / "night.zst")
    assert "install" in str(refused.value.hint)
    assert ".gz" in str(refused.value.hint)
