"""Errors of the API Gateway and Lambda control planes that ministack 1.5.33 does not raise.

A deployment that works here and fails on AWS is worse than none, so these checks run before ministack's own
functions. The messages are ours where AWS does not document them; the codes are in the API references.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from whatschat_ops.local.control.wire import Handler, Response

Check = Callable[..., tuple[str, str] | None]
"""The arguments of the operation -> AWS's error code and message, or None."""

HTTP_OK = 200
_STATUS = {
    "ConflictException": 409,
    "ResourceConflictException": 409,
    "NotFoundException": 404,
    "BadRequestException": 400,
    "InvalidParameterValueException": 400,
}


def install(apigateway: Any) -> None:
    """Run the checks before ministack's functions of the same names."""
    checks: dict[str, Check] = {
        "_create_route": lambda api_id, data: route_is_new(apigateway._routes.get(api_id), data),
        "_update_route": lambda api_id, id_, data: route_is_new(
            {key: route for key, route in (apigateway._routes.get(api_id) or {}).items() if key != id_}, data
        ),
        "_create_stage": lambda api_id, data: (
            stage_is_new(apigateway._stages.get(api_id), data)
            or deployment_exists(apigateway._deployments.get(api_id), data)
            or settings_have_routes(apigateway._routes.get(api_id), data)
        ),
        "_update_stage": lambda api_id, _name, data: (
            deployment_exists(apigateway._deployments.get(api_id), data)
            or settings_have_routes(apigateway._routes.get(api_id), data)
        ),
        "_create_authorizer": lambda api_id, data: authorizer_is_new(
            apigateway._authorizers.get(api_id), data
        ),
        "_delete_authorizer": lambda api_id, id_: _authorizer_is_unused(apigateway._routes.get(api_id), id_),
        "_delete_integration": lambda api_id, id_: _integration_is_unused(
            apigateway._routes.get(api_id), id_
        ),
    }
    for name, check in checks.items():
        setattr(apigateway, name, _checked(getattr(apigateway, name), check, apigateway._apigw_error))
    apigateway._update_stage = _merging_settings(apigateway)


def _merging_settings(apigateway: Any) -> Callable[..., Any]:
    """UpdateStage changes the settings of the routes that it names; the others go with DeleteRouteSettings only."""
    update = apigateway._update_stage

    def update_stage(api_id: str, name: str, data: Mapping[str, Any]) -> Any:
        stage = (apigateway._stages.get(api_id) or {}).get(name) or {}
        if "routeSettings" in data:
            merged = {**(stage.get("routeSettings") or {}), **data["routeSettings"]}
            data = {**data, "routeSettings": merged}
        return update(api_id, name, data)

    return update_stage


def paged(apigateway: Any, handler: Handler) -> Handler:
    """The handler of API Gateway with MaxResults and NextToken of every list of API Gateway V2."""

    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Response:
        response = await handler(method, path, headers, body, query)
        if method != "GET" or not path.startswith("/v2/apis") or not query or response[0] != HTTP_OK:
            return response
        items = json.loads(response[2]).get("items")
        if items is None:
            return response
        wanted = {name: (query.get(name) or ["0"])[0] for name in ("maxResults", "nextToken")}
        if not all(value.isascii() and value.isdigit() for value in wanted.values()):
            return _error(apigateway, "Invalid value for maxResults or nextToken")
        page: Response = apigateway._page(items, query)
        return page

    return handle


def _error(apigateway: Any, message: str) -> Response:
    refused: Response = apigateway._apigw_error(
        "BadRequestException", message, _STATUS["BadRequestException"]
    )
    return refused


def _checked(original: Callable[..., Any], check: Check, error: Callable[..., Any]) -> Callable[..., Any]:
    def checked(*arguments: Any) -> Any:
        refusal = check(*arguments)
        if refusal is None:
            return original(*arguments)
        code, message = refusal
        return error(code, message, _STATUS[code])

    return checked


def route_is_new(routes: Mapping[str, Any] | None, data: Mapping[str, Any]) -> tuple[str, str] | None:
    key = data.get("routeKey")
    if any(route.get("routeKey") == key for route in (routes or {}).values()):
        return "ConflictException", f"Route with key {key} already exists for this API"
    return None


def stage_is_new(stages: Mapping[str, Any] | None, data: Mapping[str, Any]) -> tuple[str, str] | None:
    name = data.get("stageName")
    if name in (stages or {}):
        return "ConflictException", f"Stage {name} already exists for this API"
    return None


def authorizer_is_new(
    authorizers: Mapping[str, Any] | None, data: Mapping[str, Any]
) -> tuple[str, str] | None:
    """The text as recorded in github.com/aws/aws-cdk/issues/20170."""
    name = data.get("name")
    if not any(authorizer.get("name") == name for authorizer in (authorizers or {}).values()):
        return None
    text = f"Authorizer name must be unique. Authorizer {name} already exists in this RestApi."
    return "BadRequestException", text


def deployment_exists(
    deployments: Mapping[str, Any] | None, data: Mapping[str, Any]
) -> tuple[str, str] | None:
    deployment_id = data.get("deploymentId")
    if deployment_id and deployment_id not in (deployments or {}):
        return "BadRequestException", f"Deployment {deployment_id} does not exist"
    return None


def settings_have_routes(routes: Mapping[str, Any] | None, data: Mapping[str, Any]) -> tuple[str, str] | None:
    """AWS's code and text as recorded in github.com/terraform-aws-modules/terraform-aws-apigateway-v2/pull/80."""
    keys = {route.get("routeKey") for route in (routes or {}).values()}
    for key in data.get("routeSettings") or {}:
        if key not in keys:
            return "NotFoundException", f"Unable to find Route by key {key} within the provided RouteSettings"
    return None


def _integration_is_unused(routes: Mapping[str, Any] | None, integration_id: str) -> tuple[str, str] | None:
    for route in (routes or {}).values():
        if route.get("target") == f"integrations/{integration_id}":
            return (
                "ConflictException",
                f"Cannot delete Integration '{integration_id}' that is being used by Route '{route.get('routeId')}'",
            )
    return None


def _authorizer_is_unused(routes: Mapping[str, Any] | None, authorizer_id: str) -> tuple[str, str] | None:
    for route in (routes or {}).values():
        if route.get("authorizerId") == authorizer_id:
            return (
                "ConflictException",
                f"Cannot delete authorizer '{authorizer_id}', is referenced in route: {route.get('routeKey')}",
            )
    return None


_CHANGES = {("PUT", "code"), ("PUT", "configuration"), ("POST", "versions")}


def guard_changes(lambda_svc: Any, handler: Handler) -> Handler:
    """Reject UpdateFunctionCode, UpdateFunctionConfiguration and PublishVersion where AWS does.

    An update leaves State at Active, as AWS does (a function is Pending only until it can be invoked for the first
    time).

    The check wraps the HTTP handler only: ministack's CloudFormation calls the functions behind it without waiting.
    """

    async def handle(method: str, path: str, headers: Any, body: bytes, query_params: Any) -> Any:
        parts = unquote(path).rstrip("/").split("/")  # /2015-03-31/functions/NAME/code
        if len(parts) == 5 and parts[2] == "functions" and (method, parts[4]) in _CHANGES:
            name = lambda_svc._resolve_request_scoped_name(parts[3])
            config = (lambda_svc._functions.get(name) or {}).get("config") or {}
            refusal = _function_is_idle(config) or (
                _code_is_the_expected(config, body) if parts[4] == "versions" else None
            )
            if refusal is not None:
                code, message = refusal
                return lambda_svc.error_response_json(code, message, _STATUS[code])
            answer = await handler(method, path, headers, body, query_params)
            return _stays_active(config, answer) if method == "PUT" else answer
        return await handler(method, path, headers, body, query_params)

    return handle


def _stays_active(config: dict[str, Any], answer: Response) -> Response:
    status, headers, body = answer
    if status != 200:
        return answer
    active = {"State": "Active", "StateReason": "", "StateReasonCode": ""}
    config.update(active)
    return status, headers, json.dumps({**json.loads(body), **active}).encode()


def _function_is_idle(config: Mapping[str, Any]) -> tuple[str, str] | None:
    """Lambda developer guide, "Lambda function states"."""
    if config.get("State") != "Pending" and config.get("LastUpdateStatus") != "InProgress":
        return None
    return (
        "ResourceConflictException",
        "The operation cannot be performed at this time. An update is in progress for resource: "
        f"{config.get('FunctionArn')}",
    )


def _code_is_the_expected(config: Mapping[str, Any], body: bytes) -> tuple[str, str] | None:
    """PublishVersion with CodeSha256 publishes only if the code in $LATEST has that hash."""
    try:
        expected = json.loads(body or b"{}").get("CodeSha256")
    except (ValueError, RecursionError):  # ministack treats such a body as an empty one
        return None
    actual = config.get("CodeSha256")
    if not expected or expected == actual:
        return None
    return (
        "InvalidParameterValueException",
        f"CodeSHA256 ({expected}) is different from current CodeSHA256 in $LATEST ({actual}).",
    )
