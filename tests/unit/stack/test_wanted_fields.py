"""What the settings make of every resource, field by field. No two settings have the same value, and none its default."""

from __future__ import annotations

from typing import Any

import pytest

from whatschat_ops.config import Settings
from whatschat_ops.provision import Reference, Resource, Text
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.parts.blueprint import Blueprint
from whatschat_ops.stack.resources import stack_resources

SETTINGS = Settings.of(
    {
        "prefix": "blue-",
        "websocket": {
            "stage": "beta",
            "throttling_rate_limit": 123.0,
            "throttling_burst_limit": 45,
            "integration_timeout_ms": 6_789,
        },
        "connections": {"ttl_hours": 5, "point_in_time_recovery": True, "deletion_protection": False},
        "lambda": {
            "memory_mb": 384,
            "timeout_s": 7,
            "log_level": "DEBUG",
            "log_retention_days": 30,
            "keep_versions": 3,
            "architecture": "x86_64",
            "runtime": "python3.12",
        },
        "broadcast": {
            "distributed": {
                "enabled": True,
                "memory_mb": 640,
                "workers": 8,
                "tolerated_failure_percentage": 4,
            }
        },
    }
)
TAGS = {"whatschat-ops:stack": "blue-whatschat-local"}
API_ID = Reference("api.websocket", "id")
CALLBACK = Text((Reference("api.websocket", "callback_base"), "/", "beta"))
BUCKET = "blue-whatschat-local-broadcast-eu-west-1-123456789012"


def role(part: str) -> str:
    path = "role/whatschat-ops/blue-whatschat-local/eu-west-1"
    return f"arn:aws:iam::123456789012:{path}/blue-whatschat-{part}-local-eu-west-1"


def function(short: str, memory_mb: int, timeout_s: int, of_role: str, **environment: Any) -> dict[str, Any]:
    return {
        "function_name": f"blue-websocket-{short}",
        "architecture": "x86_64",
        "runtime": "python3.12",
        "memory_mb": memory_mb,
        "timeout_s": timeout_s,
        "role_arn": role(of_role),
        "environment": {"API_GATEWAY_ENDPOINT": CALLBACK, **environment},
        "published": True,
        "tags": TAGS,
    }


def handler(short: str) -> dict[str, Any]:
    return function(
        short,
        384,
        7,
        "websocket-lambda",
        CONNECTIONS_TABLE="blue-websocket-connections",
        CONNECTION_TTL_HOURS="5",
        JWT_SECRET_PARAMETER="/whatschat-ops/blue-whatschat-local/jwt-secret",
        LOG_LEVEL="DEBUG",
        USER_INDEX="userId-index",
    )


def table(name: str, key: str, indexes: dict[str, str], *, recovery: bool) -> dict[str, Any]:
    return {
        "table_name": f"blue-{name}",
        "key": key,
        "indexes": indexes,
        "point_in_time_recovery": recovery,
        "deletion_protection": False,
        "billing_mode": "PAY_PER_REQUEST",
        "ttl_attribute": "ttl",
        "tags": TAGS,
    }


FIELDS: dict[str, dict[str, Any]] = {
    "table.connections": table(
        "websocket-connections", "connectionId", {"userId-index": "userId"}, recovery=True
    ),
    "table.meetings": table("chime-meetings", "meetingId", {}, recovery=False),
    **{f"function.{short}": handler(short) for short in ("connect", "disconnect", "default")},
    "function.broadcast-worker": function(
        "broadcast-worker", 640, 900, "broadcast-worker", BROADCAST_BUCKET=BUCKET
    ),
    **{
        f"log_group.{short}": {
            "group_name": f"/aws/lambda/blue-websocket-{short}",
            "retention_days": 30,
            "tags": TAGS,
        }
        for short in ("connect", "disconnect", "default", "broadcast-worker")
    },
    "log_group.access": {"group_name": "/aws/apigateway/blue-websocket", "retention_days": 30, "tags": TAGS},
    **{
        f"alias.{short}": {
            "function_name": Reference(f"function.{short}", "function_name"),
            "alias_name": "live",
            "version": Reference(f"function.{short}", "version"),
            "keep_versions": 3,
        }
        for short in ("connect", "disconnect", "default", "broadcast-worker")
    },
    **{
        f"permission.{short}": {
            "function_name": Reference(f"function.{short}", "function_name"),
            "qualifier": Reference(f"alias.{short}", "alias_name"),
            "principal": "apigateway.amazonaws.com",
            "action": "lambda:InvokeFunction",
            "source_arn": Text(("arn:aws:execute-api:eu-west-1:123456789012:", API_ID, f"/beta/${short}")),
        }
        for short in ("connect", "disconnect", "default")
    },
    **{
        f"integration.{short}": {
            "api_id": API_ID,
            "uri": "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:"
            f"123456789012:function:blue-websocket-{short}:live/invocations",
            "type": "AWS_PROXY",
            "timeout_ms": 6_789,
        }
        for short in ("connect", "disconnect", "default")
    },
    **{
        f"route.{short}": {
            "api_id": API_ID,
            "route_key": f"${short}",
            "target": Text(("integrations/", Reference(f"integration.{short}", "id"))),
            "authorization_type": "NONE",
        }
        for short in ("connect", "disconnect", "default")
    },
    "api.websocket": {
        "api_name": "blue-whatschat-websocket",
        "stack": "blue-whatschat-local",
        "protocol": "WEBSOCKET",
        "route_selection_expression": "$request.body.type",
        "tags": TAGS,
    },
    "stage.websocket": {
        "api_id": API_ID,
        "stage_name": "beta",
        "deployment_id": Reference("deployment.live", "id"),
        "throttling_rate_limit": 123.0,
        "throttling_burst_limit": 45,
        "access_log_group_arn": "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/apigateway/blue-websocket",
        "tags": TAGS,
    },
    "bucket.broadcast": {
        "bucket_name": BUCKET,
        "public_access_blocked": True,
        "encryption": "AES256",
        "expiration_days": 14,  # RedriveExecution: "within 14 days"
        "tags": TAGS,
    },
    "state_machine.broadcast": {
        "state_machine_name": "blue-whatschat-local-broadcast",
        "type": "STANDARD",
        "role_arn": role("broadcast-states"),
        "tags": TAGS,
    },
}
AFTER = {
    "function.connect": {"role.lambda", "log_group.connect"},
    "function.broadcast-worker": {"role.broadcast-worker", "log_group.broadcast-worker"},
    "state_machine.broadcast": {
        "role_policy.broadcast-states",
        "role_policy.broadcast-worker",
        "alias.broadcast-worker",
        "bucket.broadcast",
    },
    "stage.websocket": {
        "api_gateway_log_role.region",
        "log_group.access",
        "permission.connect",
        "permission.disconnect",
        "permission.default",
        "role_policy.lambda",
        "secret.jwt",
        "table.connections",
    },
}
"""What a resource needs and does not refer to: a role's policy, a log group that Lambda would otherwise make itself."""


def wanted() -> dict[str, Resource]:
    return {
        each.address: each
        for each in stack_resources(Blueprint(SETTINGS, Place("eu-west-1", "123456789012"))).wanted
    }


@pytest.mark.parametrize("address", FIELDS)
def test_field_is_what_the_settings_say(address: str) -> None:
    fields = wanted()[address].fields
    assert {name: fields.get(name) for name in FIELDS[address]} == FIELDS[address]


@pytest.mark.parametrize("address", AFTER)
def test_resource_waits_for_what_it_needs(address: str) -> None:
    assert wanted()[address].after >= AFTER[address]


def test_every_kind_of_resource_is_in_the_table_or_in_one_of_its_own() -> None:
    elsewhere = {"role", "role_policy", "api_gateway_log_role", "secret", "deployment"}
    kinds = {address.split(".")[0] for address in FIELDS}
    assert {resource.kind for resource in wanted().values()} - kinds == elsewhere


def test_state_machine_is_exactly_this() -> None:
    """Amazon States Language; a child's output is empty because all outputs together must stay below 256 KiB."""
    busy = ["ServiceException", "AWSLambdaException", "SdkClientException", "TooManyRequestsException"]
    definition = wanted()["state_machine.broadcast"].fields["definition"]
    assert definition["StartAt"] == "Shards"
    shards = dict(definition["States"]["Shards"])
    processor = shards.pop("ItemProcessor")
    assert shards == {
        "Type": "Map",
        "Label": "Shards",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSON"},
            "Parameters": {"Bucket": BUCKET, "Key.$": "$.shards"},
        },
        "MaxConcurrencyPath": "$.workers",
        "ToleratedFailurePercentagePath": "$.tolerated_failure_percentage",
        "ResultPath": None,
        "End": True,
    }
    assert processor == {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "Send",
        "States": {
            "Send": {
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke",
                "Parameters": {
                    "FunctionName": "arn:aws:lambda:eu-west-1:123456789012:function:blue-websocket-broadcast-worker:live",
                    "Payload.$": "$",
                },
                "OutputPath": "$.Payload",
                "Retry": [
                    {"ErrorEquals": ["PermissionDenied", "UsageError"], "MaxAttempts": 0},
                    {
                        "ErrorEquals": [f"Lambda.{name}" for name in busy],
                        "IntervalSeconds": 1,
                        "BackoffRate": 2,
                        "MaxAttempts": 8,
                        "JitterStrategy": "FULL",
                    },
                    {
                        "ErrorEquals": ["States.ALL"],
                        "IntervalSeconds": 2,
                        "BackoffRate": 2,
                        "MaxAttempts": 2,
                    },
                ],
                "Next": "AllSent",
            },
            "AllSent": {
                "Type": "Choice",
                "Choices": [{"Variable": "$.left", "NumericGreaterThan": 0, "Next": "Send"}],
                "Default": "Done",
            },
            "Done": {"Type": "Pass", "Result": {}, "End": True},
        },
    }
