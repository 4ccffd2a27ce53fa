"""Recordings of `watch`: JSON lines, the first says the version, each other one is a snapshot. `.gz` and `.zst` are compressed.

Each snapshot is flushed, so that a file whose writer was killed has all of them but the last; reading ends at what is not whole.
Compressed files are flushed block by block, which a reader can decompress without their end.
"""

from __future__ import annotations

import gzip
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final, Self

import msgspec

from whatschat_ops.errors import OpsError, UsageError
from whatschat_ops.files import opened, reporting
from whatschat_ops.installation import extra_command
from whatschat_ops.watch.snapshot import Snapshot

FORMAT: Final = "whatschat watch"
VERSION: Final = 1
MOST_SNAPSHOTS: Final = 50_000
"""A month of one each minute, in about 500 MB of memory."""
MAX_LINE_BYTES: Final = 4 * 1024 * 1024
_CHUNK_BYTES: Final = 65_536
_ZSTD: Final = ".zst"


class Header(msgspec.Struct, frozen=True):
    """The first line."""

    format: str
    version: int


class Recorder:
    """Writes a recording. An existing file is replaced. Raises UsageError or OpsError when the file cannot be written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._is_closed = False
        if path.suffix == _ZSTD:
            _zstandard()  # before there is a file
        with reporting(path, flag="--record", written=True):
            self._file = path.open("wb")
            self._stream, self._flush = _compressed(path, self._file)
        self._write(Header(FORMAT, VERSION))

    def write(self, snapshot: Snapshot) -> None:
        """Add a snapshot; when this returns, the operating system has it. Nothing is added after the end, by another thread."""
        with self._lock:
            if not self._is_closed:
                self._write(snapshot)

    def __enter__(self) -> Self:
        """Close it at the end."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the file."""
        with self._lock, reporting(self._path, flag="--record", written=True):
            self._is_closed = True
            if self._stream is not self._file:
                self._stream.close()
            self._file.close()

    def _write(self, line: msgspec.Struct) -> None:
        with reporting(self._path, flag="--record", written=True):
            self._stream.write(msgspec.json.encode(line) + b"\n")
            self._flush()
            self._file.flush()


def _compressed(path: Path, file: IO[bytes]) -> tuple[Any, Callable[[], Any]]:
    """What to write to, and what ends a block that can be read by itself."""
    if path.suffix == ".gz":
        stream = gzip.GzipFile(fileobj=file, mode="wb", filename="")
        return stream, stream.flush
    if path.suffix == _ZSTD:
        zstandard = _zstandard()
        writer = zstandard.ZstdCompressor().stream_writer(file, closefd=False)
        return writer, lambda: writer.flush(zstandard.FLUSH_BLOCK)
    return file, file.flush


def read(path: Path, *, flag: str = "--replay") -> list[Snapshot]:
    """The snapshots of a recording, oldest first, up to the last whole one. Raises UsageError for what is none, OpsError."""
    with opened(path, flag=flag) as source:
        lines = _lines(path, source)
        try:
            header = msgspec.json.decode(next(lines, b""), type=Header)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _not_a_recording(path, "its first line is not that of a recording") from error
        if header.format != FORMAT:
            raise _not_a_recording(path, "its first line names another format")
        if header.version != VERSION:
            raise UsageError(
                f"{path} is a recording of version {header.version}; this program reads version {VERSION}.",
                hint="Replay it with the version of the program that wrote it.",
            )
        snapshots = list(_snapshots(path, lines))
    if not snapshots:
        raise _not_a_recording(path, "it has no whole snapshot")
    return snapshots


def _snapshots(path: Path, lines: Iterator[bytes]) -> Iterator[Snapshot]:
    decoder = msgspec.json.Decoder(Snapshot)
    for number, line in enumerate(lines, start=2):
        if number > MOST_SNAPSHOTS + 1:
            raise _not_a_recording(path, f"it has more than {MOST_SNAPSHOTS:,} snapshots")
        try:
            yield decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _not_a_recording(path, f"line {number} is not a snapshot: {error}") from error


def _lines(path: Path, source: IO[bytes]) -> Iterator[bytes]:
    """Whole lines; what follows the last line end was being written."""
    rest = b""
    for data in _decompressed(path, source):
        *lines, rest = (rest + data).split(b"\n")
        yield from lines
        if len(rest) > MAX_LINE_BYTES:
            raise _not_a_recording(path, "it has a line of more than 4 MB")


def _decompressed(path: Path, source: IO[bytes]) -> Iterator[bytes]:
    chunks = iter(lambda: source.read(_CHUNK_BYTES), b"")
    if path.suffix not in (".gz", _ZSTD):
        yield from chunks
        return
    if path.suffix == ".gz":
        expand, failures = zlib.decompressobj(wbits=31).decompress, (zlib.error,)
    else:
        zstandard = _zstandard()
        expand, failures = zstandard.ZstdDecompressor().decompressobj().decompress, (zstandard.ZstdError,)
    with suppress(EOFError):
        for chunk in chunks:
            try:
                yield expand(chunk)
            except failures as error:
                raise _not_a_recording(path, f"it cannot be decompressed: {error}") from error


def _not_a_recording(path: Path, why: str) -> UsageError:
    return UsageError(
        f"{path} cannot be replayed: {why}.", hint="Name a file that --record wrote, with its ending."
    )


def _zstandard() -> Any:
    try:
        import zstandard
    except ImportError:
        raise OpsError(
            "Recordings in .zst need zstandard, which is not installed.",
            hint=f"{extra_command('watch')}, or name the file .gz",
        ) from None
    return zstandard
