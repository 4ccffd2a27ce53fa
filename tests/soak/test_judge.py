"""Each invariant of a soak is broken by what breaks it, and by nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.soak.broadcasts import Account, account
from tests.soak.crowd import Member
from tests.soak.judge import judge, table
from tests.soak.soak import Evidence
from tests.soak.usage import Usage
from whatschat_ops.sockets.simulated import Simulation

SUMMARY = {
    "message_id": "run",
    "connections": 3,
    "delivered": 2,
    "gone": 1,
    "failed": 0,
    "pending": 0,
    "in_doubt": 1,
}
USED = Usage(
    memory_mb=100,
    workers=4,
    open_files=100,
    files=100,
    size_mb=2,
    doctor_mb=80,
    doctor_files=40,
    watch_mb=60,
    watch_files=20,
)


def evidence(**changed: Any) -> Evidence:
    """A soak in which all holds, but for what is changed."""
    return Evidence(
        3,
        **{
            "done": Counter(rounds=9),
            "accounts": [Account(SUMMARY, killed=True, missing=0, copies=1, not_listed=0)],
            "samples": [USED] * 9,
            "rows": [(3, 3)] * 9,
            "doctor_is_green": True,
            "beside": {"watch": 130},
            "snapshots": 9,
            "replays_whole": True,
            **changed,
        },
    )


def grown(**figures: float) -> list[Usage]:
    """Samples of which the last third has these figures."""
    return [USED] * 6 + [replace(USED, **figures)] * 3  # type: ignore[arg-type]


def broken(found: Evidence) -> list[str]:
    """The first words of each invariant that does not hold."""
    return [" ".join(each.invariant.split()[:3]) for each in judge(found) if not each.kept]


def test_soak_in_which_all_holds_has_nothing_broken() -> None:
    assert broken(evidence()) == []
    assert "BROKEN" not in table(evidence())


def test_memory_may_grow_by_what_the_service_keeps() -> None:
    assert broken(evidence(samples=grown(memory_mb=125, size_mb=3))) == []


@pytest.mark.parametrize(
    ("changed", "invariant"),
    [
        ({"surprises": ["no answer"]}, "Every command and"),
        ({"rows": [(3, 3), (4, 3)]}, "Rows = open"),
        ({"accounts": [Account({**SUMMARY, "delivered": 1}, False, 0, 0, 0)]}, "Each connection of"),
        ({"accounts": [Account(SUMMARY, False, 1, 0, 0)]}, "Every message that"),
        ({"accounts": [Account(SUMMARY, False, 0, 0, 1)]}, "Every message that"),
        ({"accounts": [Account(SUMMARY, True, 0, 2, 0)]}, "Second copies are"),
        ({"samples": grown(memory_mb=125)}, "No growth: memory"),
        ({"samples": grown(workers=9)}, "No growth: worker"),
        ({"samples": grown(open_files=149)}, "No growth: open"),
        ({"samples": grown(files=117)}, "No growth: files"),
        ({"samples": grown(doctor_files=73)}, "No growth: open"),
        ({"samples": grown(watch_mb=85)}, "No growth: memory"),
        ({"samples": grown(size_mb=4.6)}, "The state directory"),
        ({"doctor_is_green": False}, "The doctor is"),
        ({"beside": {"watch": None}}, "What ran beside"),
        ({"beside": {"watch": -9}}, "What ran beside"),
        ({"replays_whole": False}, "The record replays"),
        ({"left_processes": 1}, "No process is"),
    ],
)
def test_invariant_that_does_not_hold_is_named(changed: dict[str, Any], invariant: str) -> None:
    assert broken(evidence(**changed)) == [invariant]


def member(user: str, copies: int, change: Callable[[Member], None] = lambda _: None) -> Member:
    """A socket that received the message so often."""
    made = Member(user, Simulation().connect(user), Counter({"run": copies} if copies else {}))
    change(made)
    return made


def leave(one: Member) -> None:
    """It was closed."""
    one.left = True


def test_copies_are_counted_against_the_outcomes_of_the_journal() -> None:
    members = [
        member("a", 2),
        member("b", 1),
        member("c", 1),
        member("d", 0),
        member("e", 0, leave),
        member("f", 1),
    ]
    outcomes = {"a": "delivered", "b": "delivered", "c": "gone", "d": "delivered", "e": "delivered"}
    found = account(members, outcomes, SUMMARY, killed=False)
    assert (found.missing, found.copies, found.not_listed) == (1, 3, 1)
    assert not found.is_accounted_for
