"""The Chime service as boto3, the AWS CLI and the JavaScript SDK see it: `tests/chime_clients`.

The AWS CLI makes a few calls here, and all of them for the table (`python -m tests.chime_clients --write`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.loaders import Loader

from tests.chime_clients.__main__ import BEGIN, END, PAGE
from tests.chime_clients.alone import alone, environment
from tests.chime_clients.clients import AwsCli, Boto3, JavaScript, Verdict, conversation, form, missing_cli
from tests.chime_clients.steps import STEPS

pytestmark = [pytest.mark.local, pytest.mark.aws("service model chime-sdk-meetings")]


@pytest.fixture(scope="module")
def by_boto3() -> list[Verdict]:
    with alone() as (_, endpoint):
        client = Boto3(endpoint, environment(endpoint))
        return conversation(lambda _: client)


@pytest.fixture
def endpoint() -> Iterator[str]:
    """Of a service without meetings."""
    with alone() as (_, found):
        yield found


def seen(verdicts: list[Verdict]) -> list[object]:
    """Every step with its problem, if it has one, and the form of its answer."""
    return [(each.step.name, each.problem, form(each.outcome.answer)) for each in verdicts]


def test_every_operation_of_the_model_is_asked_with_a_success_and_an_error() -> None:
    operations = Loader().load_service_model("chime-sdk-meetings", "service-2")["operations"]
    refused = {"StartMeetingTranscription", "StopMeetingTranscription"}
    idempotent = {"DeleteMeeting"}  # has no error of its own
    assert {step.operation for step in STEPS if step.error is None} == operations.keys() - refused
    assert {step.operation for step in STEPS if step.error} == operations.keys() - idempotent
    assert len({step.name for step in STEPS}) == len(STEPS)


def test_boto3_sees_every_result(by_boto3: list[Verdict]) -> None:
    assert [each.problem for each in by_boto3] == [None] * len(STEPS)


def test_javascript_sdk_sees_the_same(by_boto3: list[Verdict], endpoint: str, node_clients: Path) -> None:
    client = JavaScript(node_clients, environment(endpoint))
    try:
        found = conversation(lambda _: client)
    finally:
        client.close()
    assert seen(found) == seen(by_boto3)


@pytest.mark.skipif(missing_cli() is not None, reason=str(missing_cli()))
def test_aws_cli_sees_the_same(by_boto3: list[Verdict], endpoint: str) -> None:
    cli, boto3 = AwsCli(environment(endpoint)), Boto3(endpoint, environment(endpoint))
    found = conversation(lambda step: cli if step.sampled else boto3)
    assert sum(step.sampled for step in STEPS) >= 5
    assert seen(found) == seen(by_boto3)


def test_table_has_every_step_and_no_client_sees_anything_else() -> None:
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    heads, _, *rows = rest.partition(END)[0].strip().splitlines()
    assert heads == "| Operation | Asked for | Result | boto3 | AWS CLI | JavaScript SDK v3 |"
    expected = [
        f"| {step.operation} | {step.asked} | {step.error or 'an answer'} |{3 * ' as expected |'}"
        for step in STEPS
    ]
    assert rows == expected
