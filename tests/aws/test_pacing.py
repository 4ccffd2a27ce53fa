"""Rates of the control plane, on a clock that only sleeping moves; and the count of requests."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.aws.pacing import Pacing, TokenBucket
from whatschat_ops.errors import Throttled
from whatschat_ops.quotas import CREATE_DEPLOYMENT_INTERVAL_S
from whatschat_ops.redaction import Secret

UNKNOWN = "00000000-0000-0000-0000-000000000000"


class Clock:
    """Time that passes when a thread sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def bucket(clock: Clock, rate_per_s: float = 10, burst: int = 4) -> TokenBucket:
    return TokenBucket(rate_per_s, burst, clock=clock.now, sleep=clock.sleep)


def aws() -> Aws:
    return Aws(AwsTarget("us-east-1", access_key_id="AKIDEXAMPLE", secret_access_key=Secret("secret")))


def test_burst_goes_at_once_and_the_rest_at_the_rate() -> None:
    clock = Clock()
    tokens = bucket(clock)
    waits = [tokens.take() for _ in range(8)]
    assert waits[:4] == [0, 0, 0, 0]
    assert waits[4:] == pytest.approx([0.1] * 4)
    clock.seconds += 3600
    assert [tokens.take() for _ in range(5)][3:] == [0, pytest.approx(0.1)]  # never more than the burst


class Raw:
    """An answer's body as botocore reads it."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def stream(self, *_: object, **__: object) -> list[bytes]:
        return [self.body]


def answering(client: Any, status: int, body: bytes, error: str = "") -> None:
    """Give every request of the client that answer, without a network."""

    def answer(request: object, **_: object) -> AWSResponse:
        return AWSResponse("http://127.0.0.1", status, {"x-amzn-errortype": error}, Raw(body))

    client.meta.events.register("before-send", answer)


def test_waiting_threads_do_not_share_a_token() -> None:
    slept: list[float] = []
    tokens = TokenBucket(10, 1, clock=lambda: 0.0, sleep=slept.append)
    threads = [threading.Thread(target=tokens.take) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(slept) == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_writes_of_api_gateway_are_paced_reads_and_other_services_are_not() -> None:
    clock, target = Clock(), aws()
    target._pacing = Pacing(bucket(clock, burst=1))
    gateway, dynamodb = target.client("apigatewayv2"), target.client("dynamodb")
    answering(gateway, 200, b"{}")
    answering(dynamodb, 200, b"{}")
    for _ in range(5):
        gateway.get_apis()
        dynamodb.delete_table(TableName="abc")
    assert clock.seconds == 0
    for _ in range(3):
        gateway.create_deployment(ApiId="a")
    assert clock.seconds == pytest.approx(0.2)
    assert target.requests == 13


def test_each_operation_of_chime_meetings_has_its_own_rate() -> None:
    clock, target = Clock(), aws()
    target._pacing = Pacing(chime=lambda: bucket(clock, burst=2))
    chime = target.client("chime-sdk-meetings")
    answering(chime, 200, b"{}")
    for _ in range(4):
        chime.get_meeting(MeetingId=UNKNOWN)
    assert clock.seconds == pytest.approx(0.2)
    chime.delete_meeting(MeetingId=UNKNOWN)
    assert clock.seconds == pytest.approx(0.2)


def test_throttled_deployment_is_repeated_at_its_own_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time.sleep", slept.append)
    target = aws()
    gateway = target.client("apigatewayv2")
    answering(gateway, 429, b'{"message": "Too Many Requests"}', "TooManyRequestsException")
    with pytest.raises(Throttled):
        gateway.create_deployment(ApiId="a")
    assert slept == [CREATE_DEPLOYMENT_INTERVAL_S] * 5
    assert target.requests == 6
