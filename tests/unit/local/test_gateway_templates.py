"""Mapping templates: the part of Velocity that is carried out, and what is refused of the rest."""

from __future__ import annotations

import pytest

from whatschat_ops.local.gateway.templates import render, select, unsupported

CONTEXT = {"connectionId": "abc=", "connectedAt": 12, "authorizer": {"principalId": "me"}}
BODY = '{"a": {"b": [1, "x"]}, "text": "é"}'


@pytest.mark.aws(
    "https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html"
)
@pytest.mark.parametrize(
    ("template", "text"),
    [
        ('{"statusCode": 200}', '{"statusCode": 200}'),
        ('{"id": "$context.connectionId", "at": $context.connectedAt}', '{"id": "abc=", "at": 12}'),
        ("${context.authorizer.principalId}!", "me!"),
        ("[$context.nothing][$context.authorizer]", "[][]"),
        ("$stageVariables.one ${stageVariables.one}", "1 1"),
        ("$stageVariables['one'] ${stageVariables['one']}", "1 1"),
        ("$input.body", BODY),
        ("$input.json('$.a.b')", '[1, "x"]'),
        ("$input.json(\"$.a.b[1]\") ${input.json('$.text')}", '"x" "é"'),
        ("$input.json('$.none')", '""'),
        ("costs $5 & 10#", "costs $5 & 10#"),
    ],
)
def test_references_are_replaced(template: str, text: str) -> None:
    assert unsupported(template) is None
    assert render(template, CONTEXT, {"one": "1"}, BODY) == text


@pytest.mark.parametrize(
    ("template", "part"),
    [
        ("#set($a = 1)", "#set"),
        ("a #if($context.stage == 1) b", "#if"),
        ("## comment", "##"),
        ("#* comment *#", "#*"),
        ("$util.urlEncode('a')", "$util.urlEncode('a')"),
        ("$input.path('$.a')", "$input.path('$.a')"),
        ("$input.params('a')", "$input.params('a')"),
        ("$!context.stage", "$!context.stage"),
        ("$context.connectionId.substring(1)", "$context.connectionId.substring(1)"),
        ("$a", "$a"),
        (r"\$context.stage", r"\$context.stage"),
    ],
)
def test_other_velocity_is_named(template: str, part: str) -> None:
    assert unsupported(template) == part


@pytest.mark.aws(
    "https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-selection-expressions.html"
)
@pytest.mark.parametrize(
    ("expression", "body", "chosen"),
    [
        ("200", "no JSON", "static"),
        ("${request.body.kind}", '{"kind": "200"}', "static"),
        ("${request.body.kind}", "no JSON", "default"),
        (r"\$default", "", "default"),
        ("", "", "default"),
        ("${integration.response.statuscode}", "", "static"),
    ],
)
def test_template_is_selected_by_the_expression_or_default(expression: str, body: str, chosen: str) -> None:
    assert select({"200": "static", "$default": "default"}, expression, 200, body) == chosen


def test_no_template_is_selected_where_none_matches() -> None:
    assert select({"other": "x"}, "200", None, "") is None


@pytest.mark.difference(
    "WebSocket APIs, not documented by AWS",
    aws="the request template of a MOCK integration has the key application/json, which no message selects",
    here="that template, where there is none with the key $default",
)
def test_template_of_a_content_type_is_the_last_choice() -> None:
    assert select({"application/json": "x"}, r"\$default", None, "") == "x"
