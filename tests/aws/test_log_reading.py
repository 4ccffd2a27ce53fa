"""Reading log groups: pages, the budget of requests, and AWS's refusals of too many. Answers are made up, time is a number."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.choices import LogSource
from whatschat_ops.errors import NotFound, Throttled, Unavailable
from whatschat_ops.logs.groups import LogGroup
from whatschat_ops.logs.reading import LogReader, Search
from whatschat_ops.redaction import Secret

CONNECT, ACCESS = LogGroup(LogSource.CONNECT, "/c"), LogGroup(LogSource.ACCESS, "/a")
THROTTLED = {"__type": "ThrottlingException", "message": "Rate exceeded"}


class Raw:
    """An answer's body as botocore reads it."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def stream(self, *_: object, **__: object) -> list[bytes]:
        return [self.body]


class Logs:
    """A reader whose requests get the answers of `answer`, on a clock that only sleeping moves."""

    def __init__(
        self, answer: Callable[[dict[str, Any]], Mapping[str, Any]], region: str = "eu-west-1"
    ) -> None:
        self.seconds = 0.0
        self.asked: list[dict[str, Any]] = []
        self._answer = answer
        target = AwsTarget(region, access_key_id="AKIDEXAMPLE", secret_access_key=Secret("secret"))
        self.reader = LogReader(Aws(target), clock=lambda: self.seconds, sleep=self.sleep)
        self.reader._client.meta.events.register("before-send", self._respond)

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def _respond(self, request: Any, **_: object) -> AWSResponse:
        self.asked.append(json.loads(request.body))
        answer = self._answer(self.asked[-1])
        return AWSResponse(
            request.url, 400 if "__type" in answer else 200, {}, Raw(json.dumps(answer).encode())
        )


def event(number: int) -> dict[str, Any]:
    return {
        "eventId": str(number), "logStreamName": "s", "timestamp": number, "ingestionTime": number + 5, "message": f"m{number}",
    }  # fmt: skip


PAGES: Mapping[str | None, Mapping[str, Any]] = {
    None: {"events": [event(1), event(4)], "nextToken": "empty"},
    "empty": {"events": [], "nextToken": "last"},
    "last": {"events": [event(6)]},
}


def test_pages_are_followed_to_the_one_without_a_token() -> None:
    logs = Logs(lambda asked: PAGES[asked.get("nextToken")])
    found = list(logs.reader.events(CONNECT, Search(0, 9, "ERROR")))
    assert [
        (each.id, each.source, each.stream, each.time_ms, each.ingested_ms, each.message) for each in found
    ] == [(str(number), LogSource.CONNECT, "s", number, number + 5, f"m{number}") for number in (1, 4, 6)]
    wanted = {"logGroupName": "/c", "startTime": 0, "endTime": 9, "filterPattern": "ERROR"}
    assert logs.asked == [wanted, {**wanted, "nextToken": "empty"}, {**wanted, "nextToken": "last"}]
    assert (logs.reader.counts.requests, logs.reader.counts.throttled) == (3, 0)


def test_groups_are_merged_by_time() -> None:
    of_access = {"events": [event(2), event(5), event(7)]}
    logs = Logs(lambda asked: of_access if asked["logGroupName"] == "/a" else PAGES[asked.get("nextToken")])
    assert [each.time_ms for each in logs.reader.merged([CONNECT, ACCESS], Search(0))] == [1, 2, 4, 5, 6, 7]


@pytest.mark.parametrize(("region", "rate_per_s"), [("us-east-1", 20), ("eu-west-1", 8), ("eu-central-1", 4)])
def test_requests_of_all_groups_keep_within_a_share_of_the_rate_of_the_region(
    region: str, rate_per_s: float
) -> None:
    logs = Logs(lambda _: {"events": []}, region)
    for _ in range(50):
        for group in (CONNECT, ACCESS):
            logs.reader.page(group, Search(0))
    assert logs.seconds == pytest.approx(98 / rate_per_s)


def test_page_that_was_refused_for_the_rate_is_read_later_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    answers = [THROTTLED] * 12
    logs = Logs(lambda _: answers.pop() if answers else {"events": [event(1)]})
    assert [each.id for each in logs.reader.events(CONNECT, Search(0))] == ["1"]
    assert (logs.reader.counts.requests, logs.reader.counts.throttled) == (13, 12)


def test_page_that_stays_refused_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    with pytest.raises(Throttled):
        Logs(lambda _: THROTTLED).reader.page(CONNECT, Search(0))


def test_group_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(NotFound):
        list(Logs(lambda _: {"__type": "ResourceNotFoundException"}).reader.events(CONNECT, Search(0)))


def test_token_that_leads_back_to_itself_ends_the_search() -> None:
    with pytest.raises(Unavailable, match="leads back to itself"):
        list(Logs(lambda _: {"events": [], "nextToken": "same"}).reader.events(CONNECT, Search(0)))
