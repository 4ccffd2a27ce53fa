"""The functions behind the routes, with what they run with: role, log groups, the secret of the application's tokens. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from whatschat_ops.config.names import ROUTE_FUNCTIONS, USER_INDEX
from whatschat_ops.provision import Reference, Resource, text
from whatschat_ops.stack.iam_documents import Document, allow, document
from whatschat_ops.stack.kinds.function import Function
from whatschat_ops.stack.kinds.secret import Generated, SecretParameter
from whatschat_ops.stack.kinds.table import Table
from whatschat_ops.stack.parts.blueprint import API, Blueprint, Part
from whatschat_ops.stack.parts.connections import of_user
from whatschat_ops.stack.parts.functions import alias, function, function_log_group, logs_statement, role

ROLE: Final = "lambda"


def resources(blueprint: Blueprint) -> Iterator[Resource]:
    """The three functions and what they need."""
    names, shorts = blueprint.names, tuple(ROUTE_FUNCTIONS.values())
    yield from (function_log_group(blueprint, short) for short in shorts)
    policy = ("whatschat-ops-lambda", lambda_policy(blueprint))
    yield from role(blueprint, ROLE, names.lambda_role, "lambda.amazonaws.com", policy)
    yield _secret(blueprint)
    yield from (_handler(blueprint, short) for short in shorts)
    yield from (alias(blueprint, short) for short in shorts)


def lambda_policy(blueprint: Blueprint) -> Document:
    """What the three functions need: their rows, their sockets, their logs, the secret."""
    place, names, settings = blueprint.place, blueprint.names, blueprint.settings
    return document(
        allow(
            "Connections",
            # The application's own functions query the table itself; ours its index only.
            ["dynamodb:PutItem", "dynamodb:GetItem", "dynamodb:DeleteItem"]
            + (["dynamodb:Query"] if settings.lambda_.source.path else []),
            Table.arn.of(place, names.connections_table),
        ),
        of_user(blueprint),
        allow(
            "SendToConnections",
            ["execute-api:ManageConnections"],
            place.connections(blueprint.api_id, settings.websocket.stage, "POST"),
        ),
        logs_statement(blueprint, *ROUTE_FUNCTIONS.values()),
        allow("JwtSecret", ["ssm:GetParameter"], SecretParameter.arn.of(place, names.jwt_secret_parameter)),
    )


def operator_statements(blueprint: Blueprint) -> Iterator[Document]:
    """`lambda invoke`."""
    place, names = blueprint.place, blueprint.names
    arns = [Function.arn.of(place, names.function(short)) for short in ROUTE_FUNCTIONS.values()]
    yield allow("Functions", ["lambda:InvokeFunction"], arns)


def _secret(blueprint: Blueprint) -> Resource:
    value = blueprint.jwt_secret
    return Resource(
        "secret",
        "jwt",
        {
            "parameter_name": blueprint.names.jwt_secret_parameter,
            "type": "SecureString",
            "value": value if value is not None else Generated(),
            "tags": blueprint.names.tags,
        },
    )


def _handler(blueprint: Blueprint, short: str) -> Resource:
    settings = blueprint.settings.lambda_
    fields = {
        "runtime": settings.function_runtime,
        "memory_mb": settings.memory_mb,
        "timeout_s": settings.timeout_s,
        "environment": _environment(blueprint),
    }
    return function(blueprint, short, role=ROLE, role_name=blueprint.names.lambda_role, fields=fields)


def _environment(blueprint: Blueprint) -> dict[str, Any]:
    """The secret itself is not among them: only where it is."""
    settings, names = blueprint.settings, blueprint.names
    return {
        "API_GATEWAY_ENDPOINT": text(Reference(API, "callback_base"), "/", settings.websocket.stage),
        "CONNECTIONS_TABLE": names.connections_table,
        "CONNECTION_TTL_HOURS": str(settings.connections.ttl_hours),
        "JWT_SECRET_PARAMETER": names.jwt_secret_parameter,
        "LOG_LEVEL": settings.lambda_.log_level,
        "USER_INDEX": USER_INDEX,
    }


PART: Final = Part(resources, operator_statements)
