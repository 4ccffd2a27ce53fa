"""The objects of a distributed run, on moto: an object is written once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from whatschat_ops.worker.bucket import CREATE_ATTEMPTS, Bucket

NAME = "runs-bucket"


@pytest.fixture
def client() -> Iterator[Any]:
    with mock_aws():
        made = boto3.client(
            "s3", "us-east-1", aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="secret"
        )
        made.create_bucket(Bucket=NAME)
        yield made


def test_object_of_another_stays(client: Any) -> None:
    bucket = Bucket(client, NAME)
    assert bucket.create("runs/1", b"first")
    assert not bucket.create("runs/1", b"second")
    assert bucket.get("runs/1") == b"first"


def test_own_object_is_recognised_when_the_answer_to_the_first_request_was_lost(client: Any) -> None:
    """botocore repeats a request without an answer; the second one meets the object that the first has written."""
    bucket = Bucket(client, NAME)
    client.put_object(Bucket=NAME, Key="runs/1", Body=b"ours")
    assert bucket.create("runs/1", b"ours")


@pytest.mark.parametrize("conflicts", [1, CREATE_ATTEMPTS - 1])
def test_conflict_of_two_writes_at_once_is_tried_again(client: Any, conflicts: int) -> None:
    bucket = Bucket(client, NAME)
    client.meta.events.register("before-call.s3.PutObject", conflict(conflicts))
    assert bucket.create("runs/1", b"first")
    assert bucket.get("runs/1") == b"first"


def test_conflict_without_end_and_other_errors_are_raised(client: Any) -> None:
    client.meta.events.register("before-call.s3.PutObject", conflict(CREATE_ATTEMPTS))
    with pytest.raises(client.exceptions.ClientError, match="ConditionalRequestConflict"):
        Bucket(client, NAME).create("runs/1", b"first")
    with pytest.raises(client.exceptions.NoSuchBucket):
        Bucket(client, "another-bucket").create("runs/1", b"first")


def test_refusal_is_not_repeated(client: Any) -> None:
    sent: list[str] = []

    def refuse(model: Any, **_: Any) -> Any:
        sent.append(model.name)
        metadata = {"HTTPStatusCode": 403}
        raise client.exceptions.ClientError(
            {"Error": {"Code": "AccessDenied", "Message": "no"}, "ResponseMetadata": metadata}, model.name
        )

    client.meta.events.register("before-call.s3.PutObject", refuse)
    with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
        Bucket(client, NAME).create("runs/1", b"first")
    assert sent == ["PutObject"]


def conflict(times: int) -> Callable[..., Any]:
    """Answers 409 so many times, then lets requests through."""
    left = [times]

    class Answer:
        status_code = 409

    def answer(**_given: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            return None
        error = {"Code": "ConditionalRequestConflict", "Message": "a conflicting write goes on"}
        return Answer(), {"Error": error, "ResponseMetadata": {"HTTPStatusCode": 409}}

    return answer
