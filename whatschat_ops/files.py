"""Files and streams that people give us, and files that we give them.

One way to read text, one way to write, and one translation of what the operating system refuses. A byte-order mark at the
start of a text is not part of it: editors and shells of Windows write it (python-dotenv#637).
"""

from __future__ import annotations

import codecs
import errno
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from io import TextIOWrapper
from itertools import count
from pathlib import Path
from typing import IO, BinaryIO, Final, cast

from whatschat_ops.errors import OpsError, UsageError
from whatschat_ops.quotas import MAX_KEY_BYTES
from whatschat_ops.state_directory import cache_directory, state_directory

MAX_TEXT_BYTES: Final = 4 * 1024 * 1024
"""More than any settings, usage, plan or .env file holds: what never ends (/dev/zero) is refused there."""

MAX_LINE_CHARACTERS: Final = 65_536
"""In a file of lines, however many there are."""

PIPE: Final = Path("-")
"""As a file: standard input."""

ARGUMENT: Final = "an argument"
"""In place of an option that names a file."""

_BEYOND_THE_COMMAND_LINE: Final = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EBADF)
)
"""Another path would not help: exit code 1, not 2."""

_COMMENT: Final = re.compile(r"(^|\s+)#.*", re.DOTALL)

_OTHER_ENCODINGS: Final = ((codecs.BOM_UTF16_LE, "UTF-16"), (codecs.BOM_UTF16_BE, "UTF-16"))


def is_there(path: Path) -> bool:
    """Whether something has this path. pathlib raises for a name that is too long; opening it says that better."""
    return os.path.exists(path)  # noqa: PTH110


def is_regular(path: Path) -> bool:
    """Whether it is a file, not a folder, a pipe or a device."""
    return os.path.isfile(path)  # noqa: PTH113


@contextmanager
def opened(path: Path, *, flag: str = "") -> Iterator[BinaryIO]:
    """The file, or what is piped in (`PIPE`), to be read. Raises UsageError or OpsError, also while it is being read."""
    with (
        reporting(path, flag=flag),
        nullcontext(cast(BinaryIO, sys.stdin.buffer)) if path == PIPE else path.open("rb") as source,
    ):
        yield source


@contextmanager
def reporting(path: Path, *, flag: str = "", written: bool = False) -> Iterator[None]:
    """Whatever the operating system refuses in the body is about this file. Raises UsageError or OpsError."""
    try:
        yield
    except OSError as error:
        raise refused(error, path, flag=flag, written=written) from error
    except ValueError as error:
        if "null " not in str(error):  # "byte" or, of Python 3.13, "character"
            raise
        raise UsageError(f"{str(path)!r} is not a path: {error}.", hint=_other_file(flag)) from error


def read_bytes(path: Path, *, flag: str = "", most_bytes: int = MAX_TEXT_BYTES, hint: str = "") -> bytes:
    """What is in the file, or piped in (`PIPE`). Raises UsageError or OpsError when it cannot be read.

    No more is read than `most_bytes`, a byte-order mark and a line end; what is larger is a UsageError, with `hint`.
    """
    most = most_bytes + len(codecs.BOM_UTF8) + len("\r\n")
    with opened(path, flag=flag) as source:
        data = source.read(most + 1)
    if len(data) > most:
        raise UsageError(
            f"{named(path)} has more than {most_bytes:,} bytes, the most that is read.",
            hint=hint or _other_file(flag),
        )
    return data


def read_text(path: Path, *, flag: str = "", most_bytes: int = MAX_TEXT_BYTES) -> str:
    """The text of the file, or of what is piped in, with its line ends. Raises as `read_bytes` and `text_of` do."""
    return text_of(read_bytes(path, flag=flag, most_bytes=most_bytes), named(path))


def text_of(data: bytes, name: str) -> str:
    """UTF-8 as text, without the byte-order mark at its start. Raises UsageError, with `name` and the line."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        other = next((words for mark, words in _OTHER_ENCODINGS if data.startswith(mark)), "")
        line = data.count(b"\n", 0, error.start) + 1
        what = f"it is {other} text" if other else f"{error.reason} in line {line}"
        raise UsageError(f"{name} is not UTF-8 text: {what}.", hint="Save it as UTF-8.") from error


def numbered_lines(stream: IO[bytes], name: str) -> Iterator[tuple[int, str]]:
    """Each line of a text with its number, without its end (LF, CRLF or CR) and without the byte-order mark at the start.

    Raises UsageError for a line that is longer than `MAX_LINE_CHARACTERS`, or not UTF-8. The stream stays open.
    """
    text = TextIOWrapper(cast(BinaryIO, stream), encoding="utf-8-sig", errors="surrogateescape", newline=None)
    try:
        for number in count(1):
            line = text.readline(MAX_LINE_CHARACTERS + 1)
            if not line:
                return
            problem = _problem_of(line)
            if problem is not None:
                raise UsageError(
                    f"{name}, line {number}: {problem}.", hint="Save it as UTF-8 text, in lines."
                )
            yield number, line.removesuffix("\n")
    finally:
        if not stream.closed:  # else an error between two lines ended it, and there is nothing to leave open
            text.detach()


def _problem_of(line: str) -> str | None:
    if len(line) > MAX_LINE_CHARACTERS:
        return f"it is longer than {MAX_LINE_CHARACTERS:,} characters"
    if line.isascii():
        return None
    try:
        line.encode()
    except UnicodeEncodeError:
        return "it is not UTF-8 text"
    return None


def without_comment(line: str) -> str:
    """What a line says, without white space around it. `#` at its start or after white space begins a comment."""
    return _COMMENT.sub("", line).strip() if "#" in line else line.strip()


def users_of(stream: IO[bytes], name: str) -> Iterator[str]:
    """The user ids of a users file, one in each line. Raises UsageError. `user#1` is an id, not a comment."""
    for number, line in numbered_lines(stream, name):
        user = without_comment(line)
        if len(user.encode()) > MAX_KEY_BYTES:
            raise UsageError(
                f"{name}, line {number}: no user id is longer than {MAX_KEY_BYTES:,} bytes.",
                hint="Write one user id on each line.",
            )
        if user:
            yield user


def write_whole(path: Path, content: str | bytes, *, flag: str = "", mode: int | None = None) -> None:
    """Write a file that is whole or not there. Raises UsageError or OpsError when it cannot be written.

    An existing file keeps its mode, and a symbolic link is followed. `mode` is that of the file in any case.
    What is not a regular file (/dev/stdout) is written to as it is.
    """
    data = content.encode() if isinstance(content, str) else content
    with reporting(path, flag=flag, written=True):
        _write_whole(Path(os.path.realpath(path)), data, mode)


def require_writable(path: Path, *, flag: str) -> None:
    """Raise UsageError for a file that could not be written: before long work, not after it."""
    with reporting(path, flag=flag, written=True):
        folder = path.absolute().parent
        number = errno.EISDIR if path.is_dir() else 0 if os.access(folder, os.W_OK) else errno.EACCES
        folder.stat()
        if number:
            raise OSError(number, os.strerror(number))


def _write_whole(target: Path, data: bytes, mode: int | None) -> None:
    if target.is_symlink():  # a real path is none, unless links lead back to it
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if target.exists() and not target.is_file():
        with target.open("wb") as stream:
            stream.write(data)
        return
    if mode is None:
        mode = target.stat().st_mode & 0o7777 if target.exists() else 0o666 & ~_umask()
    import tempfile

    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".whatschat-ops.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(descriptor)  # a full disk may be found here only
        Path(name).chmod(mode)
        Path(name).replace(target)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _umask() -> int:
    now = os.umask(0o077)
    os.umask(now)
    return now


def refused(
    error: OSError, path: Path | str | None = None, *, flag: str = "", written: bool = False
) -> OpsError:
    """What the operating system refused, in one sentence, with the path and what chooses it.

    `flag` is the option that names it, or `ARGUMENT`; with it, UsageError unless another path would not help either.
    """
    reason = error.strerror or str(error) or type(error).__name__
    place = path if path is not None else error.filename
    if place is None:
        return OpsError(f"The operating system refused: {reason}.", hint="Run it again with --debug.")
    verb = "used" if path is None else "written" if written else "read"
    what = f"{named(place)} cannot be {verb}: {reason}."
    if error.errno in _BEYOND_THE_COMMAND_LINE:
        return OpsError(what, hint=_about_the_machine(error))
    if flag:
        return UsageError(what, hint=_other_file(flag))
    chosen = variable_of(Path(os.fsdecode(place)))
    return OpsError(what, hint=f"Set {chosen} to a directory of yours." if chosen else "Check the path.")


def named(place: Path | str | bytes | int) -> str:
    """A file in a message."""
    return "Standard input" if place == PIPE else str(place)


def _about_the_machine(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "Free some space, then run it again."
    return "Check the disk, and how many files may be open (ulimit -n), then run it again."


def variable_of(path: Path) -> str:
    """The environment variable that says where such a file is; "" when none does."""
    within = path.absolute()
    for directory, variable in (
        (state_directory(), "WHATSCHAT_OPS_STATE_DIR"),
        (cache_directory(), "XDG_CACHE_HOME"),
    ):
        if within == directory.absolute() or within.is_relative_to(directory.absolute()):
            return variable
    return ""


def _other_file(flag: str) -> str:
    return f"Name another file with {flag}." if flag.startswith("-") else "Name another file."
