"""The command line in this process, through the entry point that the console script calls."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whatschat_ops.cli.main import main
from whatschat_ops.errors import ExitCode


@dataclass(frozen=True)
class Done:
    """What one command line came to."""

    code: int
    stdout: str
    stderr: str

    @property
    def said(self) -> str:
        """All that it printed."""
        return self.stdout + self.stderr


def run(*arguments: str, stdin: bytes = b"", together: bool = False) -> Done:
    """One command line, with streams as a pipe has them: of bytes, in UTF-8. `together`: as with `2>&1`, all in `stdout`."""
    stdout = _stream()
    stderr = stdout if together else _stream()
    with _standard_input(stdin), redirect_stdout(stdout), redirect_stderr(stderr):
        code = main(list(arguments))
        stdout.flush()
        stderr.flush()
    return Done(code, _text(stdout), "" if together else _text(stderr))


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n")


def _text(stream: io.TextIOWrapper) -> str:
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode()


@contextmanager
def _standard_input(data: bytes) -> Iterator[None]:
    """Standard input is a pipe that holds these bytes, at most what a pipe takes (64 KiB), and ends."""
    reading, writing = os.pipe()
    os.write(writing, data[:65536])
    os.close(writing)
    before, sys.stdin = sys.stdin, os.fdopen(reading, encoding="utf-8")
    try:
        yield
    finally:
        sys.stdin.close()
        sys.stdin = before


@dataclass
class Cli:
    """`whatschat-ops` with the settings of a file."""

    config: Path

    def __call__(self, *arguments: str) -> Done:
        """One command."""
        return run("--config", str(self.config), *arguments)

    def json(self, *arguments: str, code: int = ExitCode.DONE) -> Any:
        """Its result, which must end with `code`."""
        done = self(*arguments, "--json")
        assert done.code == code, done.said
        return json.loads(done.stdout)
