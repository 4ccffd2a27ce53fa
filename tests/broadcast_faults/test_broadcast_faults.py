"""A small run of each kind, the same one every time; `python -m tests.broadcast_faults` is the whole."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.broadcast_faults import rows, scenario, sockets
from tests.broadcast_faults.endpoint import TAKEN, FaultyConnections
from tests.broadcast_faults.fates import PER_MILLE, Fate, Fates
from tests.broadcast_faults.signatures import SignatureCheck
from tests.broadcast_faults.world import faulty_world

TARGET = "/production/@connections/R0oXAdfD0kwCH6w%3D"
BODY = b'{"type":"notice","id":"1"}'


def _signed(secret: str = "s" * 40, target: str = TARGET, body: bytes = BODY) -> dict[str, str]:
    request = AWSRequest("POST", f"http://127.0.0.1:1{target}", data=body, headers={"Host": "127.0.0.1:1"})
    SigV4Auth(Credentials("AKID", secret), "execute-api", "us-east-1").add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


def _problem(headers: dict[str, str], target: str = TARGET, body: bytes = BODY, later_s: float = 0) -> str:
    check = SignatureCheck("AKID", "s" * 40, "us-east-1")
    return check.problem(target, headers, body, datetime.now(UTC) + timedelta(seconds=later_s))


def test_right_signature_is_accepted() -> None:
    assert _problem(_signed()) == ""


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (_problem({}), "no signature"),
        (_problem(_signed(secret="t" * 40)), "wrong signature"),
        (_problem(_signed(), target=TARGET.replace("R0", "S0")), "wrong signature"),
        (_problem(_signed(), body=BODY + b" "), "wrong signature"),
        (_problem(_signed(), later_s=400), "signed at"),
    ],
    ids=["none", "another key", "another path", "another body", "too late"],
)
def test_wrong_signature_is_a_problem(problem: str, said: str) -> None:
    assert said in problem


def test_fates_come_in_their_shares_and_are_the_same_every_time() -> None:
    names = list(rows.make_rows(20_000, seed=3))
    verdicts = list(map(Fates(3).of, names))
    assert verdicts == list(map(Fates(3).of, names))
    counts = Counter(verdict.fate for verdict in verdicts)
    for fate, per_mille in PER_MILLE:
        assert counts[fate] / len(names) * 1000 == pytest.approx(per_mille, rel=0.5)
    assert sum(verdict.slow for verdict in verdicts) / len(names) == pytest.approx(1 / 32, rel=0.2)
    assert all(verdict.fate is Fate.GONE for verdict in verdicts if verdict.rewritten)


@pytest.mark.parametrize("fate", list(Fate))
def test_each_fate_is_answered_and_counted(fate: Fate) -> None:
    fates = Fates(1)
    name = next(name for name in rows.make_rows(20_000, seed=1) if fates.of(name).fate is fate)
    connections = FaultyConnections(fates, SignatureCheck("AKID", "s" * 40, "us-east-1"))
    head = f"POST /production/@connections/{name.replace('=', '%3D')} HTTP/1.1\r\nHost: h".encode()
    answers = [connections.post(head, BODY)[1] for _ in range(5)]
    refused = 5 if fate is Fate.GONE else fates.of(name).refusals
    assert answers[refused:] == [TAKEN] * (5 - refused)
    assert TAKEN not in answers[:refused]
    assert (None in answers) is (fate in (Fate.DROPPED_BEFORE, Fate.DROPPED_AFTER))
    heard = 5 - refused + (fate is Fate.DROPPED_AFTER)
    assert connections.report.effects.total() == connections.report.message_ids["1"] == heard
    assert connections.report.attempts == Counter({name: 5})


@pytest.mark.local
def test_broadcast_with_faults_and_two_kills_keeps_every_promise(tmp_path: Path) -> None:
    with faulty_world(tmp_path, 2_000, seed=4) as world:
        evidence = scenario.run_scenario(world, seed=4, kills=2, rate_per_s=1_500, say=print)
    broken = [finding for finding in scenario.judge(evidence) if not finding.kept]
    assert broken == []


@pytest.mark.local
@pytest.mark.parametrize("distributed", [False, True], ids=["local", "distributed"])
def test_sockets_with_a_kill_keep_every_promise(tmp_path: Path, distributed: bool) -> None:
    evidence = sockets.run_sockets(
        tmp_path, clients=60, kills=1, seed=5, rate_per_s=60, say=print, distributed=distributed
    )
    assert [finding for finding in sockets.judge_sockets(evidence) if not finding.kept] == []
