"""Files and streams of people: byte-order marks, users files, what the system refuses, and files that are whole or not there."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from typing import Any

import pytest

from whatschat_ops.cli.main import main
from whatschat_ops.errors import ExitCode, OpsError, UsageError
from whatschat_ops.files import numbered_lines, read_text, refused, text_of, users_of, write_whole

MARK = b"\xef\xbb\xbf"


def test_byte_order_mark_is_dropped_at_the_start_only() -> None:
    assert text_of(MARK + b"a\n" + MARK + b"b", "x") == "a\n\ufeffb"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"a\nb\xff", "line 2"),
        ("a".encode("utf-16"), "it is UTF-16 text"),
        (b"\xfe\xff\x00a", "it is UTF-16 text"),
        ("é".encode("cp1252"), "line 1"),
        (b"\xed\xa0\x80", "line 1"),  # half of a surrogate pair (RFC 3629, section 3)
    ],
)
def test_text_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path, data: bytes, why: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)

    with pytest.raises(UsageError, match=f"x is not UTF-8 text: .*{why}") as caught:
        read_text(path, flag="--file")

    assert caught.value.hint


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize(
    ("line", "users"),
    [
        (b"user#1", ["user#1"]),
        (b"# team A", []),
        (b"  # team A", []),
        (b"alice # the boss", ["alice"]),
        (b"alice\t#", ["alice"]),
        (b"alice#  # x", ["alice#"]),
        (b"#", []),
        (b"", []),
        ("bob\u3000# wide".encode(), ["bob"]),
        (b"  carol d  ", ["carol d"]),
    ],
)
def test_users_file_is_read_by_one_rule(line: bytes, users: list[str], end: bytes) -> None:
    stream = io.BytesIO(MARK + end.join([line, b"last", b""]))

    assert list(users_of(stream, "users")) == [*users, "last"]
    assert not stream.closed


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"a\n\xff\nb", "users, line 2: it is not UTF-8 text"),
        (b"a\n" + b"x" * 70_000, "users, line 2: it is longer than 65,536 characters"),
        (b"x" * 2_049, "2,048 bytes"),
    ],
)
def test_line_that_cannot_be_a_user_is_named(content: bytes, why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        list(users_of(io.BytesIO(content), "users"))

    assert caught.value.hint


def test_endless_line_is_not_read_to_its_end() -> None:
    with Path("/dev/zero").open("rb") as zeros, pytest.raises(UsageError, match="line 1"):
        list(numbered_lines(zeros, "zeros"))


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("missing", "No such file or directory"),
        ("", "Is a directory"),
        ("x" * 300, "File name too long"),
        ("file/below", "Not a directory"),
        ("loop", "Too many levels of symbolic links"),
        ("nul\0", "embedded null"),
    ],
)
def test_path_that_cannot_be_read_or_written_is_a_usage_error_with_path_and_option(
    tmp_path: Path, path: str, reason: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")

    for attempt in (read_text, lambda place, flag: write_whole(place, "x", flag=flag)):
        if path == "missing" and attempt is not read_text:
            continue
        with pytest.raises(UsageError) as caught:
            attempt(tmp_path / path, flag="--thing")
        assert reason.split()[0] in caught.value.message or path == "loop"
        assert "--thing" in str(caught.value.hint)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.EBADF])
def test_failure_that_no_other_path_would_help_with_is_not_a_usage_error(number: int) -> None:
    error = refused(OSError(number, os.strerror(number)), Path("/x"), flag="--output", written=True)

    assert error.exit_code == ExitCode.FAILED
    assert error.message == f"/x cannot be written: {os.strerror(number)}."
    assert error.hint


@pytest.mark.parametrize(
    ("place", "variable"),
    [("broadcasts/x.sqlite", "WHATSCHAT_OPS_STATE_DIR"), ("", "WHATSCHAT_OPS_STATE_DIR")],
)
def test_file_that_no_option_names_is_explained_with_the_variable_that_places_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, variable: str
) -> None:
    monkeypatch.setenv("WHATSCHAT_OPS_STATE_DIR", str(tmp_path / "state"))
    error = refused(OSError(errno.EROFS, "Read-only file system", str(tmp_path / "state" / place)))

    assert error.exit_code == ExitCode.FAILED
    assert variable in str(error.hint)


def test_written_file_is_whole_or_what_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    path.write_text("before")
    path.chmod(0o640)

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OpsError, match="No space left"):
            write_whole(path, "after")

    assert path.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir()] == ["x"]
    write_whole(path, "after")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("after", 0o640)


def test_written_file_gets_the_mode_that_others_get(tmp_path: Path) -> None:
    (tmp_path / "made").touch()

    write_whole(tmp_path / "written", "x")

    assert (tmp_path / "written").stat().st_mode == (tmp_path / "made").stat().st_mode


def test_link_is_followed_and_a_device_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "target").touch()
    (tmp_path / "link").symlink_to("target")

    write_whole(tmp_path / "link", "x")
    write_whole(Path("/dev/null"), "x")

    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "x"
    assert Path("/dev/null").is_char_device()
    with pytest.raises(OpsError, match="/dev/full cannot be written: No space left on device"):
        write_whole(Path("/dev/full"), "x", flag="--output")


def refuse_to_write_below(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a read-only file system does: to root, too."""
    mkdir = os.mkdir

    def refusing(path: str, *options: Any, **more: Any) -> None:
        if os.fspath(path).startswith(str(directory)):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), os.fspath(path))
        mkdir(path, *options, **more)

    monkeypatch.setattr(os, "mkdir", refusing)


@pytest.mark.parametrize("place", ["file", "file/below", "x" * 300, "loop", "read-only", "read-only/below"])
@pytest.mark.parametrize(
    "arguments",
    [("local", "start"), ("status",), ("ws", "broadcast", "--type", "notice", "hi"), ("ws", "send", "--user", "a", "--to", "b", "hi")],
    ids=" ".join,
)  # fmt: skip
def test_state_directory_that_cannot_be_used_is_one_sentence_with_its_variable(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    place: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    refuse_to_write_below(tmp_path / "read-only", monkeypatch)
    monkeypatch.setenv("WHATSCHAT_OPS_STATE_DIR", str(tmp_path / place))

    assert main(list(arguments)) == ExitCode.FAILED
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert str(tmp_path / place) in said[0]
    assert said[1] == "  Try: Set WHATSCHAT_OPS_STATE_DIR to a directory of yours."


LONG = "x" * 300


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("config", "show", "--config", LONG), "--config"),
        (("config", "reference", "--output", LONG), "--output"),
        (("config", "schema", "--output", "below/x"), "--output"),
        (("cost", "estimate", "--usage", LONG), "--usage"),
        (("cost", "rates", "show", "--rates", LONG), "--rates"),
        (("ws", "broadcast", "--dry-run", "--file", LONG), "--file"),
        (("ws", "broadcast", "--dry-run", "{}", "--text", "--users-file", LONG), "--users-file"),
        (("chime", "attendee", "create", "call", "--users-file", LONG), "--users-file"),
        (("lambda", "package", "--output", "file/below"), "--output"),
        (("export", "cloudformation", "--output", LONG), "--output"),
    ],
    ids=" ".join,
)
def test_path_that_cannot_be_is_a_usage_error_with_its_option(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    option: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "local.yaml").touch()

    assert main(list(arguments)) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert said.count("\n") == 2
    assert option in said.splitlines()[1]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "local.yaml"]


def test_lines_that_are_not_read_to_their_end_may_outlive_their_stream() -> None:
    stream = io.BytesIO(b"a\nb\n")
    lines = numbered_lines(stream, "It")
    assert next(lines) == (1, "a")
    stream.close()

    lines.close()  # type: ignore[attr-defined]
