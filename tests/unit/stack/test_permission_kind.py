"""A permission is known by what it allows: a statement of another id is taken as it is, an old one of our id gives way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.errors import Conflict, NotFound
from whatschat_ops.stack.kinds.context import Context
from whatschat_ops.stack.kinds.permission import Permission

NEW, OLD = (
    "arn:aws:execute-api:us-east-1:1:new/production/$connect",
    "arn:aws:execute-api:us-east-1:1:old/production/$connect",
)
DESIRED = {
    "function_name": "f", "qualifier": "live", "statement_id": "ours", "principal": "apigateway.amazonaws.com",
    "action": "lambda:InvokeFunction", "source_arn": NEW,
}  # fmt: skip
IDENTITY = {name: DESIRED[name] for name in Permission.identity}


class FakeLambda:
    """The resource policy of one alias: statement id -> the source's ARN."""

    def __init__(self, **statements: str) -> None:
        self.statements = statements
        self.added: list[dict[str, Any]] = []
        self.principal: Any = {"Service": "apigateway.amazonaws.com"}
        self.action = "lambda:InvokeFunction"
        self.key = "AWS:SourceArn"

    def get_policy(self, **_: Any) -> Mapping[str, Any]:
        if not self.statements:
            raise NotFound("GetPolicy: no policy")
        statements = [
            {
                "Sid": sid,
                "Principal": self.principal,
                "Action": self.action,
                "Condition": {"ArnLike": {self.key: source_arn}},
            }
            for sid, source_arn in self.statements.items()
        ]
        return {"Policy": json.dumps({"Statement": statements})}

    def add_permission(self, *, StatementId: str, SourceArn: str, **more: Any) -> None:
        self.added.append({"StatementId": StatementId, "SourceArn": SourceArn, **more})
        if StatementId in self.statements:
            raise Conflict("AddPermission: the statement id exists already")
        self.statements[StatementId] = SourceArn

    def remove_permission(self, *, StatementId: str, **_: Any) -> None:
        if self.statements.pop(StatementId, None) is None:
            raise NotFound("RemovePermission: no such statement")


class FakeAws(Aws):
    def __init__(self, lambda_: FakeLambda) -> None:
        super().__init__(AwsTarget("us-east-1"))
        self._fake = lambda_

    def client(self, service: str, **_: Any) -> Any:
        assert service == "lambda"
        return self._fake


def kind_of(lambda_: FakeLambda) -> Permission:
    return Permission(Context(FakeAws(lambda_)))


def test_statement_with_an_id_of_cloudformation_is_found_kept_and_deleted_by_its_own_id() -> None:
    lambda_ = FakeLambda(**{"stack-Permission-1": NEW, "other": OLD})
    kind = kind_of(lambda_)
    live = kind.read(IDENTITY)
    assert live is not None and live.fields["statement_id"] == "stack-Permission-1"
    kind.delete(live)
    kind.delete(live)  # again, after a crash
    assert lambda_.statements == {"other": OLD}


def test_statement_for_another_source_is_not_ours() -> None:
    assert kind_of(FakeLambda(other=OLD)).read(IDENTITY) is None
    assert kind_of(FakeLambda()).read(IDENTITY) is None


@pytest.mark.parametrize(
    "before", [{}, {"ours": OLD}, {"ours": NEW}], ids=["nothing", "old API", "lost answer"]
)
def test_create_leaves_exactly_one_statement_of_our_id(before: dict[str, str]) -> None:
    lambda_ = FakeLambda(**before, foreign=OLD)
    live = kind_of(lambda_).create(DESIRED)
    assert lambda_.statements == {"ours": NEW, "foreign": OLD}
    assert live.outputs["statement_id"] == "ours" and live.fields["source_arn"] == NEW


def test_permission_is_given_to_the_service_for_the_alias_and_the_source_only() -> None:
    lambda_ = FakeLambda()
    kind_of(lambda_).create(DESIRED)
    assert lambda_.added == [
        {
            "FunctionName": "f",
            "Qualifier": "live",
            "StatementId": "ours",
            "Principal": "apigateway.amazonaws.com",
            "Action": "lambda:InvokeFunction",
            "SourceArn": NEW,
        }
    ]


@pytest.mark.parametrize(
    ("principal", "action", "fields"),
    [
        ({"Service": "sns.amazonaws.com"}, "lambda:InvokeFunction", {"principal": "sns.amazonaws.com"}),
        ("*", "lambda:InvokeFunction", {"principal": "*"}),
        ({"Service": "apigateway.amazonaws.com"}, "lambda:*", {"action": "lambda:*"}),
    ],
)
def test_principal_and_action_are_those_that_lambda_says(
    principal: Any, action: str, fields: dict[str, str]
) -> None:
    lambda_ = FakeLambda(ours=NEW)
    lambda_.principal, lambda_.action = principal, action
    live = kind_of(lambda_).read(IDENTITY)
    assert live is not None
    assert {name: live.fields[name] for name in ("principal", "action")} == {
        "principal": DESIRED["principal"],
        "action": DESIRED["action"],
        **fields,
    }


@pytest.mark.parametrize("key", ["AWS:SourceArn", "aws:SourceArn", "aws:sourcearn"])
def test_case_of_the_condition_key_does_not_matter(key: str) -> None:
    """IAM user guide: "Condition key names are not case-sensitive"."""
    lambda_ = FakeLambda(ours=NEW)
    lambda_.key = key
    assert kind_of(lambda_).read(IDENTITY) is not None
