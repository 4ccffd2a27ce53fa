"""What a kind does when a call had its effect, the answer was lost, and botocore sends the call again. On moto."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from moto import mock_aws

from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.config.names import STACK_TAG
from whatschat_ops.errors import Rejected
from whatschat_ops.provision import Kind
from whatschat_ops.redaction import Secret
from whatschat_ops.stack.iam_documents import trust_policy
from whatschat_ops.stack.kinds import kinds_of
from whatschat_ops.stack.kinds.context import Context, was_repeated
from whatschat_ops.stack.waiting import Waiting

OWNER = "whatschat-test"
TAGS = {STACK_TAG: OWNER}
ANYTHING = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}'
)


@pytest.fixture
def aws() -> Iterator[Aws]:
    with mock_aws():
        yield Aws(AwsTarget("us-east-1", access_key_id="AKIDEXAMPLE", secret_access_key=Secret("secret")))


@pytest.fixture
def kinds(aws: Aws) -> Mapping[str, Kind]:
    return kinds_of(Context(aws, Waiting(sleep=lambda seconds: None)))


def happened_before(aws: Aws, service: str, operation: str) -> list[str]:
    """Each call of `operation` is preceded by another one that is the same: the one whose answer was lost."""
    other = Aws(aws.target).client(service)
    done: list[str] = []

    def first(params: Mapping[str, Any], model: Any, context: Mapping[str, Any], **_: Any) -> None:
        done.append(model.name)

    def again(params: Mapping[str, Any], model: Any, **_: Any) -> None:
        name = "".join(f"_{c.lower()}" if c.isupper() else c for c in model.name).lstrip("_")
        getattr(other, name)(**params)

    events = aws.client(service).meta.events
    events.register(f"provide-client-params.{service}.{operation}", again)
    events.register(f"before-call.{service}.{operation}", first)
    return done


def test_role_is_deleted_though_its_policies_are_gone_already(aws: Aws, kinds: Mapping[str, Kind]) -> None:
    desired = {
        "role_name": "r",
        "path": "/",
        "trust_policy": trust_policy("lambda.amazonaws.com"),
        "tags": TAGS,
    }
    live = kinds["role"].create(desired)
    iam = aws.client("iam")
    statement = '{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}'
    document = f'{{"Version": "2012-10-17", "Statement": [{statement}]}}'
    iam.put_role_policy(RoleName="r", PolicyName="inline", PolicyDocument=document)
    arn = iam.create_policy(PolicyName="extra", PolicyDocument=document)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="r", PolicyArn=arn)
    done = [
        happened_before(aws, "iam", name) for name in ("DeleteRolePolicy", "DetachRolePolicy", "DeleteRole")
    ]
    kinds["role"].delete(live)
    assert done == [["DeleteRolePolicy"], ["DetachRolePolicy"], ["DeleteRole"]]
    assert iam.list_roles()["Roles"] == []


def answer_account(aws: Aws) -> dict[str, str]:
    """API Gateway's account setting and the policy of its role: what moto has not got (in what we install of it)."""
    account: dict[str, str] = {}

    def get(**_: Any) -> tuple[Any, dict[str, str]]:
        return SimpleNamespace(status_code=200), dict(account)

    def update(params: Mapping[str, Any], **_: Any) -> tuple[Any, dict[str, str]]:
        (change,) = json.loads(params["body"])["patchOperations"]
        account["cloudwatchRoleArn"] = change["value"]
        return get()

    events = aws.client("apigateway").meta.events
    events.register("before-call.api-gateway.GetAccount", get)
    events.register("before-call.api-gateway.UpdateAccount", update)
    aws.client("iam").meta.events.register(
        "before-call.iam.AttachRolePolicy", lambda **_: (SimpleNamespace(status_code=200), {})
    )
    return account


def test_log_role_that_was_created_twice_is_used(aws: Aws, kinds: Mapping[str, Kind]) -> None:
    account = answer_account(aws)
    done = happened_before(aws, "iam", "CreateRole")
    name, trust = "whatschat-ops-apigateway-logs", trust_policy("apigateway.amazonaws.com")
    live = kinds["api_gateway_log_role"].create({"role_name": name, "trust_policy": trust})
    assert done == ["CreateRole"]
    assert live.id == aws.client("iam").get_role(RoleName=name)["Role"]["Arn"]
    assert account == {"cloudwatchRoleArn": live.id}


def test_log_role_is_made_with_the_boundary(aws: Aws, kinds: Mapping[str, Kind]) -> None:
    answer_account(aws)
    boundary = aws.client("iam").create_policy(PolicyName="limit", PolicyDocument=ANYTHING)["Policy"]["Arn"]
    name, trust = "whatschat-ops-apigateway-logs", trust_policy("apigateway.amazonaws.com")
    kinds["api_gateway_log_role"].create(
        {"role_name": name, "trust_policy": trust, "permissions_boundary": boundary}
    )
    role = aws.client("iam").get_role(RoleName=name)["Role"]
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == boundary


def table(**changes: Any) -> dict[str, Any]:
    return {
        "table_name": "t", "key": "id", "indexes": {}, "billing_mode": "PAY_PER_REQUEST", "ttl_attribute": "ttl",
        "point_in_time_recovery": False, "deletion_protection": False, "tags": TAGS, **changes,
    }  # fmt: skip


def refuse_ttl(aws: Aws) -> None:
    """What DynamoDB says to a second UpdateTimeToLive; moto does not."""

    def refuse(**_: Any) -> None:
        raise Rejected("UpdateTimeToLive: TimeToLive is already enabled (ValidationException)")

    aws.client("dynamodb").meta.events.register("before-call.dynamodb.UpdateTimeToLive", refuse)


def test_ttl_that_is_enabled_already_is_no_error(aws: Aws, kinds: Mapping[str, Kind]) -> None:
    live = kinds["table"].create(table())
    refuse_ttl(aws)
    updated = kinds["table"].update(live, table(), frozenset({"ttl_attribute"}))
    assert updated.fields["ttl_attribute"] == "ttl"


def test_ttl_that_is_refused_for_another_reason_is_an_error(aws: Aws, kinds: Mapping[str, Kind]) -> None:
    live = kinds["table"].create(table())
    refuse_ttl(aws)
    with pytest.raises(Rejected):
        kinds["table"].update(live, table(ttl_attribute="other"), frozenset({"ttl_attribute"}))


@pytest.mark.parametrize(("retries", "repeated"), [(0, False), (2, True)])
def test_repeated_call_is_seen_in_its_answer(retries: int, repeated: bool) -> None:
    assert was_repeated({"ResponseMetadata": {"RetryAttempts": retries}}) is repeated
    assert was_repeated({}) is False
