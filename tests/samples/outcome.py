"""What came of the steps of a sample, and the table of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError
from websockets.exceptions import WebSocketException

MAX_REASON_CHARACTERS: Final = 220
_NOISE: Final = re.compile(r"^(\s*$|\(|npm (error|ERR!) (A complete log|code|404\s*$)|For more|Try |at )")


class StepFailed(Exception):
    """The sample does not do what it does on AWS."""


class StepSkipped(Exception):
    """The step cannot be tried on this machine; the next ones can."""


class SampleSkipped(Exception):
    """Nothing of the sample can be tried on this machine."""


FAILURES: Final = (
    StepFailed, AssertionError, OSError, LookupError, BotoCoreError, ClientError, WebSocketException,
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One thing that a reader of the sample does."""

    name: str
    run: Callable[[], str]
    """Returns what was seen, for the table. Raises one of the three outcomes or of `FAILURES`."""
    cleans_up: bool = False
    """It is also done after a failed step."""


class Sample(Protocol):
    """Something that others wrote, or that their tools deploy."""

    name: str

    def steps(self) -> Iterator[Step]:
        """From the first deployment to the deletion."""
        ...


@dataclass(frozen=True)
class Row:
    """A row of the table."""

    sample: str
    step: str
    result: str
    note: str = ""


def carry_out(sample: str, steps: Iterable[Step], say: Callable[[str], None]) -> list[Row]:
    """Run the steps in order. After a failed one only those that clean up are run."""
    rows: list[Row] = []
    blocked = ""
    for step in steps:
        if blocked and not step.cleans_up:
            rows.append(Row(sample, step.name, "not run", blocked))
            continue
        say(f"{sample}: {step.name} ...")
        result, note, blocks = _outcome(step)
        rows.append(Row(sample, step.name, result, note))
        blocked = blocked or (f"after: {step.name}" if blocks else "")
    return rows


def _outcome(step: Step) -> tuple[str, str, bool]:
    """Result, note, and whether the next steps need what did not happen."""
    try:
        return "done", step.run(), False
    except StepSkipped as reason:
        return "skipped", str(reason), False
    except SampleSkipped as reason:
        return "skipped", str(reason), True
    except FAILURES as error:
        return "failed", reason_of(str(error)) or type(error).__name__, True


def reason_of(output: str) -> str:
    """The lines of a tool's output that say why it failed: a package that the registry lacks, else those from the last
    one with `error` on, else the last ones.
    """
    lines = [line.strip() for line in output.splitlines() if not _NOISE.match(line.strip())]
    missing = [line for line in lines if "404 Not Found - GET" in line]
    last_error = max((number for number, line in enumerate(lines) if "rror" in line), default=-3)
    return " ".join(missing[:1] or lines[last_error:][:3])[:MAX_REASON_CHARACTERS]


def table(rows: Sequence[Row]) -> list[str]:
    """In Markdown."""
    lines = [f"| {row.sample} | {row.step} | {row.result} | {_cell(row.note)} |" for row in rows]
    return ["| sample | step | result | seen, or why not |", "|---|---|---|---|", *lines]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
