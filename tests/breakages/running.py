"""Breaks a stack as a row says, asks `doctor`, repairs it, and asks again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.breakages.row import FIX, PRINTED, Breakage, Repair
from tests.breakages.world import Said, World

_HARMLESS = ("ok", "skip", "silenced")


@dataclass(frozen=True)
class Outcome:
    """What came of one row. `problems` is empty when `doctor` named that cause and no other, and the repair made all well."""

    row: Breakage
    said: Said | None
    fixed_by: str
    problems: tuple[str, ...]


def tried(row: Breakage, world: World, healthy: Mapping[str, Said], *, as_process: bool = False) -> Outcome:
    """Break, ask, repair, ask again. `healthy` is what `doctor` said of the stack before."""
    row.break_it(world)
    broken = world.doctor(as_process=as_process)
    said = broken.get(row.code)
    problems = _named_wrongly(row, worse(healthy, broken))
    fixed_by = _repaired(row, world, said)
    still = worse(healthy, world.doctor())
    problems += [f"not green again: {each.code} {each.status}: {each.detail}" for each in still]
    return Outcome(row, said, fixed_by, tuple(problems))


def worse(before: Mapping[str, Said], after: Mapping[str, Said]) -> list[Said]:
    """The checks that fail or warn now, and did not in the same way before."""
    return [
        said
        for code, said in after.items()
        if said.status not in _HARMLESS and (code not in before or before[code].status != said.status)
    ]


def _named_wrongly(row: Breakage, found: list[Said]) -> list[str]:
    wanted = (row.code, "warn" if row.warns else "fail")
    others = [each for each in found if each.code not in (row.code, *row.also)]
    problems = [f"also named: {each.code} {each.status}: {each.detail}" for each in others]
    if wanted not in [(each.code, each.status) for each in found]:
        problems.append(f"{row.code} did not {wanted[1]}")
    return problems


def _repaired(row: Breakage, world: World, said: Said | None) -> str:
    if isinstance(row.repair, Repair):
        row.repair.do(world)
        return row.repair.words
    if row.repair == FIX:
        done = world.cli("doctor", "--fix", "--yes")
        assert done.code in (0, 3), done.said
        return f"`{FIX}`"
    assert row.repair == PRINTED
    return f"`{world.run_printed(said.fix)}`" if said and said.fix else "nothing was printed"
