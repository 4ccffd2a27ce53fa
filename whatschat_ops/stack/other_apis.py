"""Who invokes a function besides the stack's own API: other APIs, other services. Only reads.

A stack that was made by hand keeps its API when the functions are taken over. Its sockets still reach the functions, which
answer through the stack's own API: nothing comes back. `plan --adopt` and `doctor` say so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from whatschat_ops.errors import NotFound, PermissionDenied
from whatschat_ops.stack.kinds.context import Context

RUNS_OUR_CODE: Final = "it will run this stack's code, with this stack's role and variables"
_API_ID = re.compile(r"^arn:[\w-]+:execute-api:[^:]*:[^:]*:([^/*]+)")


class Invoker(Struct, frozen=True, order=True):
    """`who` in words; `protocol` (WEBSOCKET, HTTP) and `api` if it is an API that GetApis lists."""

    who: str
    protocol: str = ""
    api: str = ""

    def effect(self, own_api: str) -> str:
        """What it means for it that the function is the stack's, whose API is called `own_api`."""
        if self.protocol != "WEBSOCKET":
            return RUNS_OUR_CODE
        return (
            f"its sockets stay open and get no answer, because the function answers through {own_api}. Take it over, too "
            f"(websocket.api_name: {self.api}), or delete it"
        )


def invokers(context: Context, function: str, own_api: str | None) -> list[Invoker]:
    """Whoever may invoke the function, besides the API with the id `own_api`. Sorted, each once."""
    apis = {api["ApiId"]: api for page in context.pages("apigatewayv2", "get_apis") for api in page["Items"]}
    found = {_named(api_id, apis) for api_id in _integrated(context, apis, function) if api_id != own_api}
    for statement in _statements(context, function):
        api_id = next((each[1] for arn in _source_arns(statement) if (each := _API_ID.match(arn))), None)
        if api_id is None:
            found.add(Invoker(_principal(statement)))
        elif api_id in apis and api_id != own_api:  # a statement for an API that is gone has no effect
            found.add(_named(api_id, apis))
    return sorted(found)


def allowed_apis(context: Context, function: str) -> frozenset[str]:
    """The ids of the APIs, of any kind, that the function's policy lets invoke it."""
    arns = (arn for statement in _statements(context, function) for arn in _source_arns(statement))
    return frozenset(found[1] for arn in arns if (found := _API_ID.match(arn)))


def _named(api_id: str, apis: Mapping[str, Mapping[str, Any]]) -> Invoker:
    api = apis[api_id]
    kind = "WebSocket" if api["ProtocolType"] == "WEBSOCKET" else api["ProtocolType"]
    return Invoker(f"the {kind} API {api['Name']} ({api_id})", api["ProtocolType"], api["Name"])


def _integrated(context: Context, apis: Mapping[str, Any], function: str) -> Iterator[str]:
    for api_id in apis:
        try:
            pages = context.pages("apigatewayv2", "get_integrations", ApiId=api_id)
        except (
            PermissionDenied
        ):  # an operator's policy may name our API alone; the function's own policy says it, too
            continue
        uris = [str(item.get("IntegrationUri", "")) for page in pages for item in page["Items"]]
        if any(re.search(rf":function:{re.escape(function)}(:|/|$)", uri) for uri in uris):
            yield api_id


def _statements(context: Context, function: str) -> list[Mapping[str, Any]]:
    """Those of the function itself; those of its alias `live` are the stack's own."""
    try:
        policy = context.client("lambda").get_policy(FunctionName=function)["Policy"]
    except NotFound:
        return []
    return [statement for statement in json.loads(policy)["Statement"] if statement.get("Effect") == "Allow"]


def _source_arns(statement: Mapping[str, Any]) -> list[str]:
    tests = statement.get("Condition", {}).values()
    return [str(value) for test in tests for key, value in test.items() if key.lower() == "aws:sourcearn"]


def _principal(statement: Mapping[str, Any]) -> str:
    principal = statement.get("Principal")
    who = next(iter(principal.values())) if isinstance(principal, Mapping) and principal else principal
    source = ", ".join(_source_arns(statement))
    return f"{who} ({source})" if source else str(who)
