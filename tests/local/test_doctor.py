"""A whole run of doctor against the embedded AWS: what it asks, what it may, and what it leaves for later."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import fromstring

import psutil
import pytest

from tests.breakages.world import FILE, World, provisioned
from tests.local.conftest import EmbeddedAws
from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.config import Settings, load_settings
from whatschat_ops.doctor import CheckResult, Facts, Status, run_checks
from whatschat_ops.doctor.catalogue import CHECKS
from whatschat_ops.doctor.policy import doctor_policy
from whatschat_ops.doctor.reads import repeated
from whatschat_ops.redaction import Secret
from whatschat_ops.stack.arns import Place

pytestmark = pytest.mark.local

SIGNED_AS = {
    "apigatewayv2": "apigateway",
    "resourcegroupstaggingapi": "tag",
    "chime-sdk-meetings": "chime",
    "service-quotas": "servicequotas",
}
TOLERATED = {
    "iam:GetPolicy",
    "iam:GetPolicyVersion",
    "iam:GetUser",
    "iam:ListAttachedUserPolicies",
    "iam:ListGroupsForUser",
    "iam:ListUserPolicies",
}
"""They name superfluous permissions; without them nothing is missing from what `doctor` says."""


@pytest.fixture(scope="module")
def world(embedded_aws: EmbeddedAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with provisioned(embedded_aws, tmp_path_factory.mktemp("doctor")) as found:
        yield found


@pytest.fixture(autouse=True)
def same_environment(clean_environment: None, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in world.aws.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(world.directory)


def settings(world: World) -> Settings:
    return load_settings("local", path=world.directory / FILE).settings


def aws_as(world: World, key_id: str, secret: str) -> Aws:
    found = world.aws
    return Aws(AwsTarget(found.region, None, found.endpoint_url, key_id, Secret(secret)))


@pytest.fixture(scope="module")
def whole(world: World) -> tuple[Facts, list[CheckResult]]:
    """One run of all checks, as the operator."""
    facts = Facts(
        settings(world), aws_as(world, world.aws.access_key_id, world.aws.secret_access_key.reveal())
    )
    return facts, run_checks(CHECKS, facts)


def test_whole_run_asks_for_nothing_twice(whole: tuple[Facts, list[CheckResult]]) -> None:
    facts, results = whole

    assert {each.code: each.detail for each in results if each.status is Status.FAIL} == {}
    assert repeated(facts.aws.calls) == []
    assert facts.aws.requests == len(facts.aws.calls) > 30


def test_every_call_is_an_action_of_a_check(whole: tuple[Facts, list[CheckResult]]) -> None:
    asked = {
        "apigateway:GET" if service == "apigateway" else f"{service}:{call['operation']}"
        for call in whole[0].aws.calls
        for service in [SIGNED_AS.get(call["service"], call["service"])]
    }

    assert asked - TOLERATED <= {action for check in CHECKS for action in check.actions}


def test_recording_gives_the_same_results_without_aws(
    world: World, whole: tuple[Facts, list[CheckResult]]
) -> None:
    facts, results = whole
    recording = json.loads(json.dumps(facts.recording()))
    nowhere = Aws(AwsTarget("us-east-1", None, "http://127.0.0.1:1", "AKIAEXAMPLE", Secret("x" * 40)))

    replayed = run_checks(CHECKS, Facts(settings(world), nowhere, recording))

    assert [(each.code, each.status, each.detail) for each in replayed] == [
        (each.code, each.status, each.detail) for each in results
    ]


def _key_of_new_user(world: World, name: str, *policies: object) -> tuple[str, str]:
    iam = world.client("iam")
    iam.create_user(UserName=name)
    for number, policy in enumerate(policies):
        iam.put_user_policy(UserName=name, PolicyName=f"p{number}", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def test_policy_of_doctor_is_enough_and_a_refusal_is_a_skip_that_names_the_action(world: World) -> None:
    place = Place(world.aws.region, world.aws.account_id)
    document = doctor_policy(settings(world), place)
    denied = ("dynamodb:Scan", "ssm:GetParameter")
    refusal = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Deny", "Action": denied, "Resource": "*"}],
    }

    able = run_checks(
        CHECKS, Facts(settings(world), aws_as(world, *_key_of_new_user(world, "able", document)))
    )
    unable = run_checks(
        CHECKS, Facts(settings(world), aws_as(world, *_key_of_new_user(world, "unable", document, refusal)))
    )

    allowed = ("CH001", "ST020")  # the caller may neither create meetings nor provision
    bad = [each for each in able if each.status is Status.FAIL and each.code not in allowed]
    assert [each for each in able if "No permission" in each.detail] == bad == []
    skipped = {each.code: each.detail for each in unable if "No permission" in each.detail}
    assert skipped["WS025"] == "No permission for dynamodb:Scan."
    assert skipped["ST004"] == "No permission for ssm:GetParameter."
    assert [each.code for each in unable if each.status is Status.FAIL and each.code not in allowed] == []


def test_keys_that_aws_does_not_know_are_one_failure(world: World) -> None:
    results = run_checks(CHECKS, Facts(settings(world), aws_as(world, "AKIAUNKNOWN000000000", "x" * 40)))

    assert [each.code for each in results if each.status is Status.FAIL] == ["ST001"]
    assert {each.status for each in results} <= {Status.FAIL, Status.SILENCED, Status.SKIP, Status.OK}


def test_aws_that_does_not_answer_is_one_failure(world: World) -> None:
    target = AwsTarget("us-east-1", None, "http://127.0.0.1:1", "AKIAEXAMPLE", Secret("x" * 40))

    results = run_checks(CHECKS, Facts(settings(world), Aws(target)))

    assert [each.code for each in results if each.status is Status.FAIL] == ["ST002"]


def test_junit_has_a_case_for_each_check_and_fix_without_terminal_asks_for_yes(world: World) -> None:
    world.client("dynamodb").update_table(
        TableName=world.names.connections_table, DeletionProtectionEnabled=True
    )

    report = world.cli("doctor", "-o", "junit", "--skip", "WS019")
    refused = world.cli("doctor", "--fix", "--only", "ST010")
    done = world.cli("doctor", "--fix", "--only", "ST010", "--yes")

    suite = fromstring(report.stdout)
    assert (suite.get("tests"), suite.get("failures")) == (str(len(CHECKS) - 1), "1")
    assert (report.code, refused.code, done.code) == (3, 2, 0)
    assert "--yes" in refused.said and "ok  ST010" in done.stdout
    assert world.cli("doctor", "--every", "5m", "--fix").code == 2


def test_settings_are_where_a_folder_is_not(world: World, tmp_path: Path) -> None:
    world.settings(**{"lambda": {"source": {"path": str(tmp_path / "missing"), "runtime": "nodejs22.x"}}})
    try:
        results = json.loads(world.cli("doctor", "--json").stdout)
    finally:
        world.settings()

    assert [each["code"] for each in results if each["status"] == "fail"] == ["ST008"]


def test_facts_that_are_closed_leave_no_connection_to_aws_open(world: World) -> None:
    def connections() -> int:
        found = psutil.Process().net_connections("tcp")
        return sum(bool(each.raddr) and each.raddr.port == world.aws.port for each in found)

    gc.collect()
    gc.disable()  # or it may close them first
    try:
        before = connections()
        facts = Facts(
            settings(world), aws_as(world, world.aws.access_key_id, world.aws.secret_access_key.reveal())
        )
        assert facts.caller
        assert facts.lock
        assert connections() > before
        facts.close()
        assert connections() == before
    finally:
        gc.enable()
