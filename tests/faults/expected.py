"""What must be in AWS with some settings: written from the settings and AWS's own words, not recorded from a run.

Of each thing only what settings decide is named; a recording adds the rest (hashes, random ids).
"""

from __future__ import annotations

from typing import Any

from tests.faults import monitoring
from tests.faults.inventory import Things
from whatschat_ops.config import Names, Settings
from whatschat_ops.stack.access_log import ACCESS_LOG_FORMAT
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.iam_documents import Document
from whatschat_ops.stack.parts.blueprint import Blueprint
from whatschat_ops.stack.parts.broadcast import states_policy, worker_policy
from whatschat_ops.stack.policies import policy_of

ACCOUNT = "000000000000"
ROUTES = {"$connect": "connect", "$disconnect": "disconnect", "$default": "default"}


def expected(settings: Settings) -> Things:
    """What a thing is called -> what must be true of it. `API` stands for the id of the API."""
    names = Names(settings)
    return {
        f"table {names.connections_table}": _connections(settings),
        f"table {names.ledger_table}": _ledger(settings),
        f"parameter {names.jwt_secret_parameter}": {"type": "SecureString", "tags": _listed_tags(settings)},
        f"function {names.function('connect')}": _function(settings, "$connect"),
        f"function {names.function('disconnect')}": _function(settings, "$disconnect"),
        f"function {names.function('default')}": _function(settings, "$default"),
        f"role {names.lambda_role}": _role(
            settings,
            "lambda",
            "whatschat-ops-lambda",
            policy_of("lambda", settings, Place(settings.aws.region, ACCOUNT), "API"),
        ),
        **{
            f"log group {group}": {"retention": settings.lambda_.log_retention_days, "tags": _tags(settings)}
            for group in _log_groups(settings)
        },
        f"api {names.api} 0": _api(settings),
        f"stage {settings.websocket.stage} of {names.api} 0": _stage(settings),
        **(_distributed(settings) if settings.broadcast.distributed.enabled else {}),
        **(monitoring.expected(settings, ACCOUNT, _role, _role_arn) if settings.monitoring.enabled else {}),
    }


def _log_groups(settings: Settings) -> list[str]:
    names = Names(settings)
    worker = ["broadcast-worker"] if settings.broadcast.distributed.enabled else []
    worker += ["open-connections"] if settings.monitoring.counts_connections else []
    access = [names.access_log_group] if settings.websocket.access_logs else []
    return [*map(names.function_log_group, (*ROUTES.values(), *worker)), *access]


def _tags(settings: Settings) -> dict[str, str]:
    return {"whatschat-ops:stack": Names(settings).stack}


def _listed_tags(settings: Settings) -> list[dict[str, str]]:
    """As DynamoDB, IAM, SSM and S3 give them."""
    return [{"Key": key, "Value": value} for key, value in _tags(settings).items()]


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
        "tags": _listed_tags(settings),
    }


def _ledger(settings: Settings) -> Things:
    return {
        "keys": [{"AttributeName": "meetingId", "KeyType": "HASH"}],
        "types": {"meetingId": "S"},
        "billing": "PAY_PER_REQUEST",
        "indexes": {},
        "protected": False,
        "ttl": "ttl",
        "recovery": "DISABLED",
        "tags": _listed_tags(settings),
    }


def _stage(settings: Settings) -> Things:
    """The format of the access logs is compared with its recording, in which every field is a variable of API Gateway."""
    websocket, region = settings.websocket, settings.aws.region
    group = f"arn:aws:logs:{region}:{ACCOUNT}:log-group:{Names(settings).access_log_group}"
    limits = {
        "ThrottlingRateLimit": websocket.throttling_rate_limit,
        "ThrottlingBurstLimit": websocket.throttling_burst_limit,
    }
    return {
        "deployment": "whatschat-ops content",
        "settings": {key: value for key, value in limits.items() if value is not None},
        "logs": {"DestinationArn": group, "Format": ACCESS_LOG_FORMAT} if websocket.access_logs else None,
        "tags": _tags(settings),
    }


def _function(settings: Settings, route_key: str) -> Things:
    names, own, region = Names(settings), settings.lambda_, settings.aws.region
    source = f"arn:aws:execute-api:{region}:{ACCOUNT}:API/{settings.websocket.stage}/{route_key}"
    return {
        "Runtime": own.runtime,
        "MemorySize": own.memory_mb,
        "Timeout": own.timeout_s,
        "architectures": [own.architecture],
        "role": _role_arn(settings, names.lambda_role),
        "tags": _tags(settings),
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


def _role_arn(settings: Settings, name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/whatschat-ops/{Names(settings).stack}/{settings.aws.region}/{name}"


def _role(settings: Settings, service: str, policy: str, document: Document) -> Things:
    """What its policy allows is written out in full in the tests of policies."""
    statement: Document = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    if service == "states":  # of this account alone
        statement["Condition"] = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    return {
        "path": f"/whatschat-ops/{Names(settings).stack}/{settings.aws.region}/",
        "trust": {"Version": "2012-10-17", "Statement": [statement]},
        "boundary": None,
        "inline": {policy: document},
        "attached": [],
        "tags": _listed_tags(settings),
    }


def _distributed(settings: Settings) -> Things:
    """The bucket, the state machine, the worker, and the roles of these two."""
    names, own = Names(settings), settings.broadcast.distributed
    blueprint = Blueprint(settings, Place(settings.aws.region, ACCOUNT), api_id="API")
    policy, bucket = "whatschat-ops-broadcast", names.broadcast_bucket(ACCOUNT)
    worker, states = names.broadcast_worker_role, names.broadcast_states_role
    return {
        f"role {worker}": _role(settings, "lambda", policy, worker_policy(blueprint)),
        f"role {states}": _role(settings, "states", policy, states_policy(blueprint)),
        f"function {names.function('broadcast-worker')}": {
            "Runtime": settings.lambda_.runtime,
            "MemorySize": own.memory_mb,
            "Timeout": 900,
            "architectures": [settings.lambda_.architecture],
            "role": _role_arn(settings, worker),
            "environment": {"BROADCAST_BUCKET": bucket},
            "statements": [],
            "tags": _tags(settings),
        },
        f"bucket {bucket}": {
            "public": dict.fromkeys(
                ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
            ),
            "encryption": ["AES256"],
            "lifecycle": [("Enabled", {"Prefix": "runs/"}, {"Days": 14})],
            "tls only": [
                (
                    "Deny",
                    "s3:*",
                    [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
                    {"Bool": {"aws:SecureTransport": "false"}},
                )
            ],
            "tags": _listed_tags(settings),
        },
        f"state machine {names.broadcast_state_machine}": {
            "type": "STANDARD",
            "role": _role_arn(settings, states),
            "map": {
                "MaxConcurrencyPath": "$.workers",
                "ToleratedFailurePercentagePath": "$.tolerated_failure_percentage",
                "Bucket": bucket,
            },
            "calls": {
                "arn:aws:states:::s3:getObject",
                "arn:aws:states:::lambda:invoke",
                f"arn:aws:lambda:{settings.aws.region}:{ACCOUNT}:function:{names.function('broadcast-worker')}:live",
            },
            "tags": [{"key": key, "value": value} for key, value in _tags(settings).items()],
        },
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
