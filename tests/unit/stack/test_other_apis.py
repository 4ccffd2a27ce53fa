"""Who invokes a function besides the stack's own API: from integrations and from the function's policy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from whatschat_ops.config import Names, Settings
from whatschat_ops.errors import NotFound, PermissionDenied
from whatschat_ops.provision import Action, Live, Resource, Step
from whatschat_ops.stack.adoption import _Users
from whatschat_ops.stack.kinds.context import Context
from whatschat_ops.stack.other_apis import Invoker, invokers
from whatschat_ops.stack.rest_apis import RestApi

ARN = "arn:aws:lambda:us-east-1:123456789012:function:connect"


@dataclass
class Account:
    """Some APIs (id -> protocol), the functions that they integrate, and the policy of `connect`."""

    apis: Mapping[str, str]
    integrated: Mapping[str, list[str]] = field(default_factory=dict)
    statements: list[dict[str, Any]] = field(default_factory=list)
    denied: frozenset[str] = frozenset()

    def client(self, _service: str) -> Account:
        return self

    def get_paginator(self, operation: str) -> Pages:
        return Pages(self, operation)

    def get_policy(self, FunctionName: str) -> dict[str, str]:
        if not self.statements:
            raise NotFound("no policy", aws_code="ResourceNotFoundException", operation="GetPolicy")
        return {"Policy": json.dumps({"Statement": self.statements})}

    def who(self) -> list[Invoker]:
        return invokers(Context(self), "connect", "own")  # type: ignore[arg-type]


@dataclass
class Pages:
    account: Account
    operation: str

    def paginate(self, ApiId: str = "", FunctionName: str = "") -> list[dict[str, Any]]:
        if self.operation == "list_event_source_mappings":
            assert FunctionName == "connect"
            return [{"EventSourceMappings": []}]
        if self.operation == "get_apis":
            apis = self.account.apis.items()
            return [{"Items": [{"ApiId": i, "Name": f"name-{i}", "ProtocolType": p} for i, p in apis]}]
        if ApiId in self.account.denied:
            raise PermissionDenied("no", aws_code="AccessDeniedException", operation="GetIntegrations")
        return [{"Items": [{"IntegrationUri": uri} for uri in self.account.integrated.get(ApiId, [])]}]


def allowing(principal: str, source: str | None) -> dict[str, Any]:
    condition = {"ArnLike": {"AWS:SourceArn": source}} if source else {}
    return {"Effect": "Allow", "Principal": {"Service": principal}, "Condition": condition}


def from_api(api_id: str) -> dict[str, Any]:
    return allowing(
        "apigateway.amazonaws.com", f"arn:aws:execute-api:us-east-1:123456789012:{api_id}/*/$connect"
    )


def uri(function: str) -> str:
    return f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations"


CHAT = Invoker("the WebSocket API name-chat (chat)", "WEBSOCKET", "name-chat")


def test_own_api_and_other_functions_are_no_other_users() -> None:
    account = Account(
        {"own": "WEBSOCKET", "chat": "WEBSOCKET"}, {"own": [uri(ARN)], "chat": [uri(f"{ARN}-more")]}
    )
    assert account.who() == []


def test_api_is_found_by_its_integration_and_by_the_policy() -> None:
    apis = {"own": "WEBSOCKET", "chat": "WEBSOCKET", "site": "HTTP"}
    by_integration = Account(apis, {"chat": [uri(ARN)], "site": [uri(f"{ARN}:live")]})
    assert by_integration.who() == [Invoker("the HTTP API name-site (site)", "HTTP", "name-site"), CHAT]
    assert Account(apis, statements=[from_api("chat"), from_api("own")]).who() == [CHAT]


def test_api_whose_integrations_may_not_be_read_is_found_by_the_policy() -> None:
    account = Account({"chat": "WEBSOCKET"}, {"chat": [uri(ARN)]}, [from_api("chat")], frozenset({"chat"}))
    assert account.who() == [CHAT]


def test_statement_for_an_api_that_is_gone_has_no_effect() -> None:
    assert Account({"own": "WEBSOCKET"}, statements=[from_api("gone")]).who() == []


def test_other_services_are_named_with_their_source() -> None:
    rule = "arn:aws:events:us-east-1:123456789012:rule/nightly"
    account = Account(
        {}, statements=[allowing("events.amazonaws.com", rule), allowing("sns.amazonaws.com", None)]
    )
    assert [user.who for user in account.who()] == [f"events.amazonaws.com ({rule})", "sns.amazonaws.com"]


@pytest.mark.parametrize(
    ("uri_of", "invokes"),
    [(uri(ARN), True), (uri(f"{ARN}:live"), True), (uri(f"{ARN}-more"), False), ("", False)],
)
def test_rest_api_invokes_the_function_of_its_uri(uri_of: str, invokes: bool) -> None:
    api = RestApi("r", "site", frozenset({uri_of}), frozenset(), frozenset())
    assert api.invokes("connect") is invokes


@pytest.mark.parametrize(
    ("template", "named"),
    [
        ('{"TableName": "connections"}', True),
        ('{"TableName": "arn:aws:dynamodb:us-east-1:1:table/connections"}', True),
        ('{"TableName": "connections-more"}', False),
        ('{"TableName": "my-connections"}', False),
    ],
)
def test_rest_api_names_the_table_of_its_request_template(template: str, named: bool) -> None:
    api = RestApi("r", "site", frozenset(), frozenset({template}), frozenset())
    assert api.names_table("connections") is named


class Served(Account):
    """Domains and their mappings in pages, and functions whose variables name a table."""

    def get_paginator(self, operation: str) -> Any:
        table = "arn:aws:dynamodb:us-east-1:123456789012:table/rows"
        variables = {"by-name": "rows", "by-arn": table, "other": "rows-2"}
        functions = [
            {"FunctionName": name, "Environment": {"Variables": {"T": value}}}
            for name, value in variables.items()
        ]
        items: dict[str, list[dict[str, Any]]] = {
            "list_functions": [{"Functions": functions}],
            "get_domain_names": [{"Items": [{"DomainName": name}]} for name in ("a.example", "b.example")],
        }
        return Listed(items[operation]) if operation in items else Pages(self, operation)

    def get_api_mappings(self, DomainName: str, NextToken: str = "") -> dict[str, Any]:
        if not NextToken:
            return {"Items": [{"ApiId": "other"}], "NextToken": "2"}
        return {"Items": [{"ApiId": "chat"}] if DomainName == "b.example" else []}


@dataclass
class Listed:
    pages: list[dict[str, Any]]

    def paginate(self) -> list[dict[str, Any]]:
        return self.pages


def warnings_of(kind: str, live: Live) -> list[str]:
    step = Step(Action.UPDATE, Resource(kind, "x", {}), live=live)
    users = _Users(Context(Served({"chat": "WEBSOCKET"})), Names(Settings()), None)  # type: ignore[arg-type]
    return list(users.warnings(step))


def test_domain_on_another_page_of_an_api_is_named() -> None:
    live = Live(id="chat", fields={"api_name": "name-chat"}, outputs={"id": "chat"})
    assert warnings_of("api", live) == [
        "clients reach it by b.example: they will talk to this stack's functions"
    ]


def test_functions_that_name_a_table_by_its_arn_are_its_users_too() -> None:
    arn = "arn:aws:dynamodb:us-east-1:123456789012:table/rows"
    found = warnings_of("table", Live(id=arn, fields={"table_name": "rows"}, outputs={"arn": arn}))
    assert [line.partition(" uses it")[0] for line in found[:2]] == [
        "the function by-name",
        "the function by-arn",
    ]
    assert not any("function other" in line for line in found)


class Denied(Account):
    """REST APIs may not be listed, as the operator's policy has it."""

    region, account_id = "us-east-1", "123456789012"

    def get_paginator(self, operation: str) -> Pages:
        if operation == "get_rest_apis":
            raise PermissionDenied("GetRestApis: no", aws_code="AccessDenied", operation="GetRestApis")
        return super().get_paginator(operation)


def test_rest_apis_that_may_not_be_read_are_said_beside_what_was_read() -> None:
    account = Denied({"chat": "WEBSOCKET"}, {"chat": [uri(ARN)]})
    names = Names(Settings())
    live = Live(id=ARN, fields={"function_name": "connect"})
    step = Step(Action.UPDATE, Resource("function", "connect", {}), live=live)
    found = list(_Users(Context(account), names, "own").warnings(step))  # type: ignore[arg-type]
    assert found[0].startswith("the WebSocket API name-chat (chat) invokes it, too")
    assert found[-1] == "whether others use it could not be read: GetRestApis: no"
