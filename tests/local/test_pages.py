"""The tour and the how-to guides, typed line by line: what they show is what happens."""

from __future__ import annotations

import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.in_process import Done, run
from tests.local.conftest import EmbeddedAws
from tests.local.program import Program, eventually
from tests.pages import DOCS, ROOT, name_of
from tests.ports import free_port
from tests.sessions import Step, commands_of, is_shown, steps, text_of
from whatschat_ops.errors import ExitCode
from whatschat_ops.local import service
from whatschat_ops.redaction import Secret

pytestmark = pytest.mark.local

HOW_TOS = [page for page in sorted((DOCS / "how-to").glob("*.md")) if any(steps(page))]
SEEN_LATER = ("chime meeting list", "cost actual", "logs", "metrics show", "ws connections list")
"""Commands that show what others did, which takes a moment to be there: they are typed until they show it."""


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    directory = tmp_path_factory.mktemp("pages")
    yield EmbeddedAws("", free_port(), 0, "", Secret(""), directory)  # the pages start and stop it
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("WHATSCHAT_OPS_STATE_DIR", str(directory))
        service.stop()


@dataclass
class Reader:
    """Does what a page says, in an empty directory."""

    aws: EmbeddedAws
    directory: Path
    others: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def do(self, step: Step) -> None:
        """One step; fails unless it prints what the page shows."""
        if step.file:
            (self.directory / step.file).write_text(step.typed, encoding="utf-8")
        elif step.terminal:
            self._elsewhere(step)
        else:
            self._here(step)

    def _here(self, step: Step) -> None:
        typed, _, kept = step.typed.partition(" | head -n ")
        program, *arguments = shlex.split(typed)
        assert program == "whatschat-ops"
        again = step.typed.removeprefix("whatschat-ops ").startswith(SEEN_LATER)
        deadline = time.monotonic() + (60 if again else 0)
        most = int(kept) if kept else None
        while not _is_as_shown(done := _first_lines(run(*arguments, together=True), most), step.prints):
            assert time.monotonic() < deadline, f"$ {step.typed}\n{done.stdout}"
            time.sleep(0.2)

    def _elsewhere(self, step: Step) -> None:
        """In another terminal a command runs on until the page shows ^C."""
        log = self.directory / f"{step.terminal}.log"
        if step.terminal not in self.others:
            program = Program({**self.aws.environment(), "COLUMNS": "100"}, directory=self.directory)
            with log.open("w", encoding="utf-8") as file:
                self.others[step.terminal] = program.start(
                    *shlex.split(step.typed)[1:], stdout=file, stderr=subprocess.STDOUT
                )
        shown, ends, _ = step.prints.partition("^C")
        eventually(lambda: is_shown(log.read_text(encoding="utf-8"), shown))
        if ends:
            process = self.others.pop(step.terminal)
            process.send_signal(signal.SIGINT)
            assert process.wait(60) in (0, 130)


def _first_lines(done: Done, most: int | None) -> Done:
    return replace(done, stdout="".join(done.stdout.splitlines(keepends=True)[:most]))


def _is_as_shown(done: Done, prints: str) -> bool:
    """What a command prints, and whether it succeeds: where it fails, the page shows the error."""
    return is_shown(done.stdout, prints) and (done.code == ExitCode.DONE) == ("Error: " not in prints)


@pytest.fixture
def reader(aws: EmbeddedAws, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """In a directory whose name is as short as a user's: `whoami` shows a path, and a table that is too wide is shown in another way."""
    for name, value in {**aws.environment(), "COLUMNS": "100"}.items():
        monkeypatch.setenv(name, value)
    with tempfile.TemporaryDirectory(prefix="tour-") as directory:
        monkeypatch.chdir(directory)
        found = Reader(aws, Path(directory))
        yield found
        for process in found.others.values():
            process.kill()
            process.wait()
        monkeypatch.undo()


def test_the_tour_is_what_happens(reader: Reader) -> None:
    assert run("local", "reset", "--yes").code == ExitCode.DONE  # where it ran before
    for step in steps(DOCS / "tour.md"):
        reader.do(step)


def test_the_picture_in_the_readme_is_what_happens(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("provision", "--yes").code == ExitCode.DONE
    monkeypatch.setenv("COLUMNS", "104")
    reader.do(Step("whatschat-ops ws listen --user bob", "Connected.\n...", terminal="bob"))
    shown = commands_of(text_of((DOCS / "screens" / "session.svg").read_text(encoding="utf-8")))
    for typed, prints in shown:
        reader.do(Step(typed, prints))
    assert len(shown) == 6
    assert (
        run("destroy", "--yes").code == ExitCode.DONE
    )  # others begin without these connections and meetings


def test_the_tour_begins_where_no_settings_are() -> None:
    """A clone has `configs/local.yaml`: `init`, its first command, creates that."""
    before, _, _ = (DOCS / "tour.md").read_text(encoding="utf-8").partition("$ whatschat-ops init")
    assert (ROOT / "configs" / "local.yaml").exists() and "mkdir ~/tour && cd ~/tour\n" in before


def test_the_tour_installs_as_the_readme_does() -> None:
    line = "python3 -m venv .venv && .venv/bin/pip install --quiet '.[local]'"
    assert all(line in (ROOT / page).read_text(encoding="utf-8") for page in ("README.md", "docs/tour.md"))


@pytest.mark.parametrize("page", HOW_TOS, ids=name_of)
def test_a_how_to_guide_is_what_happens(page: Path, reader: Reader) -> None:
    assert run("provision", "--yes").code == ExitCode.DONE
    for step in steps(page):
        reader.do(step)
