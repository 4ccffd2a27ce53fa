"""The one output object: results on stdout, everything else on stderr.

A result is a frozen dataclass (or a list of them). Its JSON is the stable contract; the table is a view of the
same object. What is secret in them stays hidden unless the user asked with `--show-secrets` (`redacting.py`).
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from whatschat_ops.cli.terminal.encoding import encoded
from whatschat_ops.cli.terminal.lines import Lines, Shown, columns, is_styled
from whatschat_ops.cli.terminal.redacting import hidden, redacting, set_shown, unwrapped
from whatschat_ops.cli.terminal.safe_text import without_controls
from whatschat_ops.cli.terminal.streams import ReaderGone, takes_only_some_characters
from whatschat_ops.cli.terminal.typed import typed, typed_words
from whatschat_ops.errors import ConfigError, Hint, OpsError, UsageError
from whatschat_ops.redaction import redact

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from whatschat_ops.cli.terminal.live_display import LiveDisplay

T = TypeVar("T")


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

    def result(self, model: T, render: Callable[[T], str | Shown]) -> None:
        """Print the result: as JSON, or as the text that `render` makes of it."""
        self.last_result = model
        shown = self._without_secrets(model)
        # What is left of the command still says by its exit code what happened.
        with contextlib.suppress(ReaderGone):
            self._result(shown, render)

    def _result(self, shown: T, render: Callable[[T], str | Shown]) -> None:
        if self.as_json:
            self._selected(shown, indent=2)
            return
        rendered = render(shown)
        self._result_printed = True
        # A sentence (a path, a URL) is never cut into lines; only tables fit themselves to the terminal.
        self._pages(
            without_controls(rendered) if isinstance(rendered, str) else self._styled(rendered, self.stdout)
        )

    def stream(self, model: T, render: Callable[[T], RenderableType]) -> None:
        """Print one of many results as it arrives: a JSON object on one line, or one line that is never cut."""
        self._result_printed = True
        shown = self._without_secrets(model)
        if self.as_json:
            self._selected(shown)
        else:
            self.console().print(render(shown), soft_wrap=True)

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
        hint = typed_words(error.hint, place) if error.hint else None
        if self.as_json and not self._result_printed:
            argv = typed(error.hint.argv, place) if error.hint and error.hint.argv else None
            shown = {"code": error.code, "message": error.message, "hint": hint, "argv": argv}
            try:
                self._document({"error": self._without_secrets(shown)}, indent=2)
                return
            except ReaderGone:
                return
            except OpsError:  # then it is said on stderr
                pass
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
        from whatschat_ops.cli.terminal.live_display import spinner

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
        from whatschat_ops.cli.terminal.console import RedactingConsole

        return RedactingConsole(self.stdout, show_secrets=self.show_secrets)

    def error_console(self) -> Console:
        """Rich console on stderr, for progress displays."""
        from whatschat_ops.cli.terminal.console import RedactingConsole

        return RedactingConsole(self.stderr, show_secrets=self.show_secrets)

    def encode(self, value: Any) -> Any:
        """`value` as JSON-ready data, with what is secret as this output may show it."""
        return encoded(value, self.suggestion, show_secrets=self.show_secrets)

    def suggestion(self, hint: Hint) -> str:
        """A hint in words, whose command leads to this run's environment."""
        return typed_words(hint, self.place)

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
            self.error_console().print(text, style=style, soft_wrap=True)
        else:  # plain: importing Rich would take longer than many a command
            self.stderr.write(f"{without_controls(text)}\n")
            self.stderr.flush()

    def _styled(self, shown: Shown, stream: TextIO) -> str:
        # Before it is laid out: half of a token, at the end of a line, is nothing that anything recognises.
        clean = str if self.show_secrets else redact
        return without_controls(shown.text(columns(stream), styled=is_styled(stream), clean=clean))
