"""A step of the migration as it is shown before and after it is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from whatschat_ops.cli.migrate.gate import render_gate
from whatschat_ops.cli.terminal.tables import Blocks, Column, Facts, Table, bar
from whatschat_ops.plurals import counted

if TYPE_CHECKING:
    from whatschat_ops.migration.following import Affected, Follows
    from whatschat_ops.migration.gating import GateReport
    from whatschat_ops.migration.state import Place
    from whatschat_ops.migration.variables import Switch

BAR: int = 20


class StepResult(Struct, frozen=True):
    """A step. `changed`: it was made; `finished`: instead of it, the parameter of an earlier change was written.

    `before` and `after` are places in words, `place` the shares after it. `gate` is None where no gate was asked.
    """

    action: str
    changed: bool
    finished: bool
    serial: int
    phase: int
    before: str
    after: str
    place: Place
    held: str | None
    forced: bool
    affected: tuple[Affected, ...]
    switches: tuple[Switch, ...]
    follows: tuple[Follows, ...]
    gate: GateReport | None = None


def render_step(result: StepResult) -> Blocks:
    """What changes, who is affected, when each kind of client follows, and which variables go with it."""
    if result.finished:
        return Blocks([f"Wrote the parameter of {result.after}: an earlier change had not finished."])
    done = "Done" if result.changed else "Unchanged" if result.action == "gate" else "Planned"
    facts = {
        done: f"{result.before} → {result.after}" if result.before != result.after else result.after,
        "Phase": _meaning(result.phase),
        "Affected": "; ".join(map(_affected, result.affected)),
        "Held": result.held or "",
    }
    gate = render_gate(result.gate) if result.gate else []
    return Blocks([*gate, Facts(facts), *_switches(result.switches), *_follows(result.follows)])


def _meaning(phase: int) -> str:
    from whatschat_ops.migration.phases import Phase

    return f"{phase}: {Phase(phase).meaning}"


def open_words(found: Affected) -> str:
    """What is open now of the users that move: `3 open sockets of 2 users`; empty if it was not counted."""
    if found.sockets is not None:
        return f"{counted(found.sockets, 'open socket')} of {counted(found.users or 0, 'user')}"
    return "" if found.meetings is None else f"{counted(found.meetings, 'meeting')} in progress"


def _affected(found: Affected) -> str:
    now = open_words(found)
    return f"{found.percent} % of the users of {found.service}" + (f" ({now})" if now else "")


def _switches(found: Sequence[Switch]) -> list[str | Table]:
    if not found:
        return []
    rows = [
        [
            each.name,
            each.old,
            each.new,
            each.effect.value,
            ("before" if each.before else "after") if each.setting else "",
        ]
        for each in found
    ]
    columns = (
        Column("Switch", wraps=True),
        Column("From"),
        Column("To", wraps=True),
        Column("Takes effect"),
        Column("Set"),
    )
    return ["", Table(columns, rows)]


def _follows(found: Sequence[Follows]) -> list[str | Table]:
    if not found:
        return []
    rows = [
        [each.client, "-" if each.within_s is None else f"{each.within_s:,.0f} s", each.when]
        for each in found
    ]
    return [
        "",
        Table(
            (Column("Who follows", wraps=True), Column("Within", right=True), Column("When", wraps=True)),
            rows,
        ),
    ]


def share_bar(share: int) -> str:
    """A share as a bar and a number."""
    return f"{bar(share / 100, BAR):{BAR}} {share:>3} %"
