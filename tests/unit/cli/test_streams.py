"""What is printed breaks no command: encodings without our characters, readers that go, streams that are full or closed."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from whatschat_ops.cli.main import main
from whatschat_ops.cli.terminal.output import Output
from whatschat_ops.cli.terminal.streams import Guarded, ReaderGone
from whatschat_ops.cli.terminal.tables import bar
from whatschat_ops.errors import OpsError
from whatschat_ops.report.sparkline import sparkline

ENCODINGS = ("ascii", "cp1252", "latin-1", "utf-8")
FOREIGN_TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VySWQiOiJ1w6kg8J-YgCJ9.c2lnbmF0dXJl"  # userId "ué 😀"


def stream(encoding: str = "utf-8") -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding)


def written(text: io.TextIOWrapper) -> str:
    text.flush()
    held = text.buffer
    assert isinstance(held, io.BytesIO)
    return held.getvalue().decode(text.encoding)


@contextmanager
def printing_to(descriptor: int) -> Iterator[io.TextIOWrapper]:
    with open(descriptor, "w", encoding="utf-8") as opened:
        yield opened


@contextmanager
def full_device() -> Iterator[io.TextIOWrapper]:
    with printing_to(os.open("/dev/full", os.O_WRONLY)) as opened:
        yield opened


@contextmanager
def closed_descriptor() -> Iterator[io.TextIOWrapper]:
    with printing_to(os.open(os.devnull, os.O_RDONLY)) as opened:
        yield opened


@contextmanager
def pipe_without_reader() -> Iterator[io.TextIOWrapper]:
    reading, writing = os.pipe()
    os.close(reading)
    with printing_to(writing) as opened:
        yield opened


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", "2 x 3 ... -> ? u \\udc80"),
        ("cp1252", "2 × 3 … -> ? µ \\udc80"),
        ("latin-1", "2 × 3 ... -> ? µ \\udc80"),
        ("utf-8", "2 × 3 … → 😀 µ \\udc80"),
    ],
)
def test_character_that_the_encoding_lacks_is_words_or_a_question_mark(encoding: str, shown: str) -> None:
    raw = stream(encoding)

    Guarded(raw, "Standard output").write("2 × 3 … → 😀 µ \udc80")

    assert written(raw) == shown


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_chart_and_bar_keep_their_shape_where_the_encoding_has_no_blocks(encoding: str) -> None:
    raw = stream(encoding)

    Guarded(raw, "Standard output").write(f"{sparkline([1, 4, 8], 3)} {bar(0.5, 4)} {bar(0.3, 4)}")

    assert written(raw) == "_-# ## #|"


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    "arguments",
    [
        ("cost", "estimate", "--messages", "10M", "--users", "1000", "--hours-per-day", "8"),
        ("cost", "rates", "show"),
        ("token", "inspect", FOREIGN_TOKEN),
        ("config", "show"),
        ("config", "reference"),
        ("ws", "--help"),
    ],
    ids=str,
)
def test_command_prints_in_every_encoding_and_its_json_means_the_same(
    monkeypatch: pytest.MonkeyPatch, encoding: str, arguments: tuple[str, ...]
) -> None:
    for options in ((), ("--json",)):
        if "--help" in arguments and options:
            continue
        outputs = []
        for chosen in (encoding, "utf-8"):
            raw = stream(chosen)
            monkeypatch.setattr(sys, "stdout", raw)
            assert main([*arguments, *options]) == 0
            outputs.append(written(raw))
        assert outputs[0]
        if options:
            assert json.loads(outputs[0]) == json.loads(outputs[1])


def test_stream_that_is_full_or_closed_is_one_sentence() -> None:
    for opening, why in (
        (full_device, "No space left on device"),
        (closed_descriptor, "Bad file descriptor"),
    ):
        with opening() as raw:
            guarded = Guarded(raw, "Standard output")
            with pytest.raises(OpsError, match=f"Standard output cannot be written: {why}") as caught:
                guarded.write("x")
                guarded.flush()
            assert caught.value.hint
            guarded.write("what comes after it is dropped")
            guarded.flush()


def test_stderr_that_takes_nothing_ends_nothing() -> None:
    for opening in (full_device, closed_descriptor, pipe_without_reader):
        with opening() as raw:
            guarded = Guarded(raw, "")
            guarded.write("x")
            guarded.flush()
            assert guarded.lost


def test_reader_that_has_gone_is_not_an_error_of_a_connection() -> None:
    with pipe_without_reader() as raw:
        guarded = Guarded(raw, "Standard output")
        with pytest.raises(ReaderGone):
            guarded.write("x")
            guarded.flush()

    assert not issubclass(ReaderGone, OSError)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("config", "show"), 0),
        (("config", "show", "--json"), 0),
        (("--help",), 0),
        (("ws",), 0),
        (("--version",), 0),
        (("nope", "--json"), 2),
    ],
    ids=str,
)
def test_reader_that_has_gone_leaves_the_exit_code_and_makes_no_noise(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int
) -> None:
    with pipe_without_reader() as raw, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", raw)
        assert main(list(arguments)) == code

    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "arguments", [("config", "show"), ("config", "show", "--json"), ("--help",), ("ws",), ("--version",)]
)
def test_output_that_cannot_be_written_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    with full_device() as raw, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", raw)
        assert main(list(arguments)) == 1

    shown = capsys.readouterr().err
    assert shown.startswith("Error: Standard output cannot be written: No space left on device.\n  Try: ")
    assert "Traceback" not in shown


def test_error_that_no_reader_takes_as_json_is_said_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with full_device() as raw, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", raw)
        assert main(["nope", "--json"]) == 2

    assert capsys.readouterr().err.startswith("Error: No such command 'nope'.")


@pytest.mark.parametrize("width", ["0", "-1", "junk", "", "1", "99999999999"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("cost", "rates", "show"),
        ("config", "show"),
        ("token", "inspect", FOREIGN_TOKEN),
        ("--help",),
        ("ws", "send", "--help"),
    ],
    ids=str,
)
def test_width_that_is_none_prints_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    width: str,
    arguments: tuple[str, ...],
) -> None:
    monkeypatch.setenv("COLUMNS", width)

    assert main(list(arguments)) == 0
    shown = capsys.readouterr().out
    assert shown.strip()
    assert max(map(len, shown.splitlines())) <= 1_000


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    ("arguments", "variable", "named"),
    [
        (("ws", "send", "--user", "a\udce9"), None, r"The argument 'a\xe9'"),
        (("config", "show", "-e", "\udcff"), None, r"The argument '\xff'"),
        (("config", "show"), "WHATSCHAT_ENV", "The environment variable WHATSCHAT_ENV"),
        (("config", "show"), "AWS_PROFILE", "The environment variable AWS_PROFILE"),
        (("config", "show"), "JWT_SECRET", "The environment variable JWT_SECRET"),
    ],
)
def test_bytes_that_are_not_utf8_are_refused_in_words(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    variable: str | None,
    named: str,
    as_json: bool,
) -> None:
    if variable:
        monkeypatch.setenv(variable, "x\udcfe")

    assert main([*arguments, *(["--json"] if as_json else [])]) == 2
    shown = capsys.readouterr()
    error: Any = json.loads(shown.out)["error"] if as_json else {"message": shown.err, "hint": shown.err}
    assert f"{named} is not UTF-8 text." in error["message"]
    assert "UTF-8" in error["hint"]
    assert "Traceback" not in shown.err


def test_one_of_many_results_to_a_reader_that_has_gone_ends_the_command() -> None:
    with pipe_without_reader() as raw:
        out = Output(stdout=Guarded(raw, "Standard output"), as_json=True)  # type: ignore[arg-type]
        with pytest.raises(ReaderGone):
            out.stream({"a": 1}, str)
