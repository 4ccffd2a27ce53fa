"""The judges find every broken promise: a perfect run with one thing changed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from tests.broadcast_faults import rows
from tests.broadcast_faults.endpoint import REWRITTEN_AT, FaultyConnections
from tests.broadcast_faults.fates import Fate, Fates
from tests.broadcast_faults.scenario import Evidence, judge
from tests.broadcast_faults.signatures import SignatureCheck
from tests.broadcast_faults.sockets import SocketEvidence, judge_sockets

SEED = 6
BODY = b'{"id":"m-1"}'


def _perfect() -> Evidence:
    return copy.deepcopy(_perfect_once())


@cache
def _perfect_once() -> Evidence:
    own, foreign, fates = rows.make_rows(2_000, SEED), rows.make_rows(5, SEED + 1), Fates(SEED)
    connections = FaultyConnections(fates, SignatureCheck("AKID", "s", "us-east-1"))
    live = [name for name, row in own.items() if rows.is_live(row)]
    after = dict(own)
    for name in live:
        head = f"POST /s/@connections/{name} HTTP/1.1\r\n".encode()
        for _ in range(1 + fates.of(name).refusals):
            connections.post(head, BODY)
        if connections.must_rewrite(name):
            after[name] = {**after[name], "connectedAt": {"S": REWRITTEN_AT}}
        elif fates.of(name).fate is Fate.GONE:
            del after[name]
    gone = sum(fates.of(name).fate is Fate.GONE for name in live)
    rewritten = len(connections.report.rewritten)
    unanswered = connections.report.answers[Fate.DROPPED_AFTER]
    connections.report.problems.clear()  # nothing was signed here
    summary = {
        "message_id": "m-1", "in_doubt": unanswered, "connections": len(live), "delivered": len(live) - gone, "gone": gone,
        "failed": 0, "pending": 0, "pruned": gone - rewritten, "rewritten": rewritten, "not_pruned": 0,
        "resumes": 1,
    }  # fmt: skip
    return Evidence(SEED, 1, 1_000, own, foreign, connections.report, summary, 0, after, dict(foreign))


def _broken(evidence: Evidence) -> list[str]:
    return [finding.promise for finding in judge(evidence) if not finding.kept]


def test_perfect_run_keeps_every_promise() -> None:
    assert _broken(_perfect()) == []


def _of(evidence: Evidence, fate: Fate, *, rewritten: bool = False) -> str:
    fates = Fates(SEED)
    return next(
        name
        for name, row in evidence.own.items()
        if rows.is_live(row) and fates.of(name).fate is fate and fates.of(name).rewritten is rewritten
    )


def _lose_one(evidence: Evidence) -> None:
    del evidence.report.effects[_of(evidence, Fate.TAKEN)]


def _post_to_expired(evidence: Evidence) -> None:
    name = next(name for name, row in evidence.own.items() if not rows.is_live(row))
    evidence.report.attempts[name] += 1


def _send_twice(evidence: Evidence) -> None:
    evidence.report.effects[_of(evidence, Fate.TAKEN)] += 1


def _count_no_lost_answer(evidence: Evidence) -> None:
    evidence.summary["in_doubt"] = 0  # type: ignore[index]


def _doubt_every_connection(evidence: Evidence) -> None:
    evidence.summary["in_doubt"] = len(evidence.own)  # type: ignore[index]


def _send_another_id(evidence: Evidence) -> None:
    evidence.report.message_ids["m-2"] += 1


def _keep_a_gone_row(evidence: Evidence) -> None:
    name = _of(evidence, Fate.GONE)
    evidence.own_after[name] = evidence.own[name]


def _delete_a_rewritten_row(evidence: Evidence) -> None:
    del evidence.own_after[_of(evidence, Fate.GONE, rewritten=True)]


def _delete_a_live_row(evidence: Evidence) -> None:
    del evidence.own_after[_of(evidence, Fate.TAKEN)]


def _touch_a_foreign_row(evidence: Evidence) -> None:
    evidence.foreign_after.popitem()


def _forge_a_signature(evidence: Evidence) -> None:
    evidence.report.problems.append("wrong signature")


@pytest.mark.parametrize(
    ("spoil", "promise"),
    [
        (_lose_one, "Every live connection"),
        (_post_to_expired, "No other connection"),
        (_send_twice, "Duplicates, by kills and by lost answers"),
        (_count_no_lost_answer, "Duplicates, by kills and by lost answers"),
        (_doubt_every_connection, "In doubt is what"),
        (_send_another_id, "the same message id"),
        (_keep_a_gone_row, "Rows of gone connections"),
        (_delete_a_rewritten_row, "written again"),
        (_delete_a_live_row, "No other row"),
        (_touch_a_foreign_row, "other stack's table"),
        (_forge_a_signature, "is signed"),
    ],
)
def test_broken_promise_is_found(spoil: Callable[[Evidence], None], promise: str) -> None:
    evidence = _perfect()
    spoil(evidence)
    assert any(promise in broken for broken in _broken(evidence))


@pytest.mark.parametrize(
    "count", ["connections", "delivered", "gone", "failed", "pending", "pruned", "rewritten", "not_pruned"]
)
def test_wrong_count_is_found(count: str) -> None:
    evidence = _perfect()
    assert _broken(replace(evidence, summary={**evidence.summary, count: evidence.summary[count] + 1}))


def test_wrong_exit_code_is_found() -> None:
    assert _broken(replace(_perfect(), exit_code=4)) == ["The exit code says that nothing failed"]


def _perfect_sockets() -> SocketEvidence:
    ghosts = rows.make_ghosts(3, SEED)
    before = {**rows.make_rows(10, SEED + 1), **ghosts}
    summary = {
        "message_id": "m-1", "in_doubt": 1, "connections": 13, "delivered": 10, "gone": 3, "failed": 0, "pending": 0,
        "pruned": 3,
    }  # fmt: skip
    after = {name: row for name, row in before.items() if name not in ghosts}
    received = {index: [{"id": "m-1"}] for index in range(10)}
    return SocketEvidence(10, 1, received, ghosts, before, after, summary, 0)


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({}, 0),
        ({"received": {0: [{"id": "m-1"}]}}, 1),
        ({"received": {index: [{"id": "m-1"}] * (3 if index == 0 else 1) for index in range(10)}}, 1),
        ({"received": {index: [{"id": "m-2"}] for index in range(10)}}, 1),
        ({"after": {}}, 1),
        ({"exit_code": 1}, 1),
        (
            {
                "kills": 0,
                "received": {index: [{"id": "m-1"}] * (2 if index == 0 else 1) for index in range(10)},
            },
            1,
        ),
    ],
)
def test_broken_promises_of_sockets_are_found(changes: dict[str, Any], broken: int) -> None:
    findings = list(judge_sockets(replace(_perfect_sockets(), **changes)))
    assert sum(not finding.kept for finding in findings) == broken
