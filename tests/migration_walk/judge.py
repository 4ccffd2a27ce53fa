"""What the walk promises, and whether it was kept. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.migration_walk.walk import Evidence
from whatschat_ops.plurals import counted


@dataclass(frozen=True)
class Finding:
    """One promise."""

    promise: str
    figures: str
    kept: bool


def judge(found: Evidence) -> Iterator[Finding]:
    """Each promise, and what was found."""
    said = [part.verdict for part in found.parts]
    counts = ", ".join(f"{said.count(each)} {each}" for each in ("pass", "fail", "inconclusive"))
    wanted = not found.surprises and "fail" in said and "inconclusive" in said
    yield Finding("The gate says what the traffic of each step deserves", counts, wanted)
    yield Finding(
        "No socket is closed but by its user",
        f"{len(found.cuts)} of {found.users:,} users cut off",
        not found.cuts,
    )
    yield Finding(
        "A step moves no open socket",
        f"{counted(len(found.moved_by_a_step), 'step')} did",
        not found.moved_by_a_step,
    )
    yield Finding(
        "A new socket takes the path that the cohort function says",
        f"{counted(len(found.wrong_paths), 'socket')} on the wrong path",
        not found.wrong_paths,
    )
    yield Finding(
        "A call that is running goes on through all steps",
        f"{found.calls_relayed - found.calls_cut} of {counted(found.calls_relayed, 'candidate')} arrived",
        found.calls_relayed > 0 and not found.calls_cut,
    )
    yield Finding(
        "In phase 4 the old path takes no new socket, and ends empty",
        f"{'refused' if found.refused_by_the_old_path else 'TAKEN'}, {counted(found.left_on_the_old_path, 'socket')} left",
        found.refused_by_the_old_path and found.left_on_the_old_path == 0,
    )
    yield Finding(
        "The connections table has a row for each socket",
        f"{counted(found.rows, 'row')}, {counted(found.users, 'user')}",
        found.rows == found.users,
    )


def table(found: Evidence) -> str:
    """The steps and the promises in Markdown."""
    steps = [
        f"| {part.name} | {part.verdict} | {part.state} | {part.old:,} | {part.new:,} | {part.reason} |"
        for part in found.parts
    ]
    promises = [
        f"| {each.promise} | {each.figures} | {'kept' if each.kept else '**BROKEN**'} |"
        for each in judge(found)
    ]
    return "\n".join(
        [
            "| step | gate | after it | old sockets | new sockets | why |",
            "|---|---|---|---:|---:|---|",
            *steps,
            "",
            "| promise | found | |",
            "|---|---|---|",
            *promises,
        ]
    )
