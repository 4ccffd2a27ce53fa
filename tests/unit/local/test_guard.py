"""What is checked around ministack's handlers: dependent actions, answers without what the caller may not see, late changes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from whatschat_ops.local.control.authorization import Authorization
from whatschat_ops.local.control.modules import Modules
from whatschat_ops.local.control.validation import guard_changes, install

ROLE = "arn:aws:iam::1:role/path/r"
FUNCTION = "arn:aws:lambda:eu-west-1:1:function:f"
MACHINE = "arn:aws:states:eu-west-1:1:stateMachine:m"
API = "arn:aws:apigateway:eu-west-1::/apis"
OWN = {"lambda": FUNCTION, "states": MACHINE, "apigateway": API}


@dataclass
class Iam:
    """IAM of one caller: allows these (action, resource), of `iam:PassRole` (action, role, service), and nothing else."""

    allowed: set[tuple[str, ...]] = field(default_factory=set)

    def extract_resource_arn(self, service: str, *_request: Any) -> str:
        return OWN[service]

    def enforce(
        self,
        _key: str,
        action: str,
        _service: str,
        _region: str,
        *,
        resource_arn: str,
        service_context: Mapping[str, str],
    ) -> Any:
        assert service_context.keys() <= {"iam:PassedToService"}
        if (action, resource_arn, *service_context.values()) in self.allowed:
            return None
        return SimpleNamespace(principal_arn="arn:aws:iam::1:user/alice", decision="ImplicitDeny")

    @staticmethod
    def access_denied_response(
        service: str, action: str, _principal: str, _message: str, *, resource_arn: str, **_: Any
    ) -> tuple[int, dict[str, str], bytes]:
        return 403, {}, f"{service}: {action} on {resource_arn}".encode()

    def modules(self) -> Modules:
        return cast(
            Modules,
            SimpleNamespace(
                iam_actions=self,
                iam_evaluator=self,
                router=SimpleNamespace(extract_access_key_id=lambda *_: "AKIDEXAMPLE"),
                responses=SimpleNamespace(get_region=lambda: "eu-west-1", get_account_id=lambda: "1"),
            ),
        )


def handled(
    iam: Iam,
    service: str,
    method: str,
    path: str,
    body: Mapping[str, Any],
    *,
    operation: str = "",
    answer: Mapping[str, Any] | None = None,
) -> tuple[int, str, bool]:
    """Status and body of the answer, and whether ministack's handler was called."""
    called: list[str] = []

    async def ministack(*_request: Any) -> tuple[int, dict[str, str], bytes]:
        called.append(path)
        return 200, {}, json.dumps(answer or {}).encode()

    headers = {"x-amz-target": f"AWSStepFunctions.{operation}"} if operation else {}
    guarded = Authorization(iam.modules()).guard(service, ministack)
    status, _, content = asyncio.run(cast(Any, guarded(method, path, headers, json.dumps(body).encode(), {})))
    return status, content.decode(), bool(called)


PASS = ("iam:PassRole", ROLE, "lambda.amazonaws.com")
PASS_TO_STATES = ("iam:PassRole", ROLE, "states.amazonaws.com")


@pytest.mark.aws("Service Authorization Reference, actions, resource types and dependent actions")
@pytest.mark.parametrize(
    ("service", "method", "path", "operation", "body", "needs"),
    [
        ("lambda", "POST", "/2015-03-31/functions", "", {"FunctionName": "f", "Role": ROLE}, [PASS]),
        (
            "lambda",
            "POST",
            "/2015-03-31/functions",
            "",
            {"FunctionName": "f", "Role": ROLE, "Tags": {"a": "b"}},
            [PASS, ("lambda:TagResource", FUNCTION)],
        ),
        ("lambda", "PUT", "/2015-03-31/functions/f/configuration", "", {"Role": ROLE}, [PASS]),
        ("states", "POST", "/", "CreateStateMachine", {"name": "m", "roleArn": ROLE}, [PASS_TO_STATES]),
        (
            "states",
            "POST",
            "/",
            "CreateStateMachine",
            {"name": "m", "roleArn": ROLE, "tags": [{"key": "a", "value": "b"}]},
            [PASS_TO_STATES, ("states:TagResource", MACHINE)],
        ),
        (
            "states",
            "POST",
            "/",
            "UpdateStateMachine",
            {"stateMachineArn": MACHINE, "roleArn": ROLE},
            [PASS_TO_STATES],
        ),
        (
            "apigateway",
            "POST",
            "/v2/apis",
            "",
            {"name": "a", "tags": {"a": "b"}},
            [("apigateway:TagResource", API)],
        ),
    ],
)
def test_operation_is_refused_unless_each_dependent_action_is_allowed(
    service: str,
    method: str,
    path: str,
    operation: str,
    body: Mapping[str, Any],
    needs: list[tuple[str, ...]],
) -> None:
    for lacking in needs:
        iam = Iam(allowed={need for need in needs if need != lacking})
        status, content, called = handled(iam, service, method, path, body, operation=operation)
        assert (status, called) == (403, False)
        assert content == f"{service}: {lacking[0]} on {lacking[1]}"
    assert handled(Iam(set(needs)), service, method, path, body, operation=operation) == (200, "{}", True)


@pytest.mark.aws("Service Authorization Reference, actions, resource types and dependent actions")
def test_passing_another_role_is_refused() -> None:
    iam = Iam({PASS})
    other = {"FunctionName": "f", "Role": f"{ROLE}-of-administrators"}
    status, content, called = handled(iam, "lambda", "POST", "/2015-03-31/functions", other)
    assert (status, called) == (403, False)
    assert content.endswith(f"{ROLE}-of-administrators")


def test_passing_the_role_to_another_service_is_refused() -> None:
    made = {"name": "m", "roleArn": ROLE}
    status, _, called = handled(Iam({PASS}), "states", "POST", "/", made, operation="CreateStateMachine")
    assert (status, called) == (403, False)


GET_FUNCTION = {"Configuration": {"FunctionName": "f"}, "Tags": {"team": "chat"}}


@pytest.mark.aws("Service Authorization Reference, actions, resource types and dependent actions")
def test_answer_of_get_function_has_tags_only_for_whom_may_list_them() -> None:
    request: tuple[str, str, str, dict[str, Any]] = ("lambda", "GET", "/2015-03-31/functions/f", {})
    _, shown, _ = handled(Iam({("lambda:ListTags", FUNCTION)}), *request, answer=GET_FUNCTION)
    assert json.loads(shown) == GET_FUNCTION
    _, hidden, _ = handled(Iam(), *request, answer=GET_FUNCTION)
    assert json.loads(hidden) == {
        "Configuration": {"FunctionName": "f"},
        "TagsError": {
            "ErrorCode": "AccessDeniedException",
            "Message": "You are not authorized to perform: lambda:ListTags",
        },
    }


def test_other_answers_are_not_filtered() -> None:
    answer = {"Tags": {"team": "chat"}}
    _, tags, _ = handled(Iam(), "lambda", "GET", "/2015-03-31/functions/f/policy", {}, answer=answer)
    assert json.loads(tags) == answer


def changed(config: dict[str, Any], method: str, what: str, body: Mapping[str, Any]) -> tuple[int, str]:
    """What Lambda answers to a change of a function with this configuration."""
    functions = SimpleNamespace(
        _functions={"f": {"config": config}},
        _resolve_request_scoped_name=lambda name: name,
        error_response_json=lambda code, _message, status: (status, {}, code.encode()),
    )

    async def ministack(*_request: Any) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, b"{}"

    handler = guard_changes(functions, ministack)
    path = f"/2015-03-31/functions/f/{what}"
    status, _, content = asyncio.run(cast(Any, handler(method, path, {}, json.dumps(body).encode(), {})))
    return status, content.decode()


@pytest.mark.aws("Lambda developer guide, functions-states.html")
@pytest.mark.parametrize(
    "state", [{"State": "Pending"}, {"State": "Active", "LastUpdateStatus": "InProgress"}]
)
@pytest.mark.parametrize(
    ("method", "what"), [("PUT", "code"), ("PUT", "configuration"), ("POST", "versions")]
)
def test_function_that_is_being_changed_cannot_be_changed(
    state: dict[str, Any], method: str, what: str
) -> None:
    assert changed(state, method, what, {}) == (409, "ResourceConflictException")
    assert changed({"State": "Active", "LastUpdateStatus": "Successful"}, method, what, {})[0] == 200


@pytest.mark.aws("Lambda API reference, PublishVersion")
def test_version_is_published_of_the_expected_code_only() -> None:
    config = {"State": "Active", "CodeSha256": "a"}
    assert changed(config, "POST", "versions", {"CodeSha256": "a"})[0] == 200
    assert changed(config, "POST", "versions", {"CodeSha256": "b"}) == (400, "InvalidParameterValueException")


class ApiGateway:
    """ministack's functions, each of which accepts everything."""

    def __init__(self) -> None:
        self._routes = {
            "api": {
                "r1": {"routeId": "r1", "routeKey": "ping", "target": "integrations/i1", "authorizerId": "a1"}
            }
        }
        self._stages: dict[str, dict[str, Any]] = {"api": {"beta": {}}}
        self._authorizers = {"api": {"a1": {"name": "guard"}}}
        self._deployments: dict[str, dict[str, Any]] = {"api": {"d1": {}}}
        for name in [
            "_create_authorizer",
            "_create_route",
            "_update_route",
            "_create_stage",
            "_update_stage",
            "_delete_authorizer",
            "_delete_integration",
        ]:
            setattr(self, name, lambda *_: 200)
        install(self)

    @staticmethod
    def _apigw_error(_code: str, _message: str, status: int) -> int:
        return status


@pytest.mark.aws("service model apigatewayv2, its exceptions")
@pytest.mark.parametrize(
    ("operation", "arguments", "status"),
    [
        ("_create_route", ["api", {"routeKey": "ping"}], 409),
        ("_create_route", ["api", {"routeKey": "pong"}], 200),
        ("_update_route", ["api", "r2", {"routeKey": "ping"}], 409),
        ("_update_route", ["api", "r1", {"routeKey": "ping"}], 200),
        ("_update_route", ["api", "r2", {"target": "integrations/i1"}], 200),
        ("_create_authorizer", ["api", {"name": "guard"}], 400),
        ("_create_authorizer", ["api", {"name": "other"}], 200),
        ("_delete_authorizer", ["api", "a1"], 409),
        ("_delete_authorizer", ["api", "a2"], 200),
        ("_create_stage", ["api", {"stageName": "beta"}], 409),
        ("_create_stage", ["api", {"stageName": "new", "deploymentId": "d2"}], 400),
        ("_create_stage", ["api", {"stageName": "new", "deploymentId": "d1"}], 200),
        ("_update_stage", ["api", "beta", {"deploymentId": "d2"}], 400),
        ("_update_stage", ["api", "beta", {"deploymentId": "d1"}], 200),
        ("_delete_integration", ["api", "i1"], 409),
        ("_delete_integration", ["api", "i2"], 200),
    ],
)
def test_api_gateway_refuses_what_aws_refuses(operation: str, arguments: list[Any], status: int) -> None:
    """API Gateway V2 API reference, "Errors" of each operation. The rules for one resource: test_api_rules.py."""
    assert getattr(ApiGateway(), operation)(*arguments) == status
