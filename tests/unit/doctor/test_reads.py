"""An Aws that sends each read once, refuses to write, and answers from a recording."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.doctor.reads import NotRecorded, ReadOnce, repeated
from whatschat_ops.errors import NotFound
from whatschat_ops.redaction import Secret

TARGET = AwsTarget("us-east-1", access_key_id="AKIAEXAMPLE", secret_access_key=Secret("x" * 40))


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What was sent: DescribeTable finds the table `there` only."""
    asked: list[Any] = []

    def make_client(aws: Aws, service: str, region: str, endpoint_url: str | None) -> Any:
        client = made(aws, service, region, endpoint_url)
        client._make_api_call = answer
        return client

    def answer(operation: str, parameters: dict[str, Any]) -> Any:
        asked.append((operation, parameters))
        if parameters.get("TableName") == "absent":
            raise NotFound("no table", aws_code="ResourceNotFoundException", operation=operation)
        return {"Table": {"TableName": "there", "CreationDateTime": datetime(2026, 11, 29, tzinfo=UTC)}}

    made = Aws._make_client
    monkeypatch.setattr(Aws, "_make_client", make_client)
    yield asked


def test_read_is_sent_once_and_its_answer_is_a_copy_for_each_caller(sent: list[Any]) -> None:
    client = ReadOnce(TARGET).client("dynamodb")

    first = client.describe_table(TableName="there")
    first["Table"].clear()

    assert client.describe_table(TableName="there")["Table"]["TableName"] == "there"
    assert len(sent) == 1


def test_failure_is_raised_again_without_asking_again(sent: list[Any]) -> None:
    client = ReadOnce(TARGET).client("dynamodb")

    for _ in range(2):
        with pytest.raises(NotFound):
            client.describe_table(TableName="absent")

    assert len(sent) == 1


@pytest.mark.parametrize("operation", ["delete_table", "update_time_to_live", "put_item"])
def test_write_is_refused(operation: str, sent: list[Any]) -> None:
    with pytest.raises(ValueError, match="no read"):
        getattr(ReadOnce(TARGET).client("dynamodb"), operation)(TableName="there")

    assert sent == []


def test_recording_answers_the_same_without_asking(sent: list[Any]) -> None:
    asked = ReadOnce(TARGET)
    told = asked.client("dynamodb").describe_table(TableName="there")
    with pytest.raises(NotFound):
        asked.client("dynamodb").describe_table(TableName="absent")
    recording = json.loads(json.dumps(asked.calls))
    sent.clear()

    replayed = ReadOnce(TARGET, replayed=tuple(recording)).client("dynamodb")

    assert replayed.describe_table(TableName="there") == told
    with pytest.raises(NotFound, match="no table"):
        replayed.describe_table(TableName="absent")
    with pytest.raises(NotRecorded, match="DescribeTable"):
        replayed.describe_table(TableName="another")
    assert sent == [] and repeated(recording) == []
