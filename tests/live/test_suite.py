"""The live suite itself, without an account: what it asks, what it refuses to touch, what it would cost, what it records."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from tests import conformance
from tests.live import __main__ as program
from tests.live import registry
from tests.live.account import HOW, RUN, NotOptedInError, OptIn, new_run
from tests.live.cost import MOST_USD, Load, most_usd, total
from tests.live.guard import Guard, NotOursError
from tests.live.loads import parts
from tests.live.questions import QUESTIONS
from tests.live.recording import Placeholders, Recorder, compare, leftovers
from whatschat_ops.local.control.corrections import CORRECTIONS
from whatschat_ops.redaction import REDACTED

RUN_PREFIX = "wl-6b0be46553e2-"


def test_every_difference_is_asked_or_says_why_not() -> None:
    rows = {(row.subject, row.aws) for test in conformance.all_marked_tests() for row in test.differences}
    keys = [*((each.subject, each.begins) for each in QUESTIONS), *registry.NOT_ASKED]
    found = {row: [key for key in keys if all(map(str.startswith, row, key))] for row in rows}
    assert {row: matches for row, matches in found.items() if len(matches) != 1} == {}
    assert {key for matches in found.values() for key in matches} == set(keys)


def test_every_test_file_about_aws_is_run_or_says_why_not() -> None:
    paths = {test.path for test in conformance.all_marked_tests() if test.aws_cases}
    left = paths - registry.MODULES.keys()
    found = {path: [each for each in registry.FILES_NOT_ASKED if path.startswith(each)] for path in left}
    assert {path: matches for path, matches in found.items() if len(matches) != 1} == {}
    assert {each for matches in found.values() for each in matches} == set(registry.FILES_NOT_ASKED)


def test_every_correction_is_asked_or_says_why_not() -> None:
    of_aws = [row.what for row in CORRECTIONS if not row.source.startswith("our decision")]
    found = {what: [each for each in registry.CORRECTIONS_ASKED if what.startswith(each)] for what in of_aws}
    assert {what: matches for what, matches in found.items() if len(matches) != 1} == {}
    assert {each for matches in found.values() for each in matches} == set(registry.CORRECTIONS_ASKED)
    named = {each for each in registry.CORRECTIONS_ASKED.values() if each.startswith("local/")}
    assert named <= registry.MODULES.keys()


@pytest.mark.parametrize("path", registry.MODULES)
def test_excluded_tests_are_there_and_have_a_reason(path: str) -> None:
    source = (conformance.TESTS / path).read_text(encoding="utf-8")
    for name, reason in registry.MODULES[path].excluded.items():
        assert f"def {name}(" in source
        assert reason


def test_the_whole_suite_costs_less_than_its_bound(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["cost"]) == 0
    assert f"of {MOST_USD} USD that are allowed" in capsys.readouterr().out
    whole = most_usd(total(parts().values()), "us-east-1")
    assert Decimal(0) < whole <= MOST_USD
    # 1,000 messages of 4 x 32 KB at 1.00 USD a million, and 0.128 GB to the internet at 0.09 USD.
    assert most_usd(Load(messages=1000), "us-east-1") >= Decimal("0.004") + Decimal("0.128") * Decimal("0.09")


def test_suite_over_its_bound_does_not_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "MOST_USD", Decimal("0.0001"))
    assert program.main(["cost"]) == 2
    assert "more than 0.0001" in capsys.readouterr().err


def test_run_without_a_named_account_says_how(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["run", "--live-yes"]) == 2
    assert HOW in capsys.readouterr().err


@pytest.mark.parametrize(
    "given", [{}, {"WHATSCHAT_LIVE_ACCOUNT": "123456789012"}, {"WHATSCHAT_LIVE_REGION": "us-east-1"}]
)
def test_account_and_region_are_both_named(given: dict[str, str]) -> None:
    with pytest.raises(NotOptedInError, match=r"python -m tests\.live run"):
        OptIn.of(given)


def test_name_of_a_run_says_when_it_began() -> None:
    first, second = new_run(1_790_000_000.9), new_run(1_790_000_000.9)
    assert first != second
    found = RUN.fullmatch(first)
    assert found is not None
    assert int(found[1], 16) == 1_790_000_000


@pytest.fixture
def guard() -> Guard:
    return Guard(RUN_PREFIX, ("whatschat-ops:live-run", RUN_PREFIX), {"Invoke": 1})


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("DeleteTable", {"TableName": "websocket-connections"}),
        ("DeleteTable", {"TableName": "wl-6b0be46553e3-questions"}),
        ("DeleteApi", {"ApiId": "abcdefghij"}),
        ("CreateQueue", {"QueueName": "mine"}),
        ("UpdateAccount", {"patchOperations": []}),
        ("RequestServiceQuotaIncrease", {"ServiceCode": "lambda", "DesiredValue": 1}),
        ("PutEvents", {"Entries": [{"Source": f"{RUN_PREFIX}a"}, {"Source": "aws.mine"}]}),
        ("TransactWriteItems", {"TransactItems": [{"Delete": {"TableName": "theirs"}}]}),
        ("ExecuteStatement", {"Statement": 'DELETE FROM "theirs"'}),
        ("AttachRolePolicy", {"RoleName": f"{RUN_PREFIX}r", "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}),
        ("DeleteAlarms", {"AlarmNames": [f"{RUN_PREFIX}a", "theirs"]}),
    ],
)  # fmt: skip
def test_request_for_what_the_run_did_not_create_is_not_sent(
    guard: Guard, operation: str, parameters: dict[str, Any]
) -> None:
    with pytest.raises(NotOursError):
        guard.check(operation, parameters)


def test_request_beyond_the_declared_number_is_not_sent(guard: Guard) -> None:
    guard.check("Invoke", {"FunctionName": f"{RUN_PREFIX}f"})
    with pytest.raises(NotOursError, match="1 requests were declared"):
        guard.check("Invoke", {"FunctionName": f"{RUN_PREFIX}f"})


def client(service: str, guard: Guard, recorder: Recorder | None = None) -> tuple[Any, Stubber]:
    """A guarded client whose answers are given."""
    made = boto3.client(service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    guard.watch(made)
    if recorder is not None:
        recorder.watch(made)
    return made, Stubber(made)


def test_created_resource_is_tagged_and_its_id_is_known_afterwards(guard: Guard) -> None:
    gateway, stub = client("apigatewayv2", guard)
    sent: list[dict[str, Any]] = []
    gateway.meta.events.register_last("before-parameter-build", lambda params, **_: sent.append(params))
    stub.add_response("create_api", {"ApiId": "abcdefghij"})
    stub.add_response("delete_api", {}, {"ApiId": "abcdefghij"})
    with stub:
        gateway.create_api(Name=f"{RUN_PREFIX}api", ProtocolType="WEBSOCKET", Tags={"team": "a"})
        gateway.delete_api(ApiId="abcdefghij")
    with pytest.raises(NotOursError):
        guard.check("DeleteApi", {"ApiId": "anothers10"})
    assert sent[0]["Tags"] == {"team": "a", "whatschat-ops:live-run": RUN_PREFIX}


SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
KEY = {
    "UserName": f"{RUN_PREFIX}reader",
    "AccessKeyId": "AKIAIOSFODNN7EXAMPLE",
    "Status": "Active",
    "SecretAccessKey": SECRET,
}


def test_recording_has_no_id_time_or_secret(guard: Guard, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, Placeholders("known-session-secret"))
    iam, stub = client("iam", guard, recorder)
    stub.add_response("create_access_key", {"AccessKey": KEY}, ANY_PARAMETERS)
    stub.add_client_error(
        "delete_user", "NoSuchEntity", f"{SECRET} of arn:aws:iam::123456789012:user/x, 10.0.0.1"
    )
    with stub:
        iam.create_access_key(UserName=KEY["UserName"])
        with pytest.raises(iam.exceptions.NoSuchEntityException):
            iam.delete_user(UserName=KEY["UserName"])
    recorder.finish("IAM: a key of known-session-secret", "answered")
    (path,) = tmp_path.iterdir()
    text = path.read_text(encoding="utf-8")
    assert leftovers(text) == []
    assert not any(
        each in text for each in (SECRET, KEY["AccessKeyId"], "123456789012", "10.0.0.1", RUN_PREFIX)
    )
    created, deleted = json.loads(text)["exchanges"]
    assert created["response"]["AccessKey"] == {
        "UserName": "<run>reader", "AccessKeyId": "<AccessKeyId>", "Status": "Active", "SecretAccessKey": REDACTED,
    }  # fmt: skip
    assert (deleted["service"], deleted["operation"], deleted["error"]["Code"]) == (
        "iam",
        "DeleteUser",
        "NoSuchEntity",
    )


ANY_PARAMETERS = {"UserName": ANY}


@pytest.mark.parametrize(
    "text",
    [
        "arn:aws:sns:us-east-1:123456789012:x", "d5de3b2a-4a6c-4a9f-8a0c-0d2c4f2c7a11", "2026-11-29T08:12:03Z", "AKIAIOSFODNN7EXAMPLE",
        "at 203.0.113.7", "L0SM9cOFvHcCIhw=", "1790000000123", "wss://abcdefghij.execute-api.us-east-1.amazonaws.com/s", RUN_PREFIX, SECRET,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl",
    ],
)  # fmt: skip
def test_id_in_any_text_is_replaced(text: str) -> None:
    assert leftovers(text)
    assert leftovers(Placeholders().clean(f'{{"Message": "{text}"}}')) == []


def test_two_recordings_are_compared_by_shape(tmp_path: Path) -> None:
    place = {"service": "iam", "operation": "GetRole", "request": {}, "status": 200}
    for side, exchange in (
        (
            "aws",
            {**place, "response": {"Role": {"RoleId": "<RoleId>", "MaxSessionDuration": 3600, "Tags": []}}},
        ),
        (
            "here",
            {
                **place,
                "response": {"Role": {"RoleId": "<RoleId>", "MaxSessionDuration": "3600", "Extra": True}},
            },
        ),
    ):
        (tmp_path / side).mkdir()
        document = {
            "question": "q",
            "answer": "answered",
            "exchanges": [exchange, {**place, "error": {"Code": side}}],
        }
        (tmp_path / side / "q.json").write_text(json.dumps(document), encoding="utf-8")
    assert list(compare(tmp_path / "aws", tmp_path / "here")) == [
        "q.json: iam.GetRole 1.Role.Extra: only in the embedded AWS",
        "q.json: iam.GetRole 1.Role.MaxSessionDuration: int in AWS, str in the embedded AWS",
        "q.json: iam.GetRole 1.Role.Tags: only in AWS",
        "q.json: iam.GetRole 2: {'error': 'aws'} in AWS, {'error': 'here'} in the embedded AWS",
    ]
