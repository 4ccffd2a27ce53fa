"""What must be in AWS with some settings: written from the settings and AWS's own words, not recorded from a run.

Of each thing only what settings decide is named; a recording adds the rest (hashes, random ids).
"""

from __future__ import annotations

from typing import Any

from tests.faults.inventory import Things
from whatschat_ops.config import Names, Settings
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.policies import policy_of

ACCOUNT = "000000000000"
ROUTES = {"$connect": "connect", "$disconnect": "disconnect", "$default": "default"}


def expected(settings: Settings) -> Things:
    """What a thing is called -> what must be true of it. `API` stands for the id of the API."""
    names = Names(settings)
    return {
        f"table {names.connections_table}": _connections(settings),
        f"function {names.function('connect')}": _function(settings, "$connect"),
        f"function {names.function('disconnect')}": _function(settings, "$disconnect"),
        f"function {names.function('default')}": _function(settings, "$default"),
        f"role {names.lambda_role}": _role(settings),
        **{
            f"log group {names.function_log_group(short)}": {"retention": settings.lambda_.log_retention_days}
            for short in ROUTES.values()
        },
        f"api {names.api} 0": _api(settings),
    }


def missing(wanted: Things, found: Things) -> list[str]:
    """What is wanted and not so."""
    return [
        f"{name}: {key} is {found.get(name, {}).get(key)}, and the settings say {value}"
        for name, thing in wanted.items()
        for key, value in thing.items()
        if found.get(name, {}).get(key) != value
    ]


def _connections(settings: Settings) -> Things:
    connections = settings.connections
    return {
        "keys": [{"AttributeName": "connectionId", "KeyType": "HASH"}],
        "types": {"connectionId": "S", "userId": "S"},
        "billing": "PAY_PER_REQUEST",
        "indexes": {"userId-index": ([{"AttributeName": "userId", "KeyType": "HASH"}], "ALL")},
        "protected": connections.deletion_protection,
        "ttl": "ttl",
        "recovery": "ENABLED" if connections.point_in_time_recovery else "DISABLED",
    }


def _function(settings: Settings, route_key: str) -> Things:
    names, own, region = Names(settings), settings.lambda_, settings.aws.region
    source = f"arn:aws:execute-api:{region}:{ACCOUNT}:API/{settings.websocket.stage}/{route_key}"
    return {
        "Runtime": own.runtime,
        "MemorySize": own.memory_mb,
        "Timeout": own.timeout_s,
        "architectures": [own.architecture],
        "role": f"arn:aws:iam::{ACCOUNT}:role{names.iam_path}{names.lambda_role}",
        "environment": {
            "CONNECTIONS_TABLE": names.connections_table,
            "CONNECTION_TTL_HOURS": str(settings.connections.ttl_hours),
            "JWT_SECRET_PARAMETER": names.jwt_secret_parameter,
            "LOG_LEVEL": own.log_level,
            "USER_INDEX": "userId-index",
        },
        "statements": [
            {
                "Sid": "whatschat-ops-apigateway",
                "Effect": "Allow",
                "Principal": {"Service": "apigateway.amazonaws.com"},
                "Action": "lambda:InvokeFunction",
                "Condition": {"ArnLike": {"AWS:SourceArn": source}},
            }
        ],
    }


def _role(settings: Settings) -> Things:
    """What its policy allows is written out in full in the tests of policies."""
    place = Place(settings.aws.region, ACCOUNT)
    document = policy_of("lambda", settings, place, "API")
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    return {
        "path": f"/whatschat-ops/{Names(settings).stack}/{settings.aws.region}/",
        "trust": {"Version": "2012-10-17", "Statement": [statement]},
        "boundary": None,
        "inline": {"whatschat-ops-lambda": document},
        "attached": [],
    }


def _api(settings: Settings) -> Things:
    websocket = settings.websocket
    uris: dict[str, Any] = {key: _uri(settings, short) for key, short in ROUTES.items()}
    return {
        "selection": websocket.route_selection_expression,
        "integrations": sorted((uri, websocket.integration_timeout_ms) for uri in uris.values()),
        "routes": sorted((key, "NONE", uri) for key, uri in uris.items()),
        "deployments": 1,
    }


def _uri(settings: Settings, short: str) -> str:
    region = settings.aws.region
    function = f"arn:aws:lambda:{region}:{ACCOUNT}:function:{Names(settings).function(short)}:live"
    return f"arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{function}/invocations"
