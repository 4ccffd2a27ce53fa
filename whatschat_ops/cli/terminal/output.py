"""The one output object: results on stdout, everything else on stderr.

A result is a frozen dataclass (or a list of them). Its JSON is the stable contract; the table is a view of the
same object. What is secret in them stays hidden unless the user asked with `--show-secrets` (`redacting.py`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from whatschat_ops.cli.terminal.lines import Lines, Shown, columns, is_styled
from whatschat_ops.cli.terminal.redacting import hidden, redacting, set_shown, unwrapped
from whatschat_ops.cli.terminal.streams import ReaderGone, takes_only_some_characters
from whatschat_ops.cli.terminal.typed import typed
from whatschat_ops.errors import ConfigError, Hint, OpsError, UsageError
from whatschat_ops.redaction import Secret, redact

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.spinner import Spinner

    from whatschat_ops.cli.terminal.live_display import LiveDisplay

T = TypeVar("T")

_FEWEST_COLUMNS = 20
"""With fewer, Rich prints tables without anything in them."""

_CONTROL_CODES: Mapping[int, None] = dict.fromkeys((7, 8, 11, 12, 13))
"""Bell, backspace, vertical tab, form feed, carriage return: Rich drops them from a text, and so do we."""


class Output:
    """Prints what a command says. `show_secrets` is switched on by the option of that name.

    `place` are the options that lead to this run's environment (`-e staging --config mine.yaml`): the command of every hint
    gets them, so that it can be typed as it stands. `select` picks from the JSON of a result what is printed.
    """

    def __init__(
        self,
        *,
        as_json: bool = False,
        quiet: bool = False,
        verbose: bool = False,
        show_secrets: bool = False,
        place: Sequence[str] = (),
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
    ) -> None:
        self.as_json = as_json
        self.select: Callable[[Any], Any] | None = None
        self.quiet = quiet
        self.verbose = verbose
        self.place = place
        self.paged = False
        """Whether a result that is longer than the terminal goes through the pager."""
        self.stdout = redacting(stdout or sys.stdout)
        self.stderr = redacting(stderr or sys.stderr)
        self.show_secrets = show_secrets
        self.last_result: Any = None
        """The result of the command, once it is known."""
        self._result_printed = False
        self._display: LiveDisplay | None = None

    @property
    def show_secrets(self) -> bool:
        """Whether secrets are shown, on both streams."""
        return self._show_secrets

    @show_secrets.setter
    def show_secrets(self, shown: bool) -> None:
        self._show_secrets = shown
        for stream in (self.stdout, self.stderr):
            set_shown(stream, shown)

    def result(self, model: T, render: Callable[[T], Shown | RenderableType]) -> None:
        """Print the result: as JSON, or as whatever text, lines or Rich object `render` makes of it."""
        self.last_result = model
        shown = self._without_secrets(model)
        # What is left of the command still says by its exit code what happened.
        with contextlib.suppress(ReaderGone):
            self._result(shown, render)

    def _result(self, shown: T, render: Callable[[T], Shown | RenderableType]) -> None:
        if self.as_json:
            self._selected(shown, indent=2)
            return
        rendered = render(shown)
        self._result_printed = True
        # A sentence (a path, a URL) is never cut into lines; only tables fit themselves to the terminal.
        if isinstance(rendered, str):
            self._pages(rendered.translate(_CONTROL_CODES))
        elif isinstance(rendered, Shown):
            self._pages(self._styled(rendered, self.stdout))
        else:
            from rich.text import Text

            console = self._console(self.stdout)
            with console.capture() as captured:
                console.print(rendered, soft_wrap=isinstance(rendered, Text))
            if self.stdout.isatty():
                self._pages(captured.get())
                return
            # Rich pads tables with blanks, which a program at the other end of a pipe does not expect.
            self.text("\n".join(line.rstrip() for line in captured.get().splitlines()))

    def stream(self, model: T, render: Callable[[T], RenderableType]) -> None:
        """Print one of many results as it arrives: a JSON object on one line, or one line that is never cut."""
        self._result_printed = True
        shown = self._without_secrets(model)
        if self.as_json:
            self._selected(shown)
        else:
            self._console(self.stdout).print(render(shown), soft_wrap=True)

    def text(self, text: str) -> None:
        """Print raw text on stdout, unwrapped and unstyled: an endpoint, a token, a file."""
        self.stdout.write(text if text.endswith("\n") else f"{text}\n")
        self.stdout.flush()

    def _pages(self, text: str) -> None:
        """A result: through the pager if it is longer than the terminal and the command only shows something."""
        from whatschat_ops.cli.terminal import pager

        if self.paged and pager.is_paged(text, self.stdout):
            pager.show(text if self.show_secrets else redact(text))
        else:
            self.text(text)

    def lines(self, texts: Iterable[str]) -> None:
        """Print lines together, whose secrets were hidden already: many events a second, each by itself, would take long."""
        self._result_printed = True
        stream = unwrapped(self.stdout)
        stream.write("".join(f"{text}\n" for text in texts))
        stream.flush()

    @property
    def is_terminal(self) -> bool:
        """Whether results go to a terminal."""
        return self.stdout.isatty()

    @property
    def styled(self) -> bool:
        """Whether results may have colours."""
        return is_styled(self.stdout)

    @property
    def ascii_only(self) -> bool:
        """Whether JSON must do without other characters."""
        return takes_only_some_characters(unwrapped(self.stdout))

    def note(self, text: str | Hint) -> None:
        """Print a note on stderr, unless --quiet. The text is not markup."""
        if not self.quiet:
            self._line(self._words(text), "")

    def notes(self, shown: Lines) -> None:
        """Print lines on stderr, with their styles."""
        self.stderr.write(f"{self._styled(shown, self.stderr)}\n")
        self.stderr.flush()

    def detail(self, text: str) -> None:
        """Print a detail on stderr, only with --verbose."""
        if self.verbose:
            self._line(text, "dim")

    def warn(self, text: str | Hint) -> None:
        """Print a warning on stderr, even with --quiet."""
        self._line(f"Warning: {self._words(text)}", "yellow")

    def fail(self, error: OpsError) -> None:
        """Print an error: on stdout as JSON with --json, else two lines on stderr.

        After a result (partly done, a check failed) stdout already holds its one JSON document.
        """
        # The options that select the environment may be what is wrong with a setting: they are not suggested again.
        place = () if isinstance(error, ConfigError) else self.place
        hint = _hint_words(error.hint, place) if error.hint else None
        if self.as_json and not self._result_printed:
            argv = typed(error.hint.argv, place) if error.hint and error.hint.argv else None
            shown = {"code": error.code, "message": error.message, "hint": hint, "argv": argv}
            try:
                self._document({"error": self._without_secrets(shown)}, indent=2)
            except ReaderGone:
                return
            except OpsError:  # then it is said on stderr
                pass
            else:
                return
        self._line(f"Error: {error.message}", "red")
        if hint:
            self._line(f"  Try: {hint}", "")

    @property
    def can_ask(self) -> bool:
        """Whether a question reaches a person, and the answer this process."""
        return sys.stdin.isatty() and self.stderr.isatty()

    def confirm(self, question: str, *, yes: bool, by_typing: str | None = None) -> bool:
        """Ask for confirmation on the terminal: the last line of `question` is the question, the lines above explain it.

        `by_typing`: the answer must be this name, for what cannot be undone. Without a terminal it cannot ask: UsageError
        unless `yes`.
        """
        if yes:
            return True
        about, _, question = question.rpartition("\n")
        if about:
            self._line(about, "")
        if not self.can_ask:
            raise UsageError(
                f"{question} This is not a terminal, so it cannot ask.",
                hint="Add --yes to skip the confirmation.",
            )
        expected = ("y", "yes") if by_typing is None else (by_typing,)
        self.stderr.write(f"{question} [y/N] " if by_typing is None else f"{question} Type {by_typing}: ")
        self.stderr.flush()
        answer = sys.stdin.readline().strip()
        return (answer.lower() if by_typing is None else answer) in expected

    def ask_secret(self, prompt: str) -> str:
        """What is typed on the terminal, without showing it. Raises EOFError when there is no terminal.

        Standard input may be a pipe: it is left alone.
        """
        if not (sys.stdin.isatty() or self.stderr.isatty()):
            raise EOFError(prompt)
        from getpass import getpass

        with self._display.paused() if self._display else nullcontext():
            return getpass(prompt)

    @contextmanager
    def status(self, text: str) -> Iterator[None]:
        """A spinner while something takes a moment; nothing in a pipe or with --quiet."""
        if self.quiet or not self.stderr.isatty():
            yield
            return
        with self.display(spinner(text)):
            yield

    @contextmanager
    def display(self, shown: RenderableType) -> Iterator[LiveDisplay]:
        """A display that is redrawn at the bottom of the terminal, below what is printed. Only if `interactive`."""
        from whatschat_ops.cli.terminal.live_display import LiveDisplay

        with LiveDisplay(self.error_console(), shown) as self._display:
            try:
                yield self._display
            finally:
                self._display = None

    @property
    def interactive(self) -> bool:
        """Whether stderr is a terminal on which progress may move the cursor."""
        return self.stderr.isatty() and not self.quiet

    def console(self) -> Console:
        """Rich console on stdout, for a result that is redrawn."""
        return self._console(self.stdout)

    def error_console(self) -> Console:
        """Rich console on stderr, for progress displays."""
        return self._console(self.stderr)

    def encode(self, value: Any) -> Any:
        """`value` as JSON-ready data: money as strings, times as ISO 8601 UTC, secrets hidden, hints in words."""
        if isinstance(value, Hint):
            words = self.suggestion(
                value
            )  # with the options of this command line, which no value held before
            return words if self.show_secrets else redact(words)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {
                field.name: self.encode(getattr(value, field.name)) for field in dataclasses.fields(value)
            }
        if fields := getattr(value, "__struct_fields__", None):  # a msgspec struct
            return {name: self.encode(getattr(value, name)) for name in fields}
        if isinstance(value, Secret):
            return value.reveal() if self.show_secrets else str(value)
        if isinstance(value, Mapping):
            return {str(self.encode(key)): self.encode(item) for key, item in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.encode(item) for item in value]
        return _encode_scalar(value)

    def suggestion(self, hint: Hint) -> str:
        """A hint in words, whose command leads to this run's environment."""
        return _hint_words(hint, self.place)

    def shown(self, secret: Secret) -> str:
        """A secret as this output may show it."""
        return secret.reveal() if self.show_secrets else str(secret)

    def _words(self, text: str | Hint) -> str:
        return self.suggestion(text) if isinstance(text, Hint) else text

    def _without_secrets(self, model: T) -> T:
        return model if self.show_secrets else hidden(model)

    def _selected(self, shown: Any, *, indent: int | None = None) -> None:
        """Print as JSON what `--query` selects of a result that is free of secrets, or all of it."""
        self._document(self.select(self.encode(shown)) if self.select else shown, indent=indent)

    def _document(self, shown: Any, *, indent: int | None = None) -> None:
        """Print as JSON what is free of secrets already."""
        stream = unwrapped(self.stdout)
        document = json.dumps(self.encode(shown), indent=indent, ensure_ascii=self.ascii_only)
        self._result_printed = True
        stream.write(document + "\n")
        stream.flush()

    def _line(self, text: str, style: str) -> None:
        if self._display is not None:
            self._display.print(text, style)
        elif style and (self.stderr.isatty() or "FORCE_COLOR" in os.environ):
            self._console(self.stderr).print(text, style=style, soft_wrap=True)
        else:  # plain: importing Rich would take longer than many a command
            self.stderr.write(f"{text.translate(_CONTROL_CODES)}\n")
            self.stderr.flush()

    def _styled(self, shown: Shown, stream: TextIO) -> str:
        # Before it is laid out: half of a token, at the end of a line, is nothing that anything recognises.
        clean = str if self.show_secrets else redact
        return shown.text(columns(stream), styled=is_styled(stream), clean=clean).translate(_CONTROL_CODES)

    def _console(self, stream: TextIO) -> Console:
        from whatschat_ops.cli.terminal.console import RedactingConsole

        follows_the_terminal = stream.isatty() and "COLUMNS" not in os.environ
        width = None if follows_the_terminal else max(columns(stream), _FEWEST_COLUMNS)
        return RedactingConsole(stream, width, show_secrets=self.show_secrets)


def _hint_words(hint: Hint, place: Sequence[str]) -> str:
    return hint.words(lambda argv: typed(argv, place))


def spinner(text: str) -> Spinner:
    """A spinner with words behind it."""
    from rich.spinner import Spinner
    from rich.text import Text

    return Spinner("dots", text=Text(text))


def _encode_scalar(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no Infinity and no NaN
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")  # str() would say 1E+7
    if isinstance(value, Path):
        return str(value)
    return value
