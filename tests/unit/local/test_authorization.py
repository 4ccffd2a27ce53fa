"""Which action and which resource a request is authorized with, as in the Service Authorization Reference."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from whatschat_ops.local.control.authorization import resolved
from whatschat_ops.local.control.iam_needs import (
    Need,
    SignedCall,
    corrected_action,
    corrected_resource,
    dependent_needs,
)

FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
ROLE = "arn:aws:iam::1:role/path/r"


def lambda_call(method: str, path: str, body: Any = None, **query: str) -> SignedCall:
    return SignedCall("lambda", method, f"/2015-03-31/{path}", {}, json.dumps(body or {}).encode(), query)


def json_call(service: str, operation: str, **body: Any) -> SignedCall:
    target = {"x-amz-target": f"Service_2012.{operation}"}
    return SignedCall(service, "POST", "/", target, json.dumps(body).encode(), {})


def iam_call(**form: str) -> SignedCall:
    return SignedCall("iam", "POST", "/", FORM, urlencode(form).encode(), {})


def resource(call: SignedCall) -> str | None:
    return corrected_resource(call, "us-east-1", "1", lambda kind, name: ROLE if name == "r" else None)


@pytest.mark.aws("Service Authorization Reference, actions, resource types and dependent actions")
@pytest.mark.parametrize(
    ("call", "action"),
    [
        (lambda_call("GET", "functions/f/aliases/live"), "lambda:GetAlias"),
        (lambda_call("PUT", "functions/f/aliases/live"), "lambda:UpdateAlias"),
        (lambda_call("DELETE", "functions/f/aliases/live"), "lambda:DeleteAlias"),
        (lambda_call("GET", "functions/f/concurrency"), "lambda:GetFunctionConcurrency"),
        (lambda_call("PUT", "functions/f/concurrency"), "lambda:PutFunctionConcurrency"),
        (lambda_call("DELETE", "functions/f/concurrency"), "lambda:DeleteFunctionConcurrency"),
        (lambda_call("GET", "functions/f/aliases"), None),
        (lambda_call("POST", "functions/f/aliases"), None),
        (lambda_call("GET", "functions/f"), None),
        (json_call("dynamodb", "GetItem", TableName="t"), None),
        (lambda_call("GET", "account-settings"), "lambda:GetAccountSettings"),
        (json_call("budgets", "DescribeNotificationsForBudget", BudgetName="b"), "budgets:ViewBudget"),
        (json_call("budgets", "DeleteNotification", BudgetName="b"), "budgets:ModifyBudget"),
    ],
)
def test_action_is_that_of_the_service_authorization_reference(call: SignedCall, action: str | None) -> None:
    assert corrected_action(call) == action


FUNCTION = "arn:aws:lambda:us-east-1:1:function:f"
TABLE = "arn:aws:dynamodb:us-east-1:1:table/t"


@pytest.mark.aws("Service Authorization Reference, actions, resource types and dependent actions")
@pytest.mark.parametrize(
    ("call", "arn"),
    [
        (lambda_call("POST", "functions", {"FunctionName": "f"}), FUNCTION),
        (lambda_call("POST", "functions", {"FunctionName": FUNCTION}), FUNCTION),
        (lambda_call("POST", "functions/f/invocations", Qualifier="live"), f"{FUNCTION}:live"),
        (lambda_call("POST", f"functions/{quote(FUNCTION)}/invocations", Qualifier="1"), f"{FUNCTION}:1"),
        (lambda_call("POST", "functions/f/invocations"), None),
        (lambda_call("GET", "functions"), None),
        (json_call("budgets", "CreateBudget", Budget={"BudgetName": "b"}), "arn:aws:budgets::1:budget/b"),
        (json_call("budgets", "UpdateBudget", NewBudget={"BudgetName": "b"}), "arn:aws:budgets::1:budget/b"),
        (json_call("budgets", "DeleteBudget", BudgetName="b"), "arn:aws:budgets::1:budget/b"),
        (json_call("budgets", "DescribeBudgets"), "arn:aws:budgets::1:budget/*"),
        (
            json_call("glue", "CreateDatabase", DatabaseInput={"Name": "d"}),
            "arn:aws:glue:us-east-1:1:database/d",
        ),
        (json_call("glue", "DeleteDatabase", Name="d"), "arn:aws:glue:us-east-1:1:database/d"),
        (json_call("glue", "GetTables", DatabaseName="d"), None),
        (json_call("athena", "StartQueryExecution"), "arn:aws:athena:us-east-1:1:workgroup/primary"),
        (
            json_call("athena", "StartQueryExecution", WorkGroup="w"),
            "arn:aws:athena:us-east-1:1:workgroup/w",
        ),
        (json_call("dynamodb", "ListTagsOfResource", ResourceArn=TABLE), TABLE),
        (json_call("dynamodb", "GetItem", TableName="t"), None),
        (iam_call(Action="CreateRole", RoleName="new", Path="/a/"), "arn:aws:iam::1:role/a/new"),
        (iam_call(Action="CreateRole", RoleName="r"), "arn:aws:iam::1:role/r"),
        (iam_call(Action="GetRole", RoleName="r"), ROLE),
        (iam_call(Action="GetRole", RoleName="absent"), None),
        (iam_call(Action="SimulatePrincipalPolicy", PolicySourceArn=ROLE), ROLE),
        (SignedCall("s3", "GET", "/bucket", {}, b"not JSON", {}), None),
        (SignedCall("dynamodb", "POST", "/", {}, b"not JSON", {}), None),
    ],
)
def test_resource_is_the_one_that_is_named(call: SignedCall, arn: str | None) -> None:
    assert resource(call) == arn


@pytest.mark.aws("Service Authorization Reference, actions, resource types and dependent actions")
def test_partiql_needs_what_its_statements_do_to_their_tables() -> None:
    one = json_call("dynamodb", "ExecuteStatement", Statement="delete from t where k=1")
    assert (corrected_action(one), resource(one)) == ("dynamodb:PartiQLDelete", TABLE)
    assert dependent_needs(one, TABLE) == []
    read = json_call("dynamodb", "ExecuteStatement", Statement='SELECT a\nFROM "t"."index" WHERE k=1')
    assert (corrected_action(read), resource(read)) == ("dynamodb:PartiQLSelect", TABLE)
    texts = [
        'DELETE FROM "t" WHERE k=1',
        'DELETE FROM "t" WHERE k=2',
        "UPDATE u SET a=1",
        "INSERT INTO t VALUE {}",
    ]
    many = json_call("dynamodb", "BatchExecuteStatement", Statements=[{"Statement": text} for text in texts])
    assert (corrected_action(many), resource(many)) == ("dynamodb:PartiQLDelete", TABLE)
    assert dependent_needs(many, TABLE) == [
        Need("dynamodb:PartiQLUpdate", TABLE.replace("table/t", "table/u")),
        Need("dynamodb:PartiQLInsert", TABLE),
    ]
    assert corrected_action(json_call("dynamodb", "ExecuteStatement", Statement="nonsense")) is None


def gateway_call(method: str, path: str, **body: Any) -> SignedCall:
    return SignedCall("apigateway", method, path, {}, json.dumps(body).encode(), {})


def passed(service: str) -> Need:
    return Need("iam:PassRole", ROLE, f"{service}.amazonaws.com")


PASS = passed("lambda")


@pytest.mark.aws("Service Authorization Reference, actions, resource types and dependent actions")
@pytest.mark.parametrize(
    ("call", "needs"),
    [
        (lambda_call("POST", "functions", {"Role": ROLE}), [PASS]),
        (
            lambda_call("POST", "functions", {"Role": ROLE, "Tags": {"a": "b"}}),
            [PASS, Need("lambda:TagResource", "own")],
        ),
        (lambda_call("PUT", "functions/f/configuration", {"Role": ROLE}), [PASS]),
        (lambda_call("PUT", "functions/f/configuration", {"Timeout": 3}), []),
        (lambda_call("GET", "functions/f"), []),
        (json_call("dynamodb", "CreateTable", Tags=[{"Key": "a"}]), [Need("dynamodb:TagResource", "own")]),
        (json_call("dynamodb", "CreateTable"), []),
        (json_call("glue", "DeleteDatabase", Name="d"), [Need("glue:DeleteDatabase", ":catalog")]),
        (json_call("glue", "GetTables", DatabaseName="d"), []),
        (json_call("logs", "CreateLogGroup", tags={"a": "b"}), [Need("logs:TagResource", "own")]),
        (json_call("ssm", "PutParameter", Tags=[{"Key": "a"}]), [Need("ssm:AddTagsToResource", "own")]),
        (iam_call(**{"Action": "CreateRole", "Tags.member.1.Key": "a"}), [Need("iam:TagRole", "own")]),
        (iam_call(Action="CreateRole"), []),
        (iam_call(**{"Action": "CreateUser", "Tags.member.1.Key": "a"}), [Need("iam:TagUser", "own")]),
        (iam_call(Action="CreateUser"), []),
        (json_call("states", "CreateStateMachine", roleArn=ROLE), [passed("states")]),
        (
            json_call("states", "CreateStateMachine", roleArn=ROLE, tags=[{"key": "a"}]),
            [passed("states"), Need("states:TagResource", "own")],
        ),
        (json_call("states", "UpdateStateMachine", roleArn=ROLE), [passed("states")]),
        (json_call("states", "UpdateStateMachine", definition="{}"), []),
        (json_call("states", "DescribeStateMachine"), []),
        (
            SignedCall("s3", "PUT", "/bucket", {}, b"<Tags><Tag></Tag></Tags>", {}),
            [Need("s3:TagResource", "own")],
        ),
        (SignedCall("s3", "PUT", "/bucket", {}, b"", {}), []),
        (SignedCall("s3", "PUT", "/bucket/key", {}, b"<Tag>", {}), []),
        (SignedCall("s3", "PUT", "/bucket", {}, b"<Tag>", {"tagging": ""}), []),
        (gateway_call("POST", "/v2/apis", tags={"a": "b"}), [Need("apigateway:TagResource", "own")]),
        (gateway_call("POST", "/v2/apis/x/stages", tags={"a": "b"}), [Need("apigateway:TagResource", "own")]),
        (gateway_call("POST", "/v2/apis/x/stages"), []),
        (
            gateway_call(
                "PATCH", "/account", patchOperations=[{"path": "/cloudwatchRoleArn", "value": ROLE}]
            ),
            [passed("apigateway")],
        ),
        (
            gateway_call("PATCH", "/account", patchOperations=[{"path": "/cloudwatchRoleArn", "value": ""}]),
            [],
        ),
    ],
)
def test_operation_needs_these_actions_too(call: SignedCall, needs: list[Need]) -> None:
    assert dependent_needs(call, "own") == needs


@dataclass
class ParsedStatement:
    """The relevant part of ministack's statement."""

    resources: list[str]


@pytest.mark.aws("IAM user guide, reference_policies_variables.html")
def test_user_name_in_a_policy_is_the_callers() -> None:
    own = ParsedStatement(["arn:aws:iam::1:user/${aws:username}", "other"])
    plain = ParsedStatement(["*"])
    ((found, unchanged),) = resolved([[own, plain]], "alice")
    assert found.resources == ["arn:aws:iam::1:user/alice", "other"]
    assert unchanged is plain
    assert own.resources[0].endswith("${aws:username}")


ALARM, BOARD = "arn:aws:cloudwatch:us-east-1:1:alarm:s/a", "arn:aws:cloudwatch::1:dashboard/d"


@pytest.mark.aws("Service Authorization Reference, Amazon CloudWatch: resource types alarm and dashboard")
@pytest.mark.parametrize(
    ("call", "arn"),
    [
        (json_call("monitoring", "PutMetricAlarm", AlarmName="s/a"), ALARM),
        (json_call("monitoring", "DeleteAlarms", AlarmNames=["s/a"]), ALARM),
        (
            json_call("monitoring", "DeleteAlarms", AlarmNames=["s/a", "b"]),
            "arn:aws:cloudwatch:us-east-1:1:alarm:*",
        ),
        (json_call("monitoring", "TagResource", ResourceARN=ALARM), ALARM),
        (json_call("monitoring", "DescribeAlarms", AlarmNames=["s/a"]), None),
        (json_call("monitoring", "GetDashboard", DashboardName="d"), BOARD),
        (json_call("monitoring", "DeleteDashboards", DashboardNames=["d"]), BOARD),
        (json_call("monitoring", "GetMetricData"), None),
        (
            SignedCall(
                "monitoring", "POST", "/", FORM, urlencode({"AlarmNames.member.1": "s/a"}).encode(), {}
            ),
            ALARM,
        ),
        (SignedCall("sns", "POST", "/", FORM, urlencode({"ResourceArn": ALARM}).encode(), {}), ALARM),
        (SignedCall("sns", "POST", "/", FORM, urlencode({"TopicArn": ALARM}).encode(), {}), None),
    ],
)
def test_alarms_and_dashboards_are_known_by_their_names(call: SignedCall, arn: str | None) -> None:
    assert resource(call) == arn
