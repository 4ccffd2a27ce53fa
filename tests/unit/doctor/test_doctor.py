"""The checks of doctor, each given the answers of AWS."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.chime.models import MeetingRecord, MeetingStatus
from whatschat_ops.cli.advice import advise
from whatschat_ops.cli.doctor import require_passed
from whatschat_ops.cli.terminal.output import Output
from whatschat_ops.config import Settings
from whatschat_ops.doctor import CheckResult, Facts, Status, run_checks
from whatschat_ops.doctor.areas import chime as chime_checks
from whatschat_ops.doctor.areas import sockets
from whatschat_ops.doctor.catalogue import CHECKS
from whatschat_ops.doctor.check import judge_permissions
from whatschat_ops.errors import ChecksFailed, Hint, NotFound, PermissionDenied
from whatschat_ops.sockets.handshake import HandshakeAnswer
from whatschat_ops.stack.iam_check import MissingPermission, PermissionCheck
from whatschat_ops.stack.iam_check.evaluator import Decision

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class FakeClient:
    """Answers operations from a table; an exception as an answer is raised."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self._answers = answers
        self.meta = SimpleNamespace(region_name="us-east-1")

    def get_paginator(self, operation: str) -> FakePages:
        return FakePages(self, operation)

    def __getattr__(self, operation: str) -> Any:
        answer = self._answers[operation]

        def call(**parameters: Any) -> Any:
            result = answer(**parameters) if callable(answer) else answer
            if isinstance(result, Exception):
                raise result
            return result

        return call


class FakePages:
    """A listing of one page, which is the operation's answer."""

    def __init__(self, client: FakeClient, operation: str) -> None:
        self._client = client
        self._operation = operation

    def paginate(self, **parameters: Any) -> list[Any]:
        return [getattr(self._client, self._operation)(**parameters)]


class FakeAws(Aws):
    """An Aws whose clients are given."""

    def __init__(self, clients: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__(AwsTarget(region="us-east-1"))
        self._fakes = clients

    def client(self, service: str, *, region: str | None = None, endpoint_url: str | None = None) -> Any:
        return FakeClient(self._fakes[service])


def test_checks_hold_the_eight_items_of_the_guide_and_the_tokens() -> None:
    guide = [
        "websocket.endpoint",
        "websocket.functions",
        "websocket.table",
        "websocket.iam",
        "websocket.secret",
        "websocket.tokens",
        "chime.iam",
        "chime.region",
        "chime.meetings",
    ]

    assert {"stack.credentials", *guide} <= {check.name for check in CHECKS}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, Status.OK),
        (None, Status.FAIL),
        (101, Status.OK),
        (403, Status.FAIL),
        (429, Status.WARN),
        (500, Status.FAIL),
        (502, Status.FAIL),
    ],
)
def test_handshake_without_token_is_judged_by_its_status(status: int | None, expected: Status) -> None:
    finding = sockets.judge_handshake("wss://x/production", HandshakeAnswer(status, "refused"))

    assert finding.status is expected
    assert (finding.fix is None) == (expected is Status.OK)


REJECTED = HandshakeAnswer(401)


@pytest.mark.parametrize(
    ("expired", "expected", "words"),
    [
        (REJECTED, Status.OK, "3 handshakes are rejected with 401: no token, a wrongly signed token, an"),
        (HandshakeAnswer(101), Status.FAIL, "connect accepts an expired token."),
        (HandshakeAnswer(502), Status.FAIL, "answers an expired token with 502"),
        (HandshakeAnswer(403), Status.FAIL, "answers an expired token with 403"),
        (HandshakeAnswer(429), Status.SKIP, "answers an expired token with 429"),
        (HandshakeAnswer(None, "timed out"), Status.SKIP, "with no response (timed out)"),
    ],
)
def test_bad_tokens_are_judged_by_the_status_of_each_handshake(
    expired: HandshakeAnswer, expected: Status, words: str
) -> None:
    answers = {"no token": REJECTED, "a wrongly signed token": REJECTED, "an expired token": expired}

    finding = sockets.judge_tokens(answers, own_code=False)

    assert (finding.status, words in finding.detail) == (expected, True)
    assert (finding.fix is None) == (expected is Status.OK)


@pytest.mark.parametrize(("own_code", "fix"), [(False, "lambda deploy connect"), (True, "application's")])
def test_bad_token_that_is_accepted_is_fixed_where_the_handler_is(own_code: bool, fix: str) -> None:
    finding = sockets.judge_tokens({"no token": HandshakeAnswer(101)}, own_code=own_code)

    assert fix in str(finding.fix)


ROLE_WITH_A_PATH = "arn:aws:iam::1:role/teams/blue/Admin"


class Iam:
    """IAM as a caller sees it who may simulate (unless `may_simulate` is off) and look up roles, but read no policy."""

    def __init__(self, *, denied: str = "", may_simulate: bool = True) -> None:
        self.asked: set[str] = set()
        self._denied = denied
        self._may_simulate = may_simulate

    def aws(self, caller: str) -> FakeAws:
        no = PermissionDenied("no")
        answers = {
            "get_user": no,
            "get_role": {"Role": {"Arn": ROLE_WITH_A_PATH}},
            "list_role_policies": no,
            "simulate_principal_policy": self._simulate if self._may_simulate else no,
        }
        return FakeAws({"sts": {"get_caller_identity": {"Arn": caller, "Account": "1"}}, "iam": answers})

    def _simulate(self, PolicySourceArn: str, ActionNames: list[str], ResourceArns: list[str]) -> Any:
        self.asked.add(PolicySourceArn)
        results = [
            {
                "EvalActionName": action,
                "EvalDecision": "implicitDeny" if action == self._denied else "allowed",
            }
            for action in ActionNames
        ]
        return {"EvaluationResults": results}


@pytest.mark.parametrize(
    ("caller", "principal"),
    [
        ("arn:aws:iam::1:user/ops", "arn:aws:iam::1:user/ops"),
        ("arn:aws:iam::1:user/teams/ops", "arn:aws:iam::1:user/teams/ops"),
        ("arn:aws:sts::1:assumed-role/Admin/alice", ROLE_WITH_A_PATH),
    ],
)
def test_chime_iam_asks_about_the_principal_behind_the_caller_with_its_path(
    caller: str, principal: str
) -> None:
    iam = Iam()

    finding = chime_checks.iam(Settings(), iam.aws(caller))

    assert (finding.status, iam.asked) == (Status.OK, {principal})
    assert "all 8 permissions" in finding.detail


@pytest.mark.parametrize(
    ("caller", "status"),
    [
        ("arn:aws:iam::1:root", Status.WARN),
        ("arn:aws:sts::1:federated-user/bob", Status.SKIP),
    ],
)
def test_chime_iam_of_a_caller_without_policies_is_not_judged(caller: str, status: Status) -> None:
    assert chime_checks.iam(Settings(), Iam().aws(caller)).status is status


def test_chime_iam_names_the_denied_actions_and_the_command() -> None:
    aws = Iam(denied="chime:DeleteMeeting").aws("arn:aws:iam::1:user/ops")

    finding = chime_checks.iam(Settings(), aws)

    assert finding.status is Status.FAIL
    assert "chime:DeleteMeeting" in finding.detail and "chime:CreateMeeting" not in finding.detail
    assert str(finding.fix) == "whatschat-ops iam attach chime --user ops"


def test_chime_iam_is_skipped_when_the_caller_cannot_simulate() -> None:
    aws = Iam(may_simulate=False).aws("arn:aws:iam::1:user/ops")

    assert chime_checks.iam(Settings(), aws).status is Status.SKIP


def _permissions(**changes: Any) -> PermissionCheck:
    sound = PermissionCheck("lambda", "role", "r", "iam", 8, (), (), None, None)
    return dataclasses.replace(sound, **changes)


LACKING = (MissingPermission("ssm:GetParameter", "arn", Decision.IMPLICIT_DENY),)


@pytest.mark.parametrize(
    ("found", "status", "words"),
    [
        (_permissions(), Status.OK, "all 8 permissions"),
        (_permissions(missing=LACKING), Status.FAIL, "lacks permissions: ssm:GetParameter on arn"),
        (_permissions(unknown=LACKING), Status.WARN, "depend on the request"),
        (_permissions(decided_by="policies"), Status.WARN, "IAM could not be asked"),
    ],
)
def test_permissions_are_judged_by_what_is_missing_and_how_it_was_decided(
    found: PermissionCheck, status: Status, words: str
) -> None:
    finding = judge_permissions(found, Hint(text="fix it"))

    assert (finding.status, words in finding.detail) == (status, True)


def _record(status: MeetingStatus, age: timedelta) -> MeetingRecord:
    return MeetingRecord("m", "call-alice-1", "alice", "us-east-1", "us-east-1", NOW - age, status)


def test_ledger_with_an_old_pending_meeting_warns() -> None:
    finding = chime_checks.judge_ledger(
        [_record(MeetingStatus.PENDING, timedelta(minutes=6)), _record(MeetingStatus.CREATED, timedelta(0))],
        NOW,
    )

    assert finding.status is Status.WARN
    assert "1 of 2" in finding.detail and "call-alice-1" in finding.detail


def test_ledger_with_a_new_pending_meeting_is_ok() -> None:
    finding = chime_checks.judge_ledger(
        [_record(MeetingStatus.PENDING, timedelta(seconds=5)), _record(MeetingStatus.CREATED, timedelta(0))],
        NOW,
    )

    assert (finding.status, "1 meeting;" in finding.detail) == (Status.OK, True)


def test_missing_ledger_table_fails_with_provision_as_fix() -> None:
    aws = FakeAws({"dynamodb": {"scan": NotFound("absent")}})
    [check] = [check for check in CHECKS if check.name == "chime.meetings"]
    facts = Facts(Settings(), aws)
    facts.aws = aws  # type: ignore[assignment]

    [result] = run_checks([check], facts, advise=lambda error: advise(error, "doctor"))

    assert (result.status, str(result.fix)) == (Status.FAIL, "whatschat-ops provision")
    assert "chime-meetings does not exist" in result.detail


def test_what_failed_is_named_with_the_command_that_explains_it() -> None:
    passed, failed = (
        CheckResult(code, "stack.x", "Is it?", status, "It is so.", document=f"docs/doctor/{code}.md")
        for code, status in (("ST001", Status.OK), ("WS022", Status.FAIL))
    )
    with pytest.raises(ChecksFailed, match=r"1 of 2 checks failed: WS022 stack\.x\.") as raised:
        require_passed(Output(), [passed, failed])
    assert raised.value.hint is not None
    assert raised.value.hint.argv == ("explain", "WS022")


def test_every_check_has_a_page() -> None:
    root = Path(__file__).parents[3]
    assert [check.document for check in CHECKS if not (root / check.document).is_file()] == []
