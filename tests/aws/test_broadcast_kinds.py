"""The bucket and the state machine of distributed broadcasts through the engine, on moto."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from moto import mock_aws

from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.config.names import STACK_TAG
from whatschat_ops.errors import Conflict, PermissionDenied
from whatschat_ops.provision import Action, Kind, Ownership, Plan, Resource, apply, plan
from whatschat_ops.redaction import Secret
from whatschat_ops.stack.iam_documents import TLS_ONLY, deny_plain_http, trust_policy
from whatschat_ops.stack.kinds import kinds_of
from whatschat_ops.stack.kinds.context import Context
from whatschat_ops.stack.waiting import Waiting

OWNER = "whatschat-test"
TAGS = {STACK_TAG: OWNER}
NAME = "whatschat-test-broadcast-123456789012"


@dataclass
class Account:
    """One account in moto."""

    aws: Aws
    kinds: Mapping[str, Kind]

    def plan(self, *wanted: Resource, adopt: bool = False, **options: Any) -> Plan:
        return plan(wanted, self.kinds, Ownership(OWNER, adopt=adopt), **options)

    def provision(self, *wanted: Resource, **options: Any) -> None:
        apply(self.plan(*wanted, **options), self.kinds, lambda event: None)

    def actions(self, *wanted: Resource, **options: Any) -> list[Action]:
        return [step.action for step in self.plan(*wanted, **options).steps]


@pytest.fixture(params=["us-east-1", "eu-west-1"])
def account(request: pytest.FixtureRequest) -> Iterator[Account]:
    with mock_aws():
        target = AwsTarget(request.param, access_key_id="AKIDEXAMPLE", secret_access_key=Secret("secret"))
        aws = Aws(target)
        aws.client("s3").meta.events.register_first("before-parse.s3.PutBucketPolicy", _as_s3_accepts)
        yield Account(aws, kinds_of(Context(aws, Waiting(sleep=lambda seconds: None))))


def _as_s3_accepts(response_dict: dict[str, Any], **_: Any) -> None:
    """S3's answer to PutBucketPolicy is empty; moto sends a word."""
    response_dict["body"] = b""


def deny_nothing(s3: Any) -> None:
    """moto denies what a policy denies, whatever the condition."""
    s3.delete_bucket_policy(Bucket=NAME)


def bucket(**changes: Any) -> Resource:
    fields = {
        "bucket_name": NAME,
        "public_access_blocked": True,
        "encryption": "AES256",
        "expiration_days": 14,
        "tls_statement": deny_plain_http(f"arn:aws:s3:::{NAME}"),
        "tags": TAGS,
    }
    return Resource("bucket", "broadcast", {**fields, **changes})


def state_machine(account: Account, **changes: Any) -> Resource:
    fields = {
        "state_machine_name": "broadcast",
        "type": "STANDARD",
        "role_arn": f"arn:aws:iam::{account.aws.account_id}:role/states",
        "definition": {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}},
        "tags": TAGS,
    }
    return Resource("state_machine", "broadcast", {**fields, **changes})


@pytest.fixture
def role(account: Account) -> None:
    account.aws.client("iam").create_role(
        RoleName="states", AssumeRolePolicyDocument=json.dumps(trust_policy("states.amazonaws.com"))
    )


def test_bucket_is_made_private_and_then_unchanged(account: Account) -> None:
    account.provision(bucket())
    assert account.actions(bucket()) == [Action.NO_OP]
    s3 = account.aws.client("s3")
    blocks = s3.get_public_access_block(Bucket=NAME)["PublicAccessBlockConfiguration"]
    assert list(blocks.values()) == [True] * 4
    (statement,) = json.loads(s3.get_bucket_policy(Bucket=NAME)["Policy"])["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == [f"arn:aws:s3:::{NAME}", f"arn:aws:s3:::{NAME}/*"]


def test_drifted_bucket_is_mended_and_what_others_added_stays(account: Account) -> None:
    account.provision(bucket())
    s3 = account.aws.client("s3")
    s3.delete_public_access_block(Bucket=NAME)
    s3.delete_bucket_encryption(Bucket=NAME)
    other = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "x/"}, "Expiration": {"Days": 3}}
    s3.put_bucket_lifecycle_configuration(Bucket=NAME, LifecycleConfiguration={"Rules": [other]})
    theirs = {
        "Sid": "Theirs",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObjectAcl",
        "Resource": "*",
    }
    s3.put_bucket_policy(Bucket=NAME, Policy=json.dumps({"Version": "2012-10-17", "Statement": [theirs]}))
    s3.put_bucket_tagging(
        Bucket=NAME, Tagging={"TagSet": [{"Key": "team", "Value": "x"}, {"Key": STACK_TAG, "Value": OWNER}]}
    )
    (step,) = account.plan(bucket(tags={**TAGS, "cost": "1"})).steps
    assert {change.field for change in step.changes} == {
        "public_access_blocked",
        "encryption",
        "expiration_days",
        "tls_statement",
        "tags",
    }
    account.provision(bucket(tags={**TAGS, "cost": "1"}))
    assert account.actions(bucket(tags={**TAGS, "cost": "1"})) == [Action.NO_OP]
    rules = s3.get_bucket_lifecycle_configuration(Bucket=NAME)["Rules"]
    assert {rule["ID"] for rule in rules} == {"theirs", "whatschat-ops-runs"}
    tags = {tag["Key"] for tag in s3.get_bucket_tagging(Bucket=NAME)["TagSet"]}
    assert tags == {"team", "cost", STACK_TAG}
    policy = json.loads(s3.get_bucket_policy(Bucket=NAME)["Policy"])
    assert [each["Sid"] for each in policy["Statement"]] == ["Theirs", TLS_ONLY]


def test_bucket_without_a_stack_is_refused_and_adopted_when_asked(account: Account) -> None:
    region = account.aws.region
    place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    account.aws.client("s3").create_bucket(Bucket=NAME, **place)
    assert account.actions(bucket()) == [Action.BLOCKED]
    account.provision(bucket(), adopt=True)
    assert account.actions(bucket()) == [Action.NO_OP]


def test_bucket_of_another_account_is_not_ours_whatever_its_tags_say(account: Account) -> None:
    account.provision(bucket())

    class NoBody(io.BytesIO):
        def stream(self, **_: Any) -> Iterator[bytes]:
            yield b""

    def as_s3_answers(request: Any, **_: Any) -> AWSResponse | None:
        expected = request.headers.get("x-amz-expected-bucket-owner")
        # A request that does not name the expected owner is allowed by the other account's policy.
        return AWSResponse(request.url, 403, {}, NoBody()) if expected else None

    account.aws.client("s3").meta.events.register_first("before-send.s3.HeadBucket", as_s3_answers)
    with pytest.raises(PermissionDenied, match="another account's"):
        account.plan(bucket())


def test_bucket_is_deleted_with_its_runs_but_not_with_anything_else(account: Account) -> None:
    account.provision(bucket())
    s3 = account.aws.client("s3")
    deny_nothing(s3)
    for key in ("runs/1/message", "runs/1/shards/00000001.gz", "notes.txt"):
        s3.put_object(Bucket=NAME, Key=key, Body=b"x")
    with pytest.raises(Conflict, match="not of a broadcast"):
        account.provision(unwanted=[bucket()])
    assert [found["Key"] for found in s3.list_objects_v2(Bucket=NAME)["Contents"]] == ["notes.txt"]
    s3.delete_object(Bucket=NAME, Key="notes.txt")
    account.provision(unwanted=[bucket()])
    assert s3.list_buckets()["Buckets"] == []


@pytest.mark.usefixtures("role")
def test_state_machine_is_made_unchanged_mended_and_deleted(account: Account) -> None:
    account.provision(state_machine(account))
    assert account.actions(state_machine(account)) == [Action.NO_OP]
    states = account.aws.client("stepfunctions")
    (made,) = states.list_state_machines()["stateMachines"]
    states.update_state_machine(
        stateMachineArn=made["stateMachineArn"],
        definition=json.dumps({"StartAt": "Other", "States": {"Other": {"Type": "Succeed"}}}),
    )
    (step,) = account.plan(state_machine(account)).steps
    assert [change.field for change in step.changes] == ["definition"]
    account.provision(state_machine(account))
    assert account.actions(state_machine(account)) == [Action.NO_OP]
    account.provision(unwanted=[state_machine(account)])
    assert states.list_state_machines()["stateMachines"] == []


@pytest.mark.usefixtures("role")
def test_state_machine_of_another_type_is_replaced(account: Account) -> None:
    account.provision(state_machine(account))
    express = state_machine(account, type="EXPRESS")
    assert account.actions(express) == [Action.REPLACE]


@pytest.mark.usefixtures("role")
def test_state_machine_of_another_stack_is_refused(account: Account) -> None:
    foreign = state_machine(account, tags={STACK_TAG: "another-stack"})
    apply(plan([foreign], account.kinds, Ownership("another-stack")), account.kinds, lambda event: None)
    assert account.actions(state_machine(account), adopt=True) == [Action.BLOCKED]


def test_bucket_of_which_one_way_is_public_or_whose_rule_is_off_is_not_as_wanted(account: Account) -> None:
    account.provision(bucket())
    s3 = account.aws.client("s3")
    blocks = s3.get_public_access_block(Bucket=NAME)["PublicAccessBlockConfiguration"]
    s3.put_public_access_block(
        Bucket=NAME, PublicAccessBlockConfiguration={**blocks, "RestrictPublicBuckets": False}
    )
    rules = s3.get_bucket_lifecycle_configuration(Bucket=NAME)["Rules"]
    s3.put_bucket_lifecycle_configuration(
        Bucket=NAME, LifecycleConfiguration={"Rules": [{**rule, "Status": "Disabled"} for rule in rules]}
    )
    (step,) = account.plan(bucket()).steps
    assert [(c.field, c.old, c.new) for c in step.changes] == [
        ("public_access_blocked", False, True),
        ("expiration_days", None, 14),
    ]


@pytest.mark.parametrize(("code", "kind"), [("AccessDenied", PermissionDenied), ("InternalError", Conflict)])
def test_object_that_s3_does_not_delete_is_an_error_though_the_answer_is_200(
    account: Account, code: str, kind: type[Exception]
) -> None:
    account.provision(bucket())
    s3 = account.aws.client("s3")
    deny_nothing(s3)
    s3.put_object(Bucket=NAME, Key="runs/1/message", Body=b"x")

    def refuse_one(parsed: dict[str, Any], **_: Any) -> None:
        parsed["Errors"] = [{"Key": "runs/1/message", "Code": code, "Message": "no"}]

    s3.meta.events.register("after-call.s3.DeleteObjects", refuse_one)
    with pytest.raises(kind, match=f"1 objects of {NAME} are not deleted: no"):
        account.provision(unwanted=[bucket()])


@pytest.mark.usefixtures("role")
def test_role_of_a_state_machine_is_changed(account: Account) -> None:
    account.provision(state_machine(account))
    other = state_machine(account, role_arn=f"arn:aws:iam::{account.aws.account_id}:role/other")
    account.aws.client("iam").create_role(
        RoleName="other", AssumeRolePolicyDocument=json.dumps(trust_policy("states.amazonaws.com"))
    )
    account.provision(other)
    states = account.aws.client("stepfunctions")
    (made,) = states.list_state_machines()["stateMachines"]
    found = states.describe_state_machine(stateMachineArn=made["stateMachineArn"])
    assert found["roleArn"] == other.fields["role_arn"]


@pytest.mark.usefixtures("role")
def test_state_machine_that_is_being_deleted_is_not_there(account: Account) -> None:
    """It stays as DELETING until its executions have ended (DescribeStateMachine in the API reference)."""
    account.provision(state_machine(account))
    assert account.actions(state_machine(account)) == [Action.NO_OP]

    def being_deleted(parsed: dict[str, Any], **_: Any) -> None:
        parsed["status"] = "DELETING"

    account.aws.client("stepfunctions").meta.events.register(
        "after-call.sfn.DescribeStateMachine", being_deleted
    )
    assert account.actions(state_machine(account)) == [Action.CREATE]
