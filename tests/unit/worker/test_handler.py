"""What Lambda's entry of the worker makes of its event, its environment and the time that it has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import boto3
import pytest

from tests.unit.worker.shard_fakes import KEYS, SPEC, Bucket
from whatschat_ops.sender.model import SendPolicy
from whatschat_ops.worker import handler as worker
from whatschat_ops.worker.objects import RunSpec

TIMED = replace(SPEC, request_timeout_s=3.0, deadline_s=7.0)
EVENT = {"run": KEYS.run, "shard": 4, "connections": 9}


class FakeContext:
    """Lambda's context."""

    aws_request_id = "request"

    def __init__(self, left_ms: int) -> None:
        self.left_ms = left_ms

    def get_remaining_time_in_millis(self) -> int:
        return self.left_ms


Sent = dict[str, Any]


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], tuple[dict[str, Any], Sent]]:
    """Invoke the worker with so many milliseconds left; gives its answer, and how it sends its shard."""
    bucket, sent = Bucket({KEYS.spec: TIMED.to_bytes()}), Sent()

    def send_shard(objects: Bucket, keys: Any, shard: int, connections: int, **more: Any) -> int:
        sent.update(objects=objects, keys=keys, shard=shard, connections=connections, **more)
        return 5

    monkeypatch.setenv("BROADCAST_BUCKET", "runs-bucket")
    monkeypatch.setattr(boto3, "client", lambda service: service)
    monkeypatch.setattr(worker, "Bucket", lambda client, name: bucket)
    monkeypatch.setattr(worker, "send_shard", send_shard)
    return lambda left_ms: (worker.handler(EVENT, FakeContext(left_ms)), sent)


def test_shard_of_the_event_is_sent_as_the_run_says(
    invoke: Callable[[int], tuple[dict[str, Any], Sent]],
) -> None:
    answer, sent = invoke(900_000)
    assert answer == {**EVENT, "left": 5}
    assert (sent["keys"], sent["shard"], sent["connections"], sent["spec"]) == (KEYS, 4, 9, TIMED)
    assert sent["attempt"].startswith("request.") and len(sent["attempt"]) > len("request.")


@pytest.mark.parametrize(("left_ms", "near"), [(900_000, False), (13_000, False), (12_999, True), (0, True)])
def test_worker_stops_when_no_more_than_a_request_and_the_last_part_fit(
    invoke: Callable[[int], tuple[dict[str, Any], Sent]], left_ms: int, near: bool
) -> None:
    """A request takes up to 3 s here, and 10 s are kept to write the last part."""
    _, sent = invoke(left_ms)
    assert sent["near_the_end"]() is near


def test_sender_has_the_limits_of_the_run_and_the_keys_of_the_function(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[tuple[Any, ...]] = []
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("API_GATEWAY_ENDPOINT", "https://abc.execute-api.eu-west-1.amazonaws.com/production")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ASIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    monkeypatch.setattr(worker, "Sender", lambda *given: made.append(given))
    spec = RunSpec(
        rate_per_s=1.5, burst=2, tcp_connections=3, max_attempts=4, deadline_s=5.5, request_timeout_s=6.5
    )
    worker.make_sender(spec, b"hello")
    ((endpoint, region, message, policy, credentials),) = made
    assert (endpoint, region, message) == (
        "https://abc.execute-api.eu-west-1.amazonaws.com/production",
        "eu-west-1",
        b"hello",
    )
    limits = {name: value for name, value in asdict(spec).items() if name != "format"}
    assert policy == SendPolicy(**limits)
    keys = credentials()
    assert (keys.access_key_id, keys.secret_access_key.reveal()) == ("ASIAEXAMPLE", "secret")
    assert keys.session_token is not None and keys.session_token.reveal() == "token"
