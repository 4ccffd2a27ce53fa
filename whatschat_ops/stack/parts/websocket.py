"""The WebSocket API: routes to the functions, the stage, access logs. Pure.

API                                  stands alone; everything below needs its id or URL
permission -> alias, API             lets exactly one route of one stage call it
integration -> API;  route -> integration       an integration names the alias, which need not be there before the stage is
deployment -> routes, integrations   a digest of routes and the integrations' ids decide when to redeploy
stage -> deployment, permissions, role policy, access log group, the Region's log role
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from whatschat_ops.config.names import LIVE_ALIAS, ROUTE_FUNCTIONS
from whatschat_ops.provision import Reference, Resource, text
from whatschat_ops.provision.values import digest
from whatschat_ops.stack.access_log import ACCESS_LOG_FORMAT
from whatschat_ops.stack.iam_documents import Document, allow, trust_policy
from whatschat_ops.stack.kinds.log_group import LogGroup
from whatschat_ops.stack.parts.blueprint import Blueprint, Part
from whatschat_ops.stack.parts.connections import CONNECTIONS_TABLE
from whatschat_ops.stack.parts.functions import live_arn, log_group, made_roles
from whatschat_ops.stack.parts.handlers import ROLE

ACCESS_LOGS: Final = frozenset({"log_group.access", "api_gateway_log_role.region"})


def resources(blueprint: Blueprint) -> Iterator[Resource]:
    """The API and what is in it."""
    if blueprint.settings.websocket.access_logs:
        yield from _access_logs(blueprint)
    yield _api(blueprint)
    yield from (_permission(blueprint, key, short) for key, short in ROUTE_FUNCTIONS.items())
    yield from (_integration(blueprint, short) for short in ROUTE_FUNCTIONS.values())
    yield from (_route(blueprint, key, short) for key, short in ROUTE_FUNCTIONS.items())
    yield _deployment(blueprint)
    yield _stage(blueprint)


def unwanted(blueprint: Blueprint) -> Iterator[Resource]:
    """Access logs that are switched off."""
    if not blueprint.settings.websocket.access_logs:
        yield from _access_logs(blueprint)


def operator_statements(blueprint: Blueprint) -> Iterator[Document]:
    """To send to connections, look at them and close them: all methods that @connections has.

    In one statement with the use of meetings, which saves 60 of the 6,144 characters of a policy: no service has the other's
    actions or resources.
    """
    sockets = blueprint.place.connections(blueprint.api_id, blueprint.settings.websocket.stage, "*")
    yield allow("Use", ["execute-api:ManageConnections"], sockets)


def _access_logs(blueprint: Blueprint) -> Iterator[Resource]:
    boundary = blueprint.settings.iam.permissions_boundary
    yield log_group(blueprint, "access", blueprint.names.access_log_group)
    yield Resource(
        "api_gateway_log_role",
        "region",
        {
            "role_name": blueprint.names.api_gateway_log_role,
            "trust_policy": trust_policy("apigateway.amazonaws.com"),
            **({"permissions_boundary": boundary} if boundary else {}),
        },
    )


def _api(blueprint: Blueprint) -> Resource:
    return Resource(
        "api",
        "websocket",
        {
            "api_name": blueprint.names.api,
            "stack": blueprint.names.stack,
            "protocol": "WEBSOCKET",
            "route_selection_expression": blueprint.settings.websocket.route_selection_expression,
            "tags": blueprint.names.tags,
            "surplus": None,
        },
    )


def _permission(blueprint: Blueprint, route_key: str, short: str) -> Resource:
    stage = blueprint.settings.websocket.stage
    return Resource(
        "permission",
        short,
        {
            "function_name": Reference(f"function.{short}", "function_name"),
            "qualifier": Reference(f"alias.{short}", "alias_name"),
            "statement_id": "whatschat-ops-apigateway",
            "principal": "apigateway.amazonaws.com",
            "action": "lambda:InvokeFunction",
            "source_arn": blueprint.place.route(blueprint.api_id, stage, route_key),
        },
    )


def _integration(blueprint: Blueprint, short: str) -> Resource:
    return Resource(
        "integration",
        short,
        {
            "api_id": blueprint.api_id,
            "uri": blueprint.place.integration_uri(live_arn(blueprint, short)),
            "type": "AWS_PROXY",
            "timeout_ms": blueprint.settings.websocket.integration_timeout_ms,
            "surplus": None,
        },
    )


def _route(blueprint: Blueprint, route_key: str, short: str) -> Resource:
    return Resource(
        "route",
        short,
        {
            "api_id": blueprint.api_id,
            "route_key": route_key,
            "target": text("integrations/", Reference(f"integration.{short}", "id")),
            "authorization_type": "NONE",
        },
    )


def _deployment(blueprint: Blueprint) -> Resource:
    """Its content names all that is deployed: a digest of what the settings say, and the integrations' ids.

    An integration that is replaced (its URI is its identity) has another id. No account or Region goes into the digest,
    so that an exported template can carry the same content.
    """
    websocket = blueprint.settings.websocket
    routes = {
        route_key: {
            "function": f"{blueprint.names.function(short)}:{LIVE_ALIAS}",
            "timeout_ms": websocket.integration_timeout_ms,
            "authorization_type": "NONE",
        }
        for route_key, short in ROUTE_FUNCTIONS.items()
    }
    wanted = digest({"selection": websocket.route_selection_expression, "routes": routes})
    ids = (Reference(f"integration.{short}", "id") for short in ROUTE_FUNCTIONS.values())
    return Resource(
        "deployment",
        "live",
        {
            "api_id": blueprint.api_id,
            "content": text(wanted, *(part for id_ in ids for part in (" ", id_))),
            "surplus": None,
        },
        frozenset(f"route.{short}" for short in ROUTE_FUNCTIONS.values()),
    )


def _stage(blueprint: Blueprint) -> Resource:
    settings, logs = blueprint.settings.websocket, blueprint.settings.websocket.access_logs
    needed = {"secret.jwt", CONNECTIONS_TABLE, *made_roles(blueprint, "role_policy", ROLE)}
    needed |= {f"permission.{short}" for short in ROUTE_FUNCTIONS.values()}
    group = LogGroup.arn.of(blueprint.place, blueprint.names.access_log_group)
    return Resource(
        "stage",
        "websocket",
        {
            "api_id": blueprint.api_id,
            "stage_name": settings.stage,
            "deployment_id": Reference("deployment.live", "id"),
            "throttling_rate_limit": settings.throttling_rate_limit,
            "throttling_burst_limit": settings.throttling_burst_limit,
            "access_log_group_arn": group if logs else None,
            "access_log_format": ACCESS_LOG_FORMAT if logs else None,
            "tags": blueprint.names.tags,
        },
        frozenset(needed | (ACCESS_LOGS if logs else set())),
    )


PART: Final = Part(resources, operator_statements, unwanted)
