"""A role that an administrator made: used, checked, and left alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.local.conftest import EmbeddedAws
from tests.local.test_provision import connect
from whatschat_ops.config import Settings
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.attachments import Principal
from whatschat_ops.stack.iam_check import check_permissions
from whatschat_ops.stack.policies import policy_of
from whatschat_ops.stack.stack import Stack

pytestmark = pytest.mark.local

NAME = "given-functions"


def trusting(service: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_role_that_exists_is_used_checked_and_left_alone(embedded_aws: EmbeddedAws) -> None:
    iam: Any = embedded_aws.client("iam")
    arn = iam.create_role(
        RoleName=NAME, Path="/teams/", AssumeRolePolicyDocument=trusting("ec2.amazonaws.com")
    )["Role"]["Arn"]
    settings = Settings.of({"prefix": "given-", "iam": {"lambda_role": arn}})
    aws = connect(embedded_aws)
    document = policy_of("lambda", settings, Place(aws.region, aws.account_id), "*")
    found = check_permissions(aws, "lambda", Principal("role", NAME), document)
    assert (found.missing[0].action, found.missing[0].resource) == ("sts:AssumeRole", "lambda.amazonaws.com")
    assert len(found.missing) > 1

    iam.update_assume_role_policy(RoleName=NAME, PolicyDocument=trusting("lambda.amazonaws.com"))
    iam.put_role_policy(RoleName=NAME, PolicyName="functions", PolicyDocument=json.dumps(document))
    assert check_permissions(aws, "lambda", Principal("role", NAME), document).missing == ()

    before = iam.get_role(RoleName=NAME)["Role"]
    stack = Stack(settings, aws)
    stack.apply(stack.plan())
    configuration = embedded_aws.client("lambda").get_function_configuration(
        FunctionName="given-websocket-connect"
    )
    assert configuration["Role"] == arn
    assert stack.plan().changing == ()
    stack.apply(stack.plan_destroy())
    assert iam.get_role(RoleName=NAME)["Role"] == before
    assert iam.list_role_policies(RoleName=NAME)["PolicyNames"] == ["functions"]
