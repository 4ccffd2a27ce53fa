"""API Gateway's resource types in ministack's CloudFormation.

- `AWS::ApiGatewayV2::Deployment`, `RouteResponse` and `IntegrationResponse` are added.
- The others are checked by the rules of API Gateway's own operations (`api_rules`), and what ministack drops is stored.
- A stage's route settings have the names of API Gateway's responses; `ApiEndpoint` is on the port of this AWS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from whatschat_ops.local.control import validation
from whatschat_ops.local.control.api_guard import ApiGuard
from whatschat_ops.local.control.cloudformation_handler import Check, Made, answer, wrap
from whatschat_ops.local.control.wire import EXECUTE_API, camel
from whatschat_ops.local.layout import HOST

_PREFIX = "AWS::ApiGatewayV2::"


def install(handlers: dict[str, dict[str, Any]], apigateway: Any, port: int) -> None:
    """Complete ministack's table of resource types, `handlers`."""
    guard = ApiGuard(apigateway)
    handlers[f"{_PREFIX}Deployment"] = _deployment(apigateway)
    handlers[f"{_PREFIX}RouteResponse"] = _response(apigateway, "route_response", "RouteId")
    handlers[f"{_PREFIX}IntegrationResponse"] = _response(apigateway, "integration_response", "IntegrationId")
    wrap(
        handlers[f"{_PREFIX}Api"],
        check=lambda props: guard.api_refusal(camel(props), {}),
        after=lambda made, props: _with_endpoint(made, props, port),
    )
    wrap(
        handlers[f"{_PREFIX}Route"],
        check=_checked(guard, "route"),
        check_new=_conflict(apigateway._routes, validation.route_is_new),
    )
    wrap(
        handlers[f"{_PREFIX}Integration"],
        check=_checked(guard, "integration"),
        before=lambda props: _with_timeout(guard, props),
        after=lambda made, props: _with_dropped(guard, made, props),
    )
    wrap(
        handlers[f"{_PREFIX}Authorizer"],
        check=_checked(guard, "authorizer"),
        before=lambda props: {"IdentitySource": [], **props},
    )
    wrap(
        handlers[f"{_PREFIX}Stage"],
        check=lambda props: _stage_refusal(guard, apigateway, props),
        check_new=_conflict(apigateway._stages, validation.stage_is_new),
        before=_with_route_settings,
    )


def _checked(guard: ApiGuard, kind: str) -> Check:
    return lambda props: guard.refusal(kind, str(props.get("ApiId")), camel(props), {})


def _conflict(store: Any, is_new: validation.Check) -> Check:
    def check(props: Mapping[str, Any]) -> str | None:
        refused = is_new(store.get(str(props.get("ApiId"))), camel(props))
        return None if refused is None else refused[1]

    return check


def _stage_refusal(guard: ApiGuard, apigateway: Any, props: Mapping[str, Any]) -> str | None:
    given = _with_route_settings(props)
    if logs := given.get("AccessLogSettings"):
        given = {**given, "AccessLogSettings": camel(logs)}
    exists = _conflict(apigateway._deployments, validation.deployment_exists)
    have_routes = _conflict(apigateway._routes, validation.settings_have_routes)
    return _checked(guard, "stage")(given) or exists(props) or have_routes(props)


def _with_timeout(guard: ApiGuard, props: Mapping[str, Any]) -> Mapping[str, Any]:
    default = guard.default_timeout_ms(props.get("ApiId"))
    return {"TimeoutInMillis": default, **props} if default else props


def _with_dropped(guard: ApiGuard, made: Made, props: Mapping[str, Any]) -> Made:
    guard.keep_dropped(str(props["ApiId"]), made[0], camel(props))
    return made


def _deployment(apigateway: Any) -> dict[str, Any]:
    """Only the description can be updated; another API requires replacement (resource reference)."""

    def create(_logical_id: str, props: Mapping[str, Any], _stack_name: str) -> Made:
        api_id = props["ApiId"]
        wanted = {"description": props.get("Description", ""), "stageName": props.get("StageName")}
        deployment_id = answer(apigateway._create_deployment(api_id, wanted))["deploymentId"]
        return deployment_id, {"DeploymentId": deployment_id}

    def update(physical_id: str, old: Mapping[str, Any], new: Mapping[str, Any], stack_name: str) -> Made:
        if new["ApiId"] != old["ApiId"] or new.get("StageName") != old.get("StageName"):
            return create("", new, stack_name)
        answer(apigateway._get_deployment(new["ApiId"], physical_id))
        apigateway._deployments[new["ApiId"]][physical_id]["description"] = new.get("Description", "")
        return physical_id, {"DeploymentId": physical_id}

    def delete(physical_id: str, props: Mapping[str, Any]) -> None:
        status, _, body = apigateway._delete_deployment(props["ApiId"], physical_id)
        if status not in (204, 404):  # the API may have been deleted with it
            raise ValueError(f"AWS::ApiGatewayV2::Deployment: {body!r}")

    return {"create": create, "update": update, "delete": delete}


def _response(apigateway: Any, kind: str, parent: str) -> dict[str, Any]:
    """A route or integration response. `parent` is the property with the id of what it belongs to."""

    def call(verb: str, props: Mapping[str, Any], *rest: Any) -> Any:
        operation: Callable[..., Any] = getattr(apigateway, f"_{verb}_{kind}")
        # ministack's Ref of a route is API/ROUTE
        return operation(props["ApiId"], str(props[parent]).rpartition("/")[2], *rest)

    def create(_logical_id: str, props: Mapping[str, Any], _stack_name: str) -> Made:
        made = answer(call("create", props, camel(props)))
        return str(next(value for name, value in made.items() if name.endswith("ResponseId"))), {}

    def update(
        physical_id: str, old: Mapping[str, Any], new: Mapping[str, Any], stack_name: str, *_: Any
    ) -> Made:
        if (new["ApiId"], new[parent]) != (old["ApiId"], old[parent]):
            return create("", new, stack_name)
        dropped = {name: None for name in camel(old) if name not in camel(new)}
        answer(call("update", new, physical_id, {**dropped, **camel(new)}))
        return physical_id, {}

    def delete(physical_id: str, props: Mapping[str, Any]) -> None:
        status, _, body = call("delete", props, physical_id)
        if status not in (204, 404):
            raise ValueError(f"{_PREFIX}{kind}: {body!r}")

    return {"create": create, "update": update, "delete": delete}


def _with_route_settings(props: Mapping[str, Any]) -> Mapping[str, Any]:
    changed = dict(props)
    if settings := props.get("DefaultRouteSettings"):
        changed["DefaultRouteSettings"] = camel(settings)
    if by_route := props.get("RouteSettings"):
        changed["RouteSettings"] = {route: camel(settings) for route, settings in by_route.items()}
    return changed


def _with_endpoint(made: Made, props: Mapping[str, Any], port: int) -> Made:
    api_id, attributes = made
    scheme = "ws" if props.get("ProtocolType") == "WEBSOCKET" else "http"
    return api_id, {**attributes, "ApiEndpoint": f"{scheme}://{HOST}:{port}{EXECUTE_API}{api_id}"}
