"""What a worker does to a connection when it does not send: asks about it, or closes it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.worker.shard_fakes import KEYS, SPEC, FakeSender, bucket_of_run, names, send, table_of
from whatschat_ops import choices
from whatschat_ops.broadcast.distributed.launching import read_spec, spec_of
from whatschat_ops.broadcast.journal import file
from whatschat_ops.broadcast.journal.journal import Journal
from whatschat_ops.broadcast.journal.past_runs import read_run
from whatschat_ops.broadcast.journal.record import RunRecord
from whatschat_ops.broadcast.journal.summary import RunState, exit_code
from whatschat_ops.broadcast.kinds import KINDS
from whatschat_ops.errors import ExitCode, OpsError
from whatschat_ops.sender.model import DELETE, GET, POST, Outcome, Result, SendPolicy
from whatschat_ops.worker.actions import ACTIONS
from whatschat_ops.worker.kinds import BROADCAST, DISCONNECT, PRUNE
from whatschat_ops.worker.objects import FORMAT, FORMAT_OF_KINDS, RunSpec
from whatschat_ops.worker.pruning import Pruning
from whatschat_ops.worker.rows import Row, Table

NOW_S = 1_800_000_000.0
UNKNOWN = Result(1, Outcome.FAILED, "HTTP 400 BadRequestException: Invalid connectionId: ID", 1, 0.1)


def test_each_kind_has_its_operation() -> None:
    assert [ACTIONS[kind].operation for kind in (BROADCAST, PRUNE, DISCONNECT)] == [POST, GET, DELETE]


@pytest.mark.parametrize("kind", [PRUNE, DISCONNECT])
def test_id_that_no_connection_can_have_is_gone_unless_a_message_was_to_be_sent_there(kind: str) -> None:
    assert ACTIONS[kind].judged(UNKNOWN) == UNKNOWN._replace(outcome=Outcome.GONE, reason="")
    assert ACTIONS[BROADCAST].judged(UNKNOWN) == UNKNOWN
    other = UNKNOWN._replace(reason="HTTP 500")
    assert ACTIONS[kind].judged(other) == other


def test_row_of_a_connection_that_may_be_opening_stays() -> None:
    asked: list[Row] = []

    def prune(rows: Sequence[Row]) -> Sequence[Pruning]:
        asked.extend(rows)
        return [Pruning.PRUNED] * len(rows)

    times = {"old": {"N": str(NOW_S - 60)}, "young": {"N": str(NOW_S - 59)}, "text": {"S": "no time"}}
    rows = [Row(name, "", json.dumps(time)) for name, time in times.items()] + [Row("none", "", "")]
    became = ACTIONS[PRUNE].pruner(prune, lambda: NOW_S)(rows)
    pruned = Pruning.PRUNED
    assert became == [pruned, Pruning.REWRITTEN, pruned, pruned]
    assert "young" not in [row.connection_id for row in asked]
    for kind in (BROADCAST, DISCONNECT):
        assert ACTIONS[kind].pruner(prune, lambda: NOW_S) is prune


@pytest.mark.parametrize(
    ("kind", "left"), [(PRUNE, ["c000000=", "c000001=", "f000000="]), (DISCONNECT, ["f000000="])]
)
def test_rows_of_gone_connections_are_deleted_and_of_those_that_were_closed(
    kind: str, left: list[str]
) -> None:
    bucket, table = bucket_of_run(), table_of(*names(2), *names(2, "g"), *names(1, "f"))
    spec = replace(SPEC, record={**SPEC.record, "kind": kind})
    assert not send(bucket, FakeSender(), table, spec=spec)
    assert [row.connection_id for row in table.rows] == left
    done = bucket.done()
    assert (done.delivered, done.gone, done.failed, done.pruned) == (2, 2, 1, 5 - len(left))


def test_run_of_another_kind_is_refused_by_workers_that_would_send_an_empty_message() -> None:
    spec = replace(SPEC, record={**SPEC.record, "kind": PRUNE})
    assert json.loads(SPEC.to_bytes())["format"] == FORMAT
    assert json.loads(spec.to_bytes())["format"] == FORMAT_OF_KINDS
    assert [RunSpec.from_bytes(each.to_bytes()).kind for each in (SPEC, spec)] == [BROADCAST, PRUNE]
    bucket = bucket_of_run()
    bucket.objects[KEYS.spec] = json.dumps({**json.loads(SPEC.to_bytes()), "format": 1}).encode()
    with pytest.raises(OpsError, match="earlier version"):
        read_spec(bucket, KEYS.run)


def record(kind: str) -> RunRecord:
    return RunRecord(
        KEYS.run,
        "2026-11-23T10:15:02+00:00",
        "e",
        "s",
        "t",
        "r",
        "u",
        b"",
        "",
        "{}",
        "{}",
        "distributed",
        "",
        kind,
    )


def test_broadcast_is_written_so_that_an_earlier_version_reads_it() -> None:
    policy = SendPolicy(10, 5)
    assert "kind" not in spec_of(record(BROADCAST), policy).record
    assert spec_of(record(PRUNE), policy).record["kind"] == PRUNE


def test_journal_of_an_earlier_version_is_of_a_broadcast(tmp_path: Path) -> None:
    Journal.create(tmp_path, record(PRUNE)).close(RunState.FINISHED)
    assert read_run(tmp_path, KEYS.run).summary.kind == PRUNE
    database = file.open_to_write(file.journal_path(tmp_path, KEYS.run))
    database.execute("ALTER TABLE run DROP COLUMN kind")
    database.close()
    assert read_run(tmp_path, KEYS.run).summary.kind == BROADCAST


def test_prune_that_found_some_gone_has_not_failed_as_a_whole(tmp_path: Path) -> None:
    Journal.create(tmp_path, record(PRUNE)).close(RunState.FINISHED)
    summary = replace(read_run(tmp_path, KEYS.run).summary, connections=2, gone=1, failed=1)
    assert exit_code(summary) is ExitCode.PARTLY_DONE
    assert exit_code(replace(summary, kind=BROADCAST)) is ExitCode.FAILED


@pytest.mark.parametrize(("include_expired", "found"), [(False, ["new"]), (True, ["new", "old"])])
def test_expired_rows_are_read_when_they_are_to_be_included(include_expired: bool, found: list[str]) -> None:
    class Client:
        class meta:
            class events:
                register = staticmethod(lambda *_: None)

        @staticmethod
        def scan(**_: object) -> dict[str, object]:
            ends = {"new": NOW_S + 1, "old": NOW_S - 1}
            return {
                "Items": [{"connectionId": {"S": name}, "ttl": {"N": str(end)}} for name, end in ends.items()]
            }

    table = Table(Client(), "t", lambda: NOW_S, include_expired=include_expired)
    (page,) = table.segment(0, 1, None)
    assert [row.connection_id for row in page.rows] == found


def test_every_kind_has_an_action_and_words() -> None:
    assert set(KINDS) == set(ACTIONS) == {choices.BROADCAST, choices.PRUNE, choices.DISCONNECT}
