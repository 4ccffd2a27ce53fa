"""What Lambda's entry of the worker makes of its event, its environment and the time that it has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from tests.unit.worker.shard_fakes import KEYS, SPEC, Bucket
from whatschat_ops.sender.model import POST, SendPolicy
from whatschat_ops.worker import handler as worker
from whatschat_ops.worker.counting import Count, Counted
from whatschat_ops.worker.kinds import COUNT, SAMPLE
from whatschat_ops.worker.objects import ROWS, SEGMENT, RunSpec, Shard, given_bytes
from whatschat_ops.worker.rows import END, Row, Table
from whatschat_ops.worker.shard import Work

SELECTION = '{"exclude_users": ["eve"], "connections": ["b"]}'
TIMED = replace(
    SPEC, record={"table_name": "t", "selection": SELECTION}, request_timeout_s=3.0, deadline_s=7.0
)
EVENT = Shard(KEYS.run, 4, SEGMENT, 3, 8).to_item()


class FakeContext:
    """Lambda's context."""

    aws_request_id = "request"

    def __init__(self, left_ms: int) -> None:
        self.left_ms = left_ms

    def get_remaining_time_in_millis(self) -> int:
        return self.left_ms


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], tuple[dict[str, Any], Work]]:
    """Invoke the worker with so many milliseconds left; gives its answer, and the work that it does."""
    bucket = Bucket({KEYS.spec: TIMED.to_bytes()})
    works: list[Work] = []

    def send(work: Work) -> bool:
        works.append(work)
        return True

    monkeypatch.setenv("BROADCAST_BUCKET", "runs-bucket")
    monkeypatch.setattr(boto3, "client", lambda service: service)
    monkeypatch.setattr(worker, "Bucket", lambda client, name: bucket)
    monkeypatch.setattr(Work, "send", send)
    return lambda left_ms: (worker.handler(EVENT, FakeContext(left_ms)), works[-1])


def test_shard_of_the_event_is_sent_as_the_run_says(
    invoke: Callable[[int], tuple[dict[str, Any], Work]],
) -> None:
    answer, work = invoke(900_000)
    assert answer == {**EVENT, "left": 1}
    assert (work.keys, work.shard, work.spec) == (KEYS, 4, TIMED)
    assert work.attempt.startswith("request.") and len(work.attempt) > len("request.")


@pytest.mark.parametrize(("left_ms", "left_s"), [(900_000, 887.0), (13_000, 0.0), (12_999, -0.001)])
def test_worker_ends_when_no_more_than_a_request_and_the_last_part_fit(
    invoke: Callable[[int], tuple[dict[str, Any], Work]], left_ms: int, left_s: float
) -> None:
    """A request takes up to 3 s here, and 10 s are kept to write the last part."""
    _, work = invoke(left_ms)
    assert work.left_s() == pytest.approx(left_s)


def test_segment_is_counted_as_of_the_time_of_the_run_and_handed_over_when_the_time_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record = {**TIMED.record, "kind": COUNT, "created_at": "2026-11-23T12:00:00+00:00"}
    bucket = Bucket({KEYS.spec: replace(TIMED, record=record).to_bytes()})
    counts: list[Count] = []

    def work(count: Count) -> bool:
        counts.append(count)
        return True

    monkeypatch.setenv("BROADCAST_BUCKET", "runs-bucket")
    monkeypatch.setattr(boto3, "client", lambda service: service)
    monkeypatch.setattr(worker, "Bucket", lambda client, name: bucket)
    monkeypatch.setattr(Count, "work", work)
    assert worker.handler(EVENT, FakeContext(900_000)) == {**EVENT, "left": 1}
    (count,) = counts
    assert (count.keys, count.shard) == (KEYS, 4)
    assert count.found == Counted(datetime(2026, 11, 23, 12, tzinfo=UTC))
    assert count.left_s() == pytest.approx(887.0)


def test_sample_leaves_out_what_the_selection_does() -> None:
    record = {**TIMED.record, "kind": SAMPLE}
    found = worker.found_by(replace(TIMED, record=record))
    found.add(
        [{"connectionId": {"S": name}, "userId": {"S": user}} for name, user in (("a", "eve"), ("c", "x"))]
    )
    assert found.take() == [Row("c", "x", "")]


def test_rows_that_were_given_are_all_sent_to_and_others_as_the_selection_says(
    invoke: Callable[[int], tuple[dict[str, Any], Work]],
) -> None:
    _, work = invoke(900_000)
    assert [work.keep(Row(name, user, "")) for name, user in (("a", "eve"), ("b", "x"), ("c", "x"))] == [
        False,
        False,
        True,
    ]
    rows = [["b", "eve", '{"S":"then"}']]
    given = Bucket({KEYS.given(2): given_bytes(rows)})

    def no_table() -> Table:
        raise AssertionError

    pages = worker.pages_of(Shard(KEYS.run, 2, ROWS), given, KEYS, no_table)
    assert [(list(page.rows), page.position) for page in pages(None)] == [([Row(*rows[0])], END)]
    assert list(pages(END)) == []


def test_sender_has_the_limits_of_the_run_and_the_keys_of_the_function(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[tuple[Any, ...]] = []
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("API_GATEWAY_ENDPOINT", "https://abc.execute-api.eu-west-1.amazonaws.com/production")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ASIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    monkeypatch.setattr(worker, "Sender", lambda *given, operation: made.append((*given, operation)))
    spec = RunSpec(
        {}, tcp_connections=3, max_attempts=4, deadline_s=5.5, request_timeout_s=6.5, prune_rows=25
    )
    worker.make_sender(spec, b"hello", 1.5, 2)
    ((endpoint, region, message, policy, credentials, operation),) = made
    assert operation is POST
    assert (endpoint, region, message) == (
        "https://abc.execute-api.eu-west-1.amazonaws.com/production",
        "eu-west-1",
        b"hello",
    )
    assert policy == SendPolicy(
        rate_per_s=1.5, burst=2, tcp_connections=3, max_attempts=4, deadline_s=5.5, request_timeout_s=6.5
    )
    keys = credentials()
    assert (keys.access_key_id, keys.secret_access_key.reveal()) == ("ASIAEXAMPLE", "secret")
    assert keys.session_token is not None and keys.session_token.reveal() == "token"
