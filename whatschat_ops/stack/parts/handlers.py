"""The functions behind the routes, with what they run with: role, log groups, the secret of the application's tokens. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from whatschat_ops.config.names import ROUTE_FUNCTIONS, USER_INDEX
from whatschat_ops.handlers.user_ids import HASHED
from whatschat_ops.provision import Reference, Resource, text
from whatschat_ops.redaction import Secret
from whatschat_ops.stack.iam_documents import Document, allow, document
from whatschat_ops.stack.kinds.function import Function
from whatschat_ops.stack.kinds.secret import Generated, SecretParameter
from whatschat_ops.stack.kinds.table import Table
from whatschat_ops.stack.parts.blueprint import API, Blueprint, Part
from whatschat_ops.stack.parts.chime import signalling_statements, signalling_variables
from whatschat_ops.stack.parts.connections import of_user
from whatschat_ops.stack.parts.functions import (
    alias,
    function,
    function_log_group,
    logs_statement,
    role,
    use_given_role,
)
from whatschat_ops.stack.parts.own_functions import given_statements, with_given_variables

ROLE: Final = "lambda"


def resources(blueprint: Blueprint) -> Iterator[Resource]:
    """The three functions and what they need."""
    names, shorts = blueprint.names, tuple(ROUTE_FUNCTIONS.values())
    yield from (function_log_group(blueprint, short) for short in shorts)
    policy = ("whatschat-ops-lambda", lambda_policy(blueprint))
    yield from role(blueprint, ROLE, names.lambda_role, "lambda.amazonaws.com", policy)
    secret = blueprint.jwt_secret if blueprint.jwt_secret is not None else Generated()
    yield _parameter(blueprint, "jwt", names.jwt_secret_parameter, secret)
    yield from (_handler(blueprint, short) for short in shorts)
    yield from (alias(blueprint, short, role=ROLE) for short in shorts)


def lambda_policy(blueprint: Blueprint) -> Document:
    """What the three functions need: their rows, their sockets, their logs, the secret, and what the settings add."""
    place, names, settings = blueprint.place, blueprint.names, blueprint.settings
    own = bool(settings.lambda_.source.path)
    secret = SecretParameter.arn.of(place, names.jwt_secret_parameter)
    rotation = SecretParameter.arn.of(place, names.jwt_secret_rotation_parameter)
    own_statements = [
        allow(
            "Connections",
            # The application's own functions query the table itself; ours its index only.
            ["dynamodb:PutItem", "dynamodb:GetItem", "dynamodb:DeleteItem"]
            + (["dynamodb:Query"] if own else []),
            Table.arn.of(place, names.connections_table),
        ),
        of_user(blueprint),
        allow(
            "SendToConnections",
            ["execute-api:ManageConnections"],
            place.connections(blueprint.api_id, settings.websocket.stage, "POST"),
        ),
        logs_statement(blueprint, *ROUTE_FUNCTIONS.values()),
        # The application's own functions know nothing of rotations.
        allow("JwtSecret", ["ssm:GetParameter"], secret if own else [secret, rotation]),
        *signalling_statements(blueprint),
    ]
    return document(*own_statements, *given_statements(blueprint, own_statements))


def kept(blueprint: Blueprint) -> Iterator[Resource]:
    """What `token secret rotate` makes."""
    names = blueprint.names
    yield _parameter(blueprint, "rotation", names.jwt_secret_rotation_parameter, Generated())


def operator_statements(blueprint: Blueprint) -> Iterator[Document]:
    """`lambda invoke`."""
    place, names = blueprint.place, blueprint.names
    arns = [Function.arn.of(place, names.function(short)) for short in ROUTE_FUNCTIONS.values()]
    yield allow("Functions", ["lambda:InvokeFunction"], arns)
    yield from use_given_role(blueprint, ROLE, "lambda.amazonaws.com")


def _parameter(blueprint: Blueprint, name: str, parameter: str, value: Secret | Generated) -> Resource:
    fields = {
        "parameter_name": parameter,
        "type": "SecureString",
        "value": value,
        "tags": blueprint.names.tags,
    }
    return Resource("secret", name, fields)


def _handler(blueprint: Blueprint, short: str) -> Resource:
    settings = blueprint.settings.lambda_
    own = _environment(blueprint) | (signalling_variables(blueprint) if short == "default" else {})
    fields = {
        "runtime": settings.function_runtime,
        "memory_mb": settings.memory_mb,
        "timeout_s": settings.timeout_s,
        "environment": with_given_variables(blueprint, own),
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
        **({"LOG_USER_IDS": settings.logging.user_ids} if settings.logging.user_ids == HASHED else {}),
        "USER_INDEX": USER_INDEX,
    }


PART: Final = Part(resources, operator_statements, kept=kept)
