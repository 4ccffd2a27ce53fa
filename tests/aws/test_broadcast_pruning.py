"""What the pruner asks of DynamoDB, and what it makes of the answers: botocore's Stubber checks both against its model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import Stubber

from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.broadcast.journal.gone import GoneRow
from whatschat_ops.broadcast.journal.summary import Pruning
from whatschat_ops.broadcast.pruning import RowPruner
from whatschat_ops.errors import PermissionDenied, Rejected
from whatschat_ops.redaction import Secret

TABLE = "websocket-connections"
ROW = GoneRow(1, "a=", '{"S":"2026-11-23T10:15:02Z"}')
DELETE = {
    "Statement": f'DELETE FROM "{TABLE}" WHERE connectionId = ? AND connectedAt = ?',
    "Parameters": [{"S": "a="}, {"S": "2026-11-23T10:15:02Z"}],
}


@pytest.fixture
def aws() -> Aws:
    """A target where nothing listens."""
    return Aws(AwsTarget(region="us-east-1", access_key_id="AKIAEXAMPLE", secret_access_key=Secret("secret")))


@pytest.fixture
def dynamodb(aws: Aws) -> Iterator[Stubber]:
    """Answers for the pruner."""
    with Stubber(aws.client("dynamodb")) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def answers(*errors: str | None) -> dict[str, Any]:
    """An answer with these error codes; None is a success."""
    return {
        "Responses": [
            {"Error": {"Code": code, "Message": "why"}} if code else {"TableName": TABLE} for code in errors
        ]
    }


def test_a_row_is_deleted_if_connected_at_is_what_was_read(aws: Aws, dynamodb: Stubber) -> None:
    dynamodb.add_response("batch_execute_statement", answers(None), {"Statements": [DELETE]})
    assert RowPruner(aws, TABLE)([ROW]) == [Pruning.PRUNED]


def test_a_row_without_connected_at_is_deleted_if_it_still_has_none(aws: Aws, dynamodb: Stubber) -> None:
    statement = {
        "Statement": f'DELETE FROM "{TABLE}" WHERE connectionId = ? AND connectedAt IS MISSING',
        "Parameters": [{"S": "b="}],
    }
    dynamodb.add_response("batch_execute_statement", answers(None), {"Statements": [statement]})
    assert RowPruner(aws, TABLE)([GoneRow(2, "b=", "")]) == [Pruning.PRUNED]


def test_answers_are_matched_to_rows_by_their_order(aws: Aws, dynamodb: Stubber) -> None:
    rows = [GoneRow(number, f"{number}=", "") for number in (1, 2, 3)]
    dynamodb.add_response("batch_execute_statement", answers(None, "ConditionalCheckFailed", None))
    assert RowPruner(aws, TABLE)(rows) == [Pruning.PRUNED, Pruning.REWRITTEN, Pruning.PRUNED]


def test_a_connection_that_is_named_twice_is_asked_about_once(aws: Aws, dynamodb: Stubber) -> None:
    dynamodb.add_response("batch_execute_statement", answers(None), {"Statements": [DELETE]})
    assert RowPruner(aws, TABLE)([ROW, ROW._replace(number=2)]) == [Pruning.PRUNED, Pruning.PRUNED]


def test_throttled_rows_are_tried_again_and_the_others_are_not(aws: Aws, dynamodb: Stubber) -> None:
    pauses: list[float] = []
    dynamodb.add_response("batch_execute_statement", answers(None, "ThrottlingError"))
    dynamodb.add_response("batch_execute_statement", answers(None), {"Statements": [DELETE]})
    pruner = RowPruner(aws, TABLE, sleep=pauses.append)
    assert pruner([GoneRow(2, "b=", ""), ROW]) == [Pruning.PRUNED, Pruning.PRUNED]
    assert len(pauses) == 1


def test_rows_that_stay_throttled_are_given_up(aws: Aws, dynamodb: Stubber) -> None:
    for _ in range(5):
        dynamodb.add_response("batch_execute_statement", answers("ProvisionedThroughputExceeded"))
    assert RowPruner(aws, TABLE, sleep=lambda _: None)([ROW]) == [Pruning.PRUNE_FAILED]


def test_a_denied_statement_names_the_permission(aws: Aws, dynamodb: Stubber) -> None:
    dynamodb.add_response("batch_execute_statement", answers("AccessDenied"))
    with pytest.raises(PermissionDenied, match="why") as caught:
        RowPruner(aws, TABLE)([ROW])
    assert caught.value.hint is not None
    assert "dynamodb:PartiQLDelete" in str(caught.value.hint)


def test_a_statement_that_aws_does_not_understand_is_an_error(aws: Aws, dynamodb: Stubber) -> None:
    dynamodb.add_response("batch_execute_statement", answers("ValidationError"))
    with pytest.raises(Rejected, match="ValidationError"):
        RowPruner(aws, TABLE)([ROW])
