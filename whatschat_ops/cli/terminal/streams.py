"""The streams of the process, made so that nothing printed can break a command.

A character that the encoding lacks is printed in words or as `?`; a reader that has gone ends what is printed, and a stream that
is closed or full is one of our errors. What cannot be printed on stderr is lost, and ends nothing.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final, TextIO, cast

from whatschat_ops.errors import OpsError

_WORDS: Final[Mapping[str, str]] = {
    **{"×": "x", "µ": "u", "…": "...", "→": "->", "⇄": "<->", "·": "-", "–": "-", "—": "-", "≤": "<=", "≥": ">="},
    **{"‘": "'", "’": "'", "“": '"', "”": '"', "✓": "ok", "✗": "x", "•": "*", "─": "-", "│": "|", "\u00a0": " "},
    **dict(zip("▁▂▃▄▅▆▇█▉▊▋▌▍▎▏▲", "__--==######|||^", strict=True)),  # charts and bars
}  # fmt: skip
"""Characters that we print ourselves, for encodings without them."""

_HANDLER: Final = "whatschat_ops.words"


class ReaderGone(Exception):
    """Nothing reads standard output any more, as with `| head`. Not an OSError, which connections raise, too."""


class Guarded:
    """A stream of text whose failures are of our kind. Everything else is the stream's own."""

    def __init__(self, stream: TextIO, name: str) -> None:
        """`name`: what it is called in an error; "" for a stream whose failures end nothing."""
        self.stream = stream
        self.lost = False
        self._name = name
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(OSError):  # it writes what is left in it, which writing says better
                stream.reconfigure(errors=_HANDLER)

    def write(self, text: str) -> int:
        """Write the text. Raises ReaderGone or OpsError."""
        if text and not self.lost:  # Click tries with nothing what kind of stream it is
            with self._guarded():
                self.stream.write(text)
        return len(text)

    def writelines(self, lines: Iterator[str]) -> None:
        """Write the lines. Raises ReaderGone or OpsError."""
        self.write("".join(lines))

    def flush(self) -> None:
        """Hand over what was written. Raises ReaderGone or OpsError."""
        if not self.lost:
            with self._guarded():
                self.stream.flush()

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":  # Click would write around this, where the encoding is ASCII
            raise AttributeError(name)
        return getattr(self.stream, name)

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._lose()
            if not self._name:
                return
            if isinstance(error, BrokenPipeError):
                raise ReaderGone from error
            raise OpsError(
                f"{self._name} cannot be written: {error.strerror or error}.",
                hint="Check where the output goes, then run it again.",
            ) from error

    def _lose(self) -> None:
        """From now on what is written is dropped, at the end of the process too."""
        self.lost = True
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())


@contextlib.contextmanager
def guarded_streams() -> Iterator[None]:
    """While a command runs, its output is guarded, and no stream is missing."""
    _open_missing()
    with (
        contextlib.redirect_stdout(cast(TextIO, Guarded(sys.stdout, "Standard output"))),
        contextlib.redirect_stderr(cast(TextIO, Guarded(sys.stderr, ""))),
    ):
        yield


def takes_only_some_characters(stream: TextIO) -> bool:
    """Whether its encoding is not one of Unicode's."""
    encoding = str(getattr(stream, "encoding", None) or "utf-8")
    return not codecs.lookup(encoding).name.startswith("utf")


def _open_missing() -> None:
    """Open standard streams that were closed when the process began: a file must not get their number, and output with it.

    They fail as closed streams do, because they are opened for the other direction.
    """
    for name, mode, flags in (
        ("stdin", "r", os.O_WRONLY),
        ("stdout", "w", os.O_RDONLY),
        ("stderr", "w", os.O_RDONLY),
    ):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, flags)  # the lowest that is free
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def _in_words(error: UnicodeError) -> tuple[str, int]:
    """What is printed instead of characters that an encoding lacks. Half of a surrogate pair is escaped as in JSON."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_word, error.object[error.start : error.end])), error.end


def _word(character: str) -> str:
    if "\ud800" <= character <= "\udfff":
        return f"\\u{ord(character):04x}"
    return _WORDS.get(character, "?")


codecs.register_error(_HANDLER, _in_words)
