"""A role may be passed to the service that `iam:PassedToService` names, and to no other: enforced and simulated."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.conftest import EmbeddedAws
from tests.local.test_adoption import TRUST, code
from tests.names import own
from whatschat_ops.stack.iam_documents import allow, document, pass_roles

pytestmark = [
    pytest.mark.local,
    pytest.mark.aws("https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html"),
]

USER = own("passes-roles")


class Passing:
    """A user who may create functions, and pass one role to one service."""

    def __init__(self, aws: EmbeddedAws) -> None:
        self.aws, self.iam = aws, aws.client("iam")
        self.role = self.iam.create_role(RoleName=f"{USER}-role", AssumeRolePolicyDocument=TRUST)["Role"][
            "Arn"
        ]
        self.user = self.iam.create_user(UserName=USER)["User"]["Arn"]
        key = self.iam.create_access_key(UserName=USER)["AccessKey"]
        self.function_client = aws.client_as(key["AccessKeyId"], key["SecretAccessKey"], "lambda")

    def may_pass_to(self, service: str) -> None:
        policy = document(
            allow("Functions", ["lambda:CreateFunction", "lambda:DeleteFunction"], "*"),
            pass_roles(f"{service}.amazonaws.com", self.role),
        )
        self.iam.put_user_policy(UserName=USER, PolicyName="own", PolicyDocument=json.dumps(policy))
        self.aws.settle()

    def create_function(self) -> None:
        self.function_client.create_function(
            FunctionName=USER,
            Runtime="python3.12",
            Handler="index.handler",
            Role=self.role,
            Code={"ZipFile": code()},
        )
        self.function_client.delete_function(FunctionName=USER)

    def simulated(self, *services: str) -> Any:
        entry = {
            "ContextKeyName": "iam:PassedToService",
            "ContextKeyValues": list(services),
            "ContextKeyType": "string",
        }
        (result,) = self.iam.simulate_principal_policy(
            PolicySourceArn=self.user,
            ActionNames=["iam:PassRole"],
            ResourceArns=[self.role],
            ContextEntries=[entry] if services else [],
        )["EvaluationResults"]
        return result["EvalDecision"], result["MissingContextValues"]


@pytest.fixture(scope="module")
def passing(embedded_aws: EmbeddedAws) -> Iterator[Passing]:
    yield Passing(embedded_aws)


def test_role_passed_to_its_service_is_taken_and_to_another_is_denied(passing: Passing) -> None:
    passing.may_pass_to("lambda")
    passing.create_function()
    passing.may_pass_to("states")
    with pytest.raises(ClientError, match="not authorized to perform: iam:PassRole"):
        passing.create_function()


@pytest.mark.aws("https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html")
def test_simulation_uses_the_context_that_it_is_given_and_names_what_is_missing(passing: Passing) -> None:
    passing.may_pass_to("lambda")
    assert passing.simulated("lambda.amazonaws.com") == ("allowed", [])
    assert passing.simulated("states.amazonaws.com") == ("implicitDeny", [])
    assert passing.simulated() == ("implicitDeny", ["iam:PassedToService"])
