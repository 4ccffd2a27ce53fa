"""The file for a worker's stdout and stderr.

A file rather than a pipe: the output of a handler is in it before its response is in our socket, so the log of an
invocation is complete when it ends, without waiting, without waking the event loop for each line, and in the same way
on every system. The file has no name on POSIX, so that not even kill -9 leaves it behind.
"""

from __future__ import annotations

import os
from pathlib import Path

READ_LIMIT_BYTES = 4 * 1024 * 1024
"""The most that one read returns; a handler that prints faster loses the excess."""

TRUNCATE_ABOVE_BYTES = 1024 * 1024


class LogFile:
    """Collects a process's output and returns it line by line."""

    def __init__(self, path: Path) -> None:
        """`path` must not exist."""
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self._path = path
        self._write_fd: int | None = os.open(path, flags, 0o600)
        self._read_fd: int | None = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
        self._named = os.name == "nt"
        if not self._named:
            path.unlink()
        self._position = 0
        self._partial = b""

    @property
    def write_fd(self) -> int:
        """The descriptor for the process's stdout and stderr."""
        if self._write_fd is None:
            raise ValueError("the process has been started already")
        return self._write_fd

    def close_write_end(self) -> None:
        """Call this when the process has its own copy."""
        if self._write_fd is not None:
            os.close(self._write_fd)
            self._write_fd = None

    def read_messages(self, *, flush: bool) -> list[str]:
        """The lines written since the last call, each with its newline. With `flush` also an unfinished one.

        The runtime clients write a carriage return for a line break inside a message; it becomes a newline.
        """
        data = self._partial + self._read()
        self._partial = b""
        if not data:
            return []
        lines = data.split(b"\n")
        rest = lines.pop()
        messages = [line + b"\n" for line in lines]
        if rest and flush:
            messages.append(rest)
        elif rest:
            self._partial = rest
        return [_decode(message) for message in messages]

    def _read(self) -> bytes:
        if self._read_fd is None:
            return b""
        data = os.read(self._read_fd, READ_LIMIT_BYTES)
        self._position += len(data)
        if len(data) == READ_LIMIT_BYTES:
            data += self._drop_backlog(self._read_fd)
        if self._position > TRUNCATE_ABOVE_BYTES and not self._named:
            self._truncate(self._read_fd)
        return data

    def _drop_backlog(self, fd: int) -> bytes:
        end = os.lseek(fd, 0, os.SEEK_END)
        dropped, self._position = end - self._position, end
        return (
            f"\n[{dropped} bytes of output dropped: more than the log can take]\n".encode()
            if dropped
            else b""
        )

    def _truncate(self, fd: int) -> None:
        """Truncate the file. The process appends, so its next line is written at the new start."""
        os.ftruncate(fd, 0)
        os.lseek(fd, 0, os.SEEK_SET)
        self._position = 0

    def close(self) -> None:
        """Close the file."""
        self.close_write_end()
        if self._read_fd is not None:
            os.close(self._read_fd)
            self._read_fd = None
        if self._named:
            self._path.unlink(missing_ok=True)


def _decode(message: bytes) -> str:
    return message.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")
