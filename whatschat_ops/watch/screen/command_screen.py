"""What a command prints, over the view: `logs tail` or `doctor` of a red figure. The command runs as a process of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import RichLog
from textual.worker import get_current_worker


class CommandScreen(ModalScreen[None]):
    """Runs `argv`, whose words for people are `title`. Without `argv` it only shows what to type."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "close", "Back"),
    ]
    DEFAULT_CSS = """
    CommandScreen RichLog { border: round $accent; background: $surface; height: 1fr; }
    """

    def __init__(self, title: str, argv: Sequence[str]) -> None:
        super().__init__()
        self._words = title
        self._argv = argv
        self._process: subprocess.Popen[str] | None = None

    def compose(self) -> ComposeResult:
        """One window of text."""
        log = RichLog(max_lines=10_000, wrap=True, min_width=1)
        log.border_title, log.border_subtitle = f"$ {self._words}", "Esc: back"
        yield log

    def on_mount(self) -> None:
        """Start the command."""
        self.query_one(RichLog).focus()
        if self._argv:
            self._run_command()
        else:
            self._add("A replay runs no commands. To look closer, type:", self._words)

    def action_close(self) -> None:
        """Back to the view; a command that still runs is ended."""
        if self._process is not None:
            self._process.terminate()
        self.dismiss()

    @work(thread=True, exit_on_error=False)
    def _run_command(self) -> None:
        with subprocess.Popen(
            self._argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "COLUMNS": str(self.app.size.width - 4)},  # within the border
        ) as process:
            self._process = process
            assert process.stdout is not None
            for line in process.stdout:
                if get_current_worker().is_cancelled:
                    process.terminate()
                    break
                self.app.call_from_thread(self._add, line.rstrip("\n"))
        self.app.call_from_thread(self._add, f"Exit code {process.returncode}.")

    def _add(self, *lines: str) -> None:
        if self.is_mounted:
            for line in lines:
                self.query_one(RichLog).write(Text.from_ansi(line))
