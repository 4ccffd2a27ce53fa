"""Refusals of the API Gateway control plane that ministack 1.5.33 forgets.

A deployment that works here and is refused by AWS is worse than none, so these come before ministack's own functions.
The wording of the messages is ours where AWS does not document it; the codes are in the API Gateway V2 API reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

MAX_TIMEOUT_MS = 29_000
MIN_TIMEOUT_MS = 50

Check = Callable[..., tuple[str, str] | None]
"""The arguments of the operation -> AWS's error code and message, or None."""

_STATUS = {"ConflictException": 409, "NotFoundException": 404, "BadRequestException": 400}


def install(apigateway: Any) -> None:
    """Put the checks before ministack's functions of the same names."""
    checks: dict[str, Check] = {
        "_create_api": _api_is_complete,
        "_create_route": lambda api_id, data: _route_is_new(apigateway._routes.get(api_id), data),
        "_create_stage": lambda api_id, data: (
            _stage_is_new(apigateway._stages.get(api_id), data)
            or _deployment_exists(apigateway._deployments.get(api_id), data)
        ),
        "_update_stage": lambda api_id, _name, data: _deployment_exists(
            apigateway._deployments.get(api_id), data
        ),
        "_create_integration": lambda _api_id, data: _timeout_is_allowed(data),
        "_update_integration": lambda _api_id, _id, data: _timeout_is_allowed(data),
        "_delete_integration": lambda api_id, id_: _integration_is_unused(
            apigateway._routes.get(api_id), id_
        ),
    }
    for name, check in checks.items():
        setattr(apigateway, name, _checked(getattr(apigateway, name), check, apigateway._apigw_error))


def _checked(original: Callable[..., Any], check: Check, error: Callable[..., Any]) -> Callable[..., Any]:
    def checked(*arguments: Any) -> Any:
        refusal = check(*arguments)
        if refusal is None:
            return original(*arguments)
        code, message = refusal
        return error(code, message, _STATUS[code])

    return checked


def _api_is_complete(data: Mapping[str, Any]) -> tuple[str, str] | None:
    if data.get("protocolType") == "WEBSOCKET" and not data.get("routeSelectionExpression"):
        return "BadRequestException", "Route selection expression is required for WEBSOCKET APIs"
    return None


def _route_is_new(routes: Mapping[str, Any] | None, data: Mapping[str, Any]) -> tuple[str, str] | None:
    key = data.get("routeKey")
    if any(route.get("routeKey") == key for route in (routes or {}).values()):
        return "ConflictException", f"Route with key {key} already exists for this API"
    return None


def _stage_is_new(stages: Mapping[str, Any] | None, data: Mapping[str, Any]) -> tuple[str, str] | None:
    name = data.get("stageName")
    if name in (stages or {}):
        return "ConflictException", f"Stage {name} already exists for this API"
    return None


def _deployment_exists(
    deployments: Mapping[str, Any] | None, data: Mapping[str, Any]
) -> tuple[str, str] | None:
    deployment_id = data.get("deploymentId")
    if deployment_id and deployment_id not in (deployments or {}):
        return "BadRequestException", f"Deployment {deployment_id} does not exist"
    return None


def _timeout_is_allowed(data: Mapping[str, Any]) -> tuple[str, str] | None:
    timeout_ms = data.get("timeoutInMillis")
    if timeout_ms is not None and not MIN_TIMEOUT_MS <= int(timeout_ms) <= MAX_TIMEOUT_MS:
        return "BadRequestException", f"Timeout should be between {MIN_TIMEOUT_MS} ms and {MAX_TIMEOUT_MS} ms"
    return None


def _integration_is_unused(routes: Mapping[str, Any] | None, integration_id: str) -> tuple[str, str] | None:
    for route in (routes or {}).values():
        if route.get("target") == f"integrations/{integration_id}":
            return (
                "ConflictException",
                f"Cannot delete Integration '{integration_id}' that is being used by Route '{route.get('routeId')}'",
            )
    return None
