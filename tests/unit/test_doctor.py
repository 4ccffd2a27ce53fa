"""The doctor's judgements, each from what AWS would have answered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.config import Settings
from whatschat_ops.doctor import Check, Status, chime_checks, guide_checks, run_checks, websocket_checks
from whatschat_ops.doctor.check import Finding, ok
from whatschat_ops.doctor.handshake import HandshakeAnswer
from whatschat_ops.doctor.permissions import policy_source_arn
from whatschat_ops.errors import CredentialsError, NotFound, PermissionDenied

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class FakeClient:
    """Answers operations from a table; an exception as an answer is raised."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self._answers = answers

    def __getattr__(self, operation: str) -> Any:
        answer = self._answers[operation]

        def call(**parameters: Any) -> Any:
            result = answer(**parameters) if callable(answer) else answer
            if isinstance(result, Exception):
                raise result
            return result

        return call


class FakeAws(Aws):
    """An Aws whose clients are given."""

    def __init__(self, clients: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__(AwsTarget(region="us-east-1"))
        self._fakes = clients

    def client(self, service: str, *, region: str | None = None, endpoint_url: str | None = None) -> Any:
        return FakeClient(self._fakes[service])


def test_guide_checks_are_the_eight_items_in_order() -> None:
    names = [check.name for check in guide_checks(Settings(), FakeAws({}))]

    assert names == [
        "websocket.endpoint",
        "websocket.functions",
        "websocket.table",
        "websocket.iam",
        "chime.credentials",
        "chime.iam",
        "chime.region",
        "chime.meetings",
    ]


def test_guide_checks_of_one_area_leave_the_other_out() -> None:
    assert {check.name.split(".")[0] for check in guide_checks(Settings(), FakeAws({}), area="chime")} == {
        "chime"
    }


def test_run_checks_turns_an_error_into_a_failure_and_runs_the_rest() -> None:
    def broken() -> Finding:
        raise CredentialsError("no credentials.", hint="aws sso login")

    results = run_checks([Check("a.x", "?", broken), Check("a.y", "?", lambda: ok("fine"))])

    assert [(result.status, result.detail, result.fix) for result in results] == [
        (Status.FAIL, "no credentials.", "aws sso login"),
        (Status.OK, "fine", None),
    ]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, Status.OK),
        (None, Status.FAIL),
        (101, Status.FAIL),
        (403, Status.FAIL),
        (429, Status.WARN),
        (500, Status.FAIL),
        (502, Status.FAIL),
    ],
)
def test_handshake_without_token_is_judged_by_its_status(status: int | None, expected: Status) -> None:
    finding = websocket_checks.judge_handshake("wss://x/production", HandshakeAnswer(status, "refused"))

    assert finding.status is expected
    assert (finding.fix is None) == (expected is Status.OK)


def _function(**parameters: Any) -> dict[str, str]:
    return (
        {"State": "Failed", "StateReason": "no ENI"}
        if "default" in parameters["FunctionName"]
        else {"State": "Active"}
    )


def test_functions_names_each_broken_function() -> None:
    aws = FakeAws(
        {
            "lambda": {
                "get_function_configuration": lambda **p: (
                    NotFound("absent") if "disconnect" in p["FunctionName"] else _function(**p)
                ),
                "get_policy": {"Policy": "{}"},
            }
        }
    )

    finding = websocket_checks.functions(Settings(), aws)

    assert finding.status is Status.FAIL
    assert "websocket-connect: API Gateway may not invoke it" in finding.detail
    assert "websocket-disconnect: not deployed" in finding.detail
    assert "websocket-default: state Failed: no ENI" in finding.detail


def _table(**changes: Any) -> dict[str, Any]:
    return {
        "TableStatus": "ACTIVE",
        "KeySchema": [{"AttributeName": "connectionId", "KeyType": "HASH"}],
        "GlobalSecondaryIndexes": [{"IndexName": "userId-index", "IndexStatus": "ACTIVE"}],
        **changes,
    }


TTL_ON = {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}


@pytest.mark.parametrize(
    ("description", "ttl", "problem"),
    [
        (_table(TableStatus="DELETING"), TTL_ON, "status DELETING"),
        (_table(KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}]), TTL_ON, "not connectionId"),
        (_table(GlobalSecondaryIndexes=[]), TTL_ON, "userId-index is missing"),
        (_table(), {"TimeToLiveStatus": "DISABLED"}, "TTL is not on"),
        (_table(), {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}, "TTL is not on"),
    ],
)
def test_table_problems_name_what_is_wrong(
    description: dict[str, Any], ttl: dict[str, str], problem: str
) -> None:
    [found] = websocket_checks.table_problems(description, ttl)

    assert problem in found


def test_table_as_provisioned_has_no_problems() -> None:
    assert websocket_checks.table_problems(_table(), TTL_ON) == []


def test_missing_table_says_provision() -> None:
    finding = websocket_checks.table(
        Settings(), FakeAws({"dynamodb": {"describe_table": NotFound("absent")}})
    )

    assert (finding.status, finding.fix) == (
        Status.FAIL,
        "whatschat-ops provision, or check CONNECTIONS_TABLE",
    )


@pytest.mark.parametrize(
    ("caller", "principal"),
    [
        ("arn:aws:iam::123456789012:root", None),
        ("arn:aws:iam::123456789012:user/ops", "arn:aws:iam::123456789012:user/ops"),
        ("arn:aws:sts::123456789012:assumed-role/Admin/alice", "arn:aws:iam::123456789012:role/Admin"),
    ],
)
def test_policy_source_arn_is_what_iam_can_simulate(caller: str, principal: str | None) -> None:
    assert policy_source_arn(caller) == principal


def _simulation(decision: str) -> dict[str, Any]:
    return {"EvaluationResults": [{"EvalDecision": decision}]}


def test_chime_iam_names_the_denied_actions_and_the_command() -> None:
    aws = FakeAws(
        {
            "sts": {"get_caller_identity": {"Arn": "arn:aws:iam::1:user/ops", "Account": "1"}},
            "iam": {
                "simulate_principal_policy": lambda **p: _simulation(
                    "implicitDeny" if p["ActionNames"] == ["chime:DeleteMeeting"] else "allowed"
                )
            },
        }
    )

    finding = chime_checks.iam(Settings(), aws)

    assert finding.status is Status.FAIL
    assert "chime:DeleteMeeting" in finding.detail and "chime:CreateMeeting" not in finding.detail
    assert finding.fix == "whatschat-ops iam attach chime --user ops"


def test_chime_iam_is_skipped_when_we_may_not_ask() -> None:
    aws = FakeAws(
        {
            "sts": {"get_caller_identity": {"Arn": "arn:aws:iam::1:user/ops", "Account": "1"}},
            "iam": {"simulate_principal_policy": PermissionDenied("SimulatePrincipalPolicy: no")},
        }
    )

    assert chime_checks.iam(Settings(), aws).status is Status.SKIP


def _row(meeting_id: str, age: timedelta) -> dict[str, Any]:
    return {
        "meetingId": {"S": meeting_id},
        "externalMeetingId": {"S": "call-alice-1"},
        "createdAt": {"S": (NOW - age).isoformat()},
    }


def test_ledger_with_a_meeting_begun_long_ago_warns() -> None:
    finding = chime_checks.judge_ledger(
        [_row("pending#t", timedelta(minutes=6)), _row("m", timedelta(0))], NOW
    )

    assert finding.status is Status.WARN
    assert "1 of 2" in finding.detail and "call-alice-1" in finding.detail


def test_ledger_with_a_meeting_begun_just_now_is_fine() -> None:
    finding = chime_checks.judge_ledger(
        [_row("pending#t", timedelta(seconds=5)), _row("m", timedelta(0))], NOW
    )

    assert (finding.status, "1 meetings" in finding.detail) == (Status.OK, True)
