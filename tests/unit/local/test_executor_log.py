"""What Lambda writes into a function's log, and how a process's output becomes lines."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.component.local.executor_functions import RecordedLogs, make_function
from whatschat_ops.local.executor import failures, log_file, log_lines
from whatschat_ops.local.executor.execution_log import ExecutionLog
from whatschat_ops.local.executor.log_file import LogFile
from whatschat_ops.local.interfaces import InvocationResult


@pytest.mark.aws("Lambda developer guide, monitoring-cloudwatchlogs.html")
def test_report_bills_the_init_phase_and_rounds_up() -> None:
    line = log_lines.report_line(
        "r", duration_ms=1.234, memory_mb=128, max_memory_used_mb=36, init_duration_ms=100.0
    )
    assert line == (
        "REPORT RequestId: r\tDuration: 1.23 ms\tBilled Duration: 102 ms\tMemory Size: 128 MB\t"
        "Max Memory Used: 36 MB\tInit Duration: 100.00 ms\t\n"
    )


@pytest.mark.aws("Lambda developer guide, monitoring-cloudwatchlogs.html")
def test_report_of_a_warm_call_has_no_init_duration() -> None:
    line = log_lines.report_line(
        "r", duration_ms=3000.0, memory_mb=128, max_memory_used_mb=1, status="Status: timeout"
    )
    assert "Init" not in line
    assert line.endswith("\tStatus: timeout\t\n")


def test_timed_out_line_is_in_utc() -> None:
    noon = datetime(2026, 11, 23, 12, 0, 0, 7000, tzinfo=timezone(timedelta(hours=2)))
    assert (
        log_lines.timed_out_line("r", 3, noon)
        == "2026-11-23T10:00:00.007Z r Task timed out after 3.00 seconds\n\n"
    )


@pytest.mark.aws("Lambda developer guide, monitoring-cloudwatchlogs.html")
def test_stream_name_has_the_shape_of_awss() -> None:
    name = log_lines.stream_name("$LATEST", datetime(2026, 1, 2, tzinfo=UTC))
    assert re.fullmatch(r"2026/01/02/\[\$LATEST\][0-9a-f]{32}", name)


@pytest.mark.aws("Lambda API reference, Invoke")
@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=3000), max_size=6))
def test_tail_is_the_end_of_the_log_in_4_kb(messages: list[str]) -> None:
    tail = InvocationResult(b"", None, "r", 1.0, None, messages).log_tail
    whole = "".join(messages)
    assert whole.endswith(tail)
    assert len(tail.encode()) <= 4096
    assert len(tail.encode()) > 4092 or tail == whole


@pytest.mark.parametrize(
    ("return_code", "message"),
    [
        (1, "RequestId: r Error: Runtime exited with error: exit status 1"),
        (-9, "RequestId: r Error: Runtime exited with error: signal: killed"),
        (-11, "RequestId: r Error: Runtime exited with error: signal: segmentation fault"),
        (0, "RequestId: r Error: Runtime exited without providing a reason"),
    ],
)
def test_exit_has_the_text_of_aws(return_code: int, message: str) -> None:
    assert failures.exited(return_code).text("r") == message


@pytest.mark.parametrize(
    ("document", "error_type"),
    [(b'{"errorType": "ValueError"}', "ValueError"), (b"{", "Runtime.Unknown"), (b"[]", "Runtime.Unknown")],
)
def test_error_type_is_read_from_the_document(document: bytes, error_type: str) -> None:
    assert failures.error_type_of(document) == error_type


def test_unfinished_line_waits_for_its_end_unless_flushed(tmp_path: Path) -> None:
    output = LogFile(tmp_path / "out")
    os.write(output.write_fd, b"one\ntw")
    assert output.read_messages(flush=False) == ["one\n"]
    os.write(output.write_fd, b"o\nthree")
    assert output.read_messages(flush=False) == ["two\n"]
    assert output.read_messages(flush=True) == ["three"]
    assert output.read_messages(flush=True) == []
    output.close()


def test_carriage_return_keeps_a_message_of_several_lines_together(tmp_path: Path) -> None:
    output = LogFile(tmp_path / "out")
    os.write(output.write_fd, b"[ERROR] X\rTraceback\r  File\nwindows\r\n")
    assert output.read_messages(flush=True) == ["[ERROR] X\nTraceback\n  File\n", "windows\n"]
    output.close()


def test_output_that_is_no_utf8_is_shown_with_replacements(tmp_path: Path) -> None:
    output = LogFile(tmp_path / "out")
    os.write(output.write_fd, b"\xff\n")
    assert output.read_messages(flush=True) == ["\ufffd\n"]
    output.close()


def test_file_starts_again_when_it_has_grown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "TRUNCATE_ABOVE_BYTES", 10)
    output = LogFile(tmp_path / "out")
    for line in ("first line\n", "second line\n", "x\n", "third line\n"):
        os.write(output.write_fd, line.encode())
        assert output.read_messages(flush=False) == [line]
    if os.name != "nt":
        assert os.fstat(output.write_fd).st_size == 0
    output.close()


def test_flood_of_output_is_cut_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "READ_LIMIT_BYTES", 8)
    output = LogFile(tmp_path / "out")
    os.write(output.write_fd, b"1234567\n" + b"x" * 100)
    messages = output.read_messages(flush=True)
    assert messages[0] == "1234567\n"
    assert "[100 bytes of output dropped: more than the log can take]\n" in messages
    os.write(output.write_fd, b"next\n")
    assert output.read_messages(flush=True) == ["next\n"]
    output.close()


@pytest.mark.skipif(os.name == "nt", reason="Windows does not unlink open files")
def test_file_has_no_name_so_that_nothing_can_be_left_behind(tmp_path: Path) -> None:
    output = LogFile(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
    output.close()


def test_output_of_a_slow_init_that_was_written_meanwhile_is_in_the_tail_of_the_refused_invocation(
    tmp_path: Path,
) -> None:
    logs, output = RecordedLogs(), LogFile(tmp_path / "out")
    log = ExecutionLog(logs, make_function())
    log.init_started("python:3.12", output)
    os.write(output.write_fd, b"loading\n")
    log.pump()
    os.write(output.write_fd, b"it fails\n")
    log.init_ended(700.0, "Runtime.ImportModuleError")
    messages = log.refused("r", "Runtime.ImportModuleError", 700.0)
    log.close()
    start, end = "START RequestId: r Version: $LATEST\n", "END RequestId: r\n"
    assert list(messages[:-1]) == [start, "loading\n", "it fails\n", end]
    assert [logs.messages.count(line) for line in ("loading\n", "it fails\n")] == [
        2,
        2,
    ]  # of the init, of the request
