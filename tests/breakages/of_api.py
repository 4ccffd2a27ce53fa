"""Rows about the API: its routes, its stage, and who may invoke the functions."""

from __future__ import annotations

from typing import Any, Final

from tests.breakages.row import FIX, Breakage, Repair
from tests.breakages.world import World

STAGE: Final = "production"
NOTHING: Final = {"ThrottlingRateLimit": 0, "ThrottlingBurstLimit": 0}


def _gateway(world: World) -> Any:
    return world.client("apigatewayv2")


def _route(world: World, key: str) -> str:
    routes = _gateway(world).get_routes(ApiId=world.api_id)["Items"]
    return str(next(route["RouteId"] for route in routes if route["RouteKey"] == key))


def _integration(world: World, short: str) -> Any:
    found = _gateway(world).get_integrations(ApiId=world.api_id)["Items"]
    name = world.names.function(short)
    return next(each for each in found if f":function:{name}:" in each["IntegrationUri"])


def _update_stage(world: World, **changes: Any) -> None:
    _gateway(world).update_stage(ApiId=world.api_id, StageName=STAGE, **changes)


def delete_api(world: World) -> None:
    """With everything in it."""
    _gateway(world).delete_api(ApiId=world.api_id)


def delete_stage(world: World) -> None:
    """The only one."""
    _gateway(world).delete_stage(ApiId=world.api_id, StageName=STAGE)


def delete_connect_route(world: World) -> None:
    """`$connect`."""
    _gateway(world).delete_route(ApiId=world.api_id, RouteId=_route(world, "$connect"))


def delete_default_route(world: World) -> None:
    """`$default`."""
    _gateway(world).delete_route(ApiId=world.api_id, RouteId=_route(world, "$default"))


def lead_route_elsewhere(world: World) -> None:
    """`$default` to the function of `$disconnect`."""
    target = f"integrations/{_integration(world, 'disconnect')['IntegrationId']}"
    _gateway(world).update_route(ApiId=world.api_id, RouteId=_route(world, "$default"), Target=target)


def ask_for_signature(world: World) -> None:
    """`$connect` takes only requests that IAM users sign."""
    _gateway(world).update_route(
        ApiId=world.api_id, RouteId=_route(world, "$connect"), AuthorizationType="AWS_IAM"
    )


def shorten_integration(world: World) -> None:
    """API Gateway waits for 50 ms."""
    found = _integration(world, "default")["IntegrationId"]
    _gateway(world).update_integration(ApiId=world.api_id, IntegrationId=found, TimeoutInMillis=50)


def call_without_alias(world: World) -> None:
    """The function itself instead of its alias."""
    found = _integration(world, "default")
    uri = found["IntegrationUri"].replace(":live/", "/")
    _gateway(world).update_integration(
        ApiId=world.api_id, IntegrationId=found["IntegrationId"], IntegrationUri=uri
    )


def show_another_deployment(world: World) -> None:
    """One that was made by hand, of the routes as they were then."""
    made = _gateway(world).create_deployment(ApiId=world.api_id, Description="by hand")
    _update_stage(world, DeploymentId=made["DeploymentId"])


def throttle_stage(world: World) -> None:
    """To nothing."""
    _update_stage(world, DefaultRouteSettings=NOTHING)


def throttle_route(world: World) -> None:
    """One route to nothing; the others work."""
    _update_stage(world, RouteSettings={"$default": NOTHING})


def unthrottle_route(world: World) -> None:
    """As the printed `aws apigatewayv2 delete-route-settings` does."""
    _gateway(world).delete_route_settings(ApiId=world.api_id, StageName=STAGE, RouteKey="$default")


def switch_access_log_off(world: World) -> None:
    """As the console does."""
    _gateway(world).delete_access_log_settings(ApiId=world.api_id, StageName=STAGE)


def log_tokens(world: World) -> None:
    """The token that an authorizer found."""
    settings = _gateway(world).get_stage(ApiId=world.api_id, StageName=STAGE)["AccessLogSettings"]
    _update_stage(
        world,
        AccessLogSettings={
            "DestinationArn": settings["DestinationArn"],
            "Format": '{"id":"$context.requestId","by":"$context.authorizer.token"}',
        },
    )


def unset_log_role(world: World) -> None:
    """The Region's setting, as destroying another stack does."""
    world.client("apigateway").update_account(
        patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": ""}]
    )


def _forbid(world: World, short: str) -> None:
    world.client("lambda").remove_permission(
        FunctionName=world.names.function(short), Qualifier="live", StatementId="whatschat-ops-apigateway"
    )


def forbid_connect(world: World) -> None:
    """API Gateway may not invoke it."""
    _forbid(world, "connect")


def forbid_disconnect(world: World) -> None:
    """What no client sees: rows stay."""
    _forbid(world, "disconnect")


def invoke_from_another_api(world: World) -> None:
    """A WebSocket API of somewhere else with the same function."""
    made = _gateway(world).create_api(
        Name="another", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.type"
    )
    uri = _integration(world, "default")["IntegrationUri"]
    _gateway(world).create_integration(
        ApiId=made["ApiId"], IntegrationType="AWS_PROXY", IntegrationMethod="POST", IntegrationUri=uri
    )
    world.kept["another"] = made["ApiId"]


def delete_other_api(world: World) -> None:
    """What `doctor` says first."""
    _gateway(world).delete_api(ApiId=world.kept.pop("another"))


def name_another_api(world: World) -> None:
    """In the settings, as after a copy from another environment."""
    world.settings(websocket={"endpoint": f"wss://abcde12345.execute-api.us-east-1.amazonaws.com/{STAGE}"})


def forget_endpoint(world: World) -> None:
    """In the settings."""
    world.settings()


ROWS: Final = (
    Breakage("The API was deleted", "api", delete_api, "WS001"),
    Breakage("The settings name the API of another stack", "api", name_another_api, "WS002",
             Repair("`websocket.endpoint` removed", forget_endpoint)),
    Breakage("The stage was deleted", "api", delete_stage, "WS005"),
    Breakage("The route `$connect` was deleted", "api", delete_connect_route, "WS007"),
    Breakage("The route `$default` was deleted", "api", delete_default_route, "WS007", FIX),
    Breakage("The route `$default` leads to the function of `$disconnect`", "api", lead_route_elsewhere, "WS007"),
    Breakage("The route `$connect` asks for a signature of IAM", "api", ask_for_signature, "WS007"),
    Breakage("An integration waits for 50 ms", "api", shorten_integration, "WS008"),
    Breakage("An integration calls the function instead of its alias", "api", call_without_alias, "WS008"),
    Breakage("The stage shows another deployment", "api", show_another_deployment, "WS009"),
    Breakage("The stage is throttled to 0", "api", throttle_stage, "WS050", FIX),
    Breakage("One route is throttled to 0", "api", throttle_route, "WS050",
             Repair("`aws apigatewayv2 delete-route-settings`", unthrottle_route)),
    Breakage("The access log was switched off", "api", switch_access_log_off, "WS051"),
    Breakage("The access log has the authorizer's token", "api", log_tokens, "WS052", FIX),
    Breakage("The Region's log role was unset", "api", unset_log_role, "WS053"),
    Breakage("API Gateway may not invoke the connect function", "api", forbid_connect, "WS055"),
    Breakage("API Gateway may not invoke the disconnect function", "api", forbid_disconnect, "WS055", FIX),
    Breakage("Another WebSocket API invokes the functions", "api", invoke_from_another_api, "WS057",
             Repair("that API deleted", delete_other_api), warns=True),
)  # fmt: skip
