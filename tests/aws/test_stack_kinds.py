"""Each kind that moto can play, through the engine: made, unchanged, drifted, adopted, refused, deleted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from moto import mock_aws

from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.config.names import STACK_TAG
from whatschat_ops.errors import Blocked, PermissionDenied
from whatschat_ops.provision import Action, Kind, Ownership, Plan, Resource, apply, plan
from whatschat_ops.redaction import Secret
from whatschat_ops.stack.iam_documents import trust_policy
from whatschat_ops.stack.kinds import kinds_of
from whatschat_ops.stack.kinds.context import Context
from whatschat_ops.stack.kinds.secret import Generated
from whatschat_ops.stack.shared_reads import SharedReads
from whatschat_ops.stack.waiting import Waiting

OWNER = "whatschat-test"
TAGS = {STACK_TAG: OWNER}


@dataclass
class Account:
    """One account in moto."""

    aws: Aws
    kinds: Mapping[str, Kind]

    def plan(self, *wanted: Resource, adopt: bool = False, **options: Any) -> Plan:
        return plan(wanted, self.kinds, Ownership(OWNER, adopt=adopt), **options)

    def provision(self, *wanted: Resource, **options: Any) -> None:
        apply(self.plan(*wanted, **options), self.kinds, lambda event: None)


@pytest.fixture
def account() -> Iterator[Account]:
    with mock_aws():
        target = AwsTarget("us-east-1", access_key_id="AKIDEXAMPLE", secret_access_key=Secret("secret"))
        aws = Aws(target)
        yield Account(aws, kinds_of(Context(aws, Waiting(sleep=lambda seconds: None))))


def table(**changes: Any) -> Resource:
    fields = {
        "table_name": "connections",
        "key": "connectionId",
        "indexes": {"userId-index": "userId"},
        "billing_mode": "PAY_PER_REQUEST",
        "ttl_attribute": "ttl",
        "point_in_time_recovery": False,
        "deletion_protection": False,
        "tags": TAGS,
    }
    return Resource("table", "connections", {**fields, **changes})


def log_group(**changes: Any) -> Resource:
    fields = {"group_name": "/aws/lambda/f", "retention_days": 14, "tags": TAGS}
    return Resource("log_group", "f", {**fields, **changes})


def role(**changes: Any) -> Resource:
    fields = {
        "role_name": "r",
        "path": "/whatschat-ops/whatschat-test/",
        "trust_policy": trust_policy("lambda.amazonaws.com"),
        "tags": TAGS,
    }
    return Resource("role", "r", {**fields, **changes})


def secret(**changes: Any) -> Resource:
    fields = {"parameter_name": "/app/jwt", "type": "SecureString", "value": Secret("one"), "tags": TAGS}
    return Resource("secret", "jwt", {**fields, **changes})


Make = Callable[..., Resource]
CHANGES: list[tuple[Make, str, Any]] = [
    (table, "point_in_time_recovery", True),
    (table, "deletion_protection", True),
    (table, "indexes", {"userId-index": "userId", "roomId-index": "roomId"}),
    (log_group, "retention_days", 30),
    (role, "trust_policy", trust_policy("edgelambda.amazonaws.com")),
    (secret, "value", Secret("two")),
]
Read = Callable[[Any], Any]
AS_AWS_SAYS: dict[str, tuple[str, Read]] = {
    "point_in_time_recovery": (
        "dynamodb",
        lambda client: (
            client.describe_continuous_backups(TableName="connections")["ContinuousBackupsDescription"][
                "PointInTimeRecoveryDescription"
            ]["PointInTimeRecoveryStatus"]
            == "ENABLED"
        ),
    ),
    "deletion_protection": (
        "dynamodb",
        lambda client: client.describe_table(TableName="connections")["Table"]["DeletionProtectionEnabled"],
    ),
    "indexes": (
        "dynamodb",
        lambda client: {
            index["IndexName"]: index["KeySchema"][0]["AttributeName"]
            for index in client.describe_table(TableName="connections")["Table"]["GlobalSecondaryIndexes"]
        },
    ),
    "retention_days": (
        "logs",
        lambda client: client.describe_log_groups()["logGroups"][0]["retentionInDays"],
    ),
    "trust_policy": ("iam", lambda client: client.get_role(RoleName="r")["Role"]["AssumeRolePolicyDocument"]),
    "value": (
        "ssm",
        lambda client: Secret(
            client.get_parameter(Name="/app/jwt", WithDecryption=True)["Parameter"]["Value"]
        ),
    ),
}
"""The field, read by a call of the test's own: not by the kind that is tested."""


@pytest.mark.parametrize("make", [table, log_group, role, secret], ids=lambda make: make.__name__)
def test_made_once_then_unchanged_then_deleted(account: Account, make: Make) -> None:
    account.provision(make())
    again = account.plan(make())
    assert [(step.action, step.changes) for step in again] == [(Action.NO_OP, ())]
    live = again.steps[0].live
    assert live is not None and live.owner == OWNER
    account.provision(unwanted=[make()])
    assert account.plan(make()).steps[0].action is Action.CREATE
    account.provision(unwanted=[make()])  # deleting what is gone is no error


@pytest.mark.parametrize(("make", "field", "value"), CHANGES)
def test_changed_field_is_updated_in_place(account: Account, make: Make, field: str, value: Any) -> None:
    account.provision(make())
    changed = account.plan(make(**{field: value}))
    assert [(step.action, [c.field for c in step.changes]) for step in changed] == [(Action.UPDATE, [field])]
    account.provision(make(**{field: value}))
    assert account.plan(make(**{field: value})).changing == ()
    service, read = AS_AWS_SAYS[field]
    assert read(account.aws.client(service)) == value


@pytest.mark.parametrize(
    ("make", "field", "value"),
    [(table, "key", "id"), (role, "path", "/elsewhere/"), (secret, "type", "String")],
)
def test_field_that_cannot_change_replaces(account: Account, make: Make, field: str, value: Any) -> None:
    account.provision(make())
    assert account.plan(make(**{field: value})).steps[0].action is Action.REPLACE
    account.provision(make(**{field: value}))
    assert account.plan(make(**{field: value})).changing == ()


@pytest.mark.parametrize("make", [table, log_group, role, secret], ids=lambda make: make.__name__)
def test_somebody_elses_is_refused_kept_and_can_be_adopted(account: Account, make: Make) -> None:
    account.provision(make(tags={"team": "theirs"}))
    with pytest.raises(Blocked, match="does not carry the tag"):
        account.provision(make())
    account.provision(unwanted=[make()])
    assert account.plan(make()).steps[0].action is Action.BLOCKED  # it is still there
    account.provision(make(), adopt=True)
    assert account.plan(make()).changing == ()
    live = account.plan(make()).steps[0].live
    assert live is not None and live.fields["tags"] == {"team": "theirs", **TAGS}


def test_plan_takes_tags_from_one_listing_and_asks_for_what_it_lacks(account: Account) -> None:
    account.provision(table())
    account.provision(table(table_name="untagged", tags={"team": "theirs"}))
    asked: list[str] = []
    dynamodb = account.aws.client("dynamodb")
    dynamodb.meta.events.register(
        "before-call.dynamodb.ListTagsOfResource", lambda params, **_: asked.append(params["body"])
    )
    kinds = kinds_of(Context(account.aws, shared=SharedReads(), stack=OWNER))
    ours = kinds["table"].read({"table_name": "connections"})
    assert ours is not None and (ours.owner, ours.fields["tags"], asked) == (OWNER, TAGS, [])
    theirs = kinds["table"].read({"table_name": "untagged"})
    assert theirs is not None and (theirs.owner, theirs.fields["tags"]) == (None, {"team": "theirs"})
    assert len(asked) == 1


def test_crash_between_table_and_ttl_is_repaired(account: Account) -> None:
    dynamodb = account.aws.client("dynamodb")
    account.provision(table())
    dynamodb.update_time_to_live(
        TableName="connections", TimeToLiveSpecification={"Enabled": False, "AttributeName": "ttl"}
    )
    drift = account.plan(table())
    assert [(c.field, c.old, c.new) for c in drift.steps[0].changes] == [("ttl_attribute", None, "ttl")]
    account.provision(table())
    found = dynamodb.describe_time_to_live(TableName="connections")["TimeToLiveDescription"]
    assert (found["TimeToLiveStatus"], found["AttributeName"]) == ("ENABLED", "ttl")


def test_index_that_somebody_added_stays(account: Account) -> None:
    account.provision(table(indexes={"userId-index": "userId", "extra": "extra"}))
    assert account.plan(table()).changing == ()


def test_protected_table_is_deleted_only_on_demand(account: Account) -> None:
    account.provision(table(deletion_protection=True))
    with pytest.raises(Blocked, match="deletion protection is on"):
        account.provision(unwanted=[table()])
    allowed = plan((), account.kinds, Ownership(OWNER, delete_data=True), unwanted=[table()])
    apply(allowed, account.kinds, lambda event: None)
    assert account.aws.client("dynamodb").list_tables()["TableNames"] == []


def test_generated_secret_is_64_hex_digits_and_is_kept(account: Account) -> None:
    account.provision(secret(value=Generated()))
    value = account.aws.client("ssm").get_parameter(Name="/app/jwt", WithDecryption=True)["Parameter"][
        "Value"
    ]
    assert len(value) == 64 and int(value, 16)
    account.provision(secret(value=Generated()))
    again = account.aws.client("ssm").get_parameter(Name="/app/jwt", WithDecryption=True)["Parameter"]
    assert (again["Value"], again["Version"]) == (value, 1)


def test_inline_policy_follows_its_document_and_goes_with_its_role(account: Account) -> None:
    def policy(action: str) -> Resource:
        document = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}],
        }
        return Resource("role_policy", "p", {"role_name": "r", "policy_name": "p", "document": document})

    account.provision(role())
    account.provision(role(), policy("sqs:SendMessage"))
    assert account.plan(role(), policy("sqs:SendMessage")).changing == ()
    account.provision(role(), policy("sqs:ReceiveMessage"))
    iam = account.aws.client("iam")
    found = iam.get_role_policy(RoleName="r", PolicyName="p")["PolicyDocument"]
    assert found["Statement"][0]["Action"] == "sqs:ReceiveMessage"
    account.provision(unwanted=[role()])
    assert iam.list_roles()["Roles"] == []


def test_role_with_attached_policies_is_deleted(account: Account) -> None:
    account.provision(role())
    iam = account.aws.client("iam")
    statement = '{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}'
    document = f'{{"Version": "2012-10-17", "Statement": [{statement}]}}'
    arn = iam.create_policy(PolicyName="extra", PolicyDocument=document)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="r", PolicyArn=arn)
    account.provision(unwanted=[role()])
    assert iam.list_roles()["Roles"] == []


def test_refusal_is_not_read_as_absent(account: Account) -> None:
    def deny(**_: Any) -> None:
        raise PermissionDenied("DescribeTable: not authorized")

    account.aws.client("dynamodb").meta.events.register("before-call.dynamodb.DescribeTable", deny)
    with pytest.raises(PermissionDenied):
        account.plan(table())


def test_change_behind_our_back_is_seen_in_the_trust_policy_and_in_the_billing_mode(account: Account) -> None:
    account.provision(role(), table())
    theirs = trust_policy("ec2.amazonaws.com")
    account.aws.client("iam").update_assume_role_policy(RoleName="r", PolicyDocument=json.dumps(theirs))
    account.aws.client("dynamodb").update_table(
        TableName="connections",
        BillingMode="PROVISIONED",
        ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1},
    )
    drift = {step.address: step.changes for step in account.plan(role(), table()).changing}
    assert [(c.field, c.old) for c in drift["role.r"]] == [("trust_policy", theirs)]
    assert [(c.field, c.old, c.new) for c in drift["table.connections"]] == [
        ("billing_mode", "PROVISIONED", "PAY_PER_REQUEST")
    ]


def test_table_that_says_nothing_of_its_billing_mode_is_provisioned(account: Account) -> None:
    """DescribeTable has BillingModeSummary only of a table that was on demand once (API reference)."""
    account.provision(table())
    client = account.aws.client("dynamodb")

    def without_summary(parsed: dict[str, Any], **_: Any) -> None:
        parsed["Table"].pop("BillingModeSummary")

    client.meta.events.register("after-call.dynamodb.DescribeTable", without_summary)
    (step,) = account.plan(table()).steps
    assert [(c.field, c.old) for c in step.changes] == [("billing_mode", "PROVISIONED")]


def test_log_group_whose_name_only_begins_alike_is_another_one(account: Account) -> None:
    account.aws.client("logs").create_log_group(logGroupName="/aws/lambda/f-other", tags=TAGS)
    assert account.plan(log_group()).steps[0].action is Action.CREATE


def test_log_group_that_keeps_logs_for_ever_is_not_as_wanted(account: Account) -> None:
    account.provision(log_group())
    account.aws.client("logs").delete_retention_policy(logGroupName="/aws/lambda/f")
    (step,) = account.plan(log_group()).steps
    assert [(c.field, c.old, c.new) for c in step.changes] == [("retention_days", None, 14)]
