"""Additions to ministack 1.5.33's CloudFormation, for the resource types of a WebSocket stack.

- Of API Gateway's types it lacks three, and checks nothing in the others (cloudformation_apis.py).
- It ignores a table's `TimeToLiveSpecification` and `PointInTimeRecoverySpecification`.
- It ignores a bucket's tags, encryption and expiration (cloudformation_bucket.py).
- It accepts functions that Lambda refuses (lambda_validation.py), and drops their dead letters and reserved
  concurrency.

The types are those of the CloudFormation resource reference. A handler is a mapping with `create`, `update` and
`delete`; `install` adds one and wraps some of ministack's.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from whatschat_ops.local.control import cloudformation_apis
from whatschat_ops.local.control.cloudformation_bucket import complete_bucket
from whatschat_ops.local.control.cloudformation_handler import Made, answer, wrap
from whatschat_ops.local.control.lambda_validation import of_function
from whatschat_ops.local.control.modules import require_names
from whatschat_ops.local.control.wire import Handler

REPLACES = tuple(
    f"provisioners._RESOURCE_HANDLERS[{kind}]"
    for kind in (
        "AWS::ApiGatewayV2::Api",
        "AWS::ApiGatewayV2::Authorizer",
        "AWS::ApiGatewayV2::Integration",
        "AWS::ApiGatewayV2::Route",
        "AWS::ApiGatewayV2::Stage",
        "AWS::DynamoDB::Table",
        "AWS::Lambda::Function",
        "AWS::S3::Bucket",
    )
)
"""Names that must exist in ministack's module `services.cloudformation.provisioners`."""


def completed(handler: Handler, apigateway: Any, dynamodb: Any, lambda_svc: Any, port: int) -> Handler:
    """ministack's CloudFormation; its table of resource types is completed before the first request.

    Not earlier: its module imports every service, which takes half a second and 30 MB.
    """
    installed = False

    async def handle(*request: Any) -> Any:
        nonlocal installed
        if not installed:
            from ministack.services.cloudformation import provisioners

            require_names(SimpleNamespace(provisioners=provisioners), REPLACES)
            install(provisioners._RESOURCE_HANDLERS, apigateway, dynamodb, port)
            wrap(
                provisioners._RESOURCE_HANDLERS["AWS::S3::Bucket"],
                after=lambda made, props: _with_bucket_settings(made, props, provisioners._s3),
            )
            wrap(
                provisioners._RESOURCE_HANDLERS["AWS::Lambda::Function"],
                check=lambda props: _function_refusal(props, lambda_svc),
                after=lambda made, props: _with_function_settings(made, props, lambda_svc),
            )
            installed = True
        return await handler(*request)

    return handle


def install(handlers: dict[str, dict[str, Any]], apigateway: Any, dynamodb: Any, port: int) -> None:
    """Complete ministack's table of resource types, `handlers`."""
    cloudformation_apis.install(handlers, apigateway, port)
    wrap(
        handlers["AWS::DynamoDB::Table"],
        after=lambda made, props: _with_table_settings(made, props, dynamodb),
    )


def _with_function_settings(made: Made, props: Mapping[str, Any], lambda_svc: Any) -> Made:
    """With the dead letters and the reserved concurrency of the template, which ministack drops."""
    record = lambda_svc._functions[made[0]]
    record["concurrency"] = props.get("ReservedConcurrentExecutions")
    record["config"]["DeadLetterConfig"] = dict(props.get("DeadLetterConfig") or {})
    return made


def _function_refusal(props: Mapping[str, Any], lambda_svc: Any) -> str | None:
    code = dict(props.get("Code") or {})
    if source := code.get("ZipFile"):  # the source of one file, not a zip
        code["ZipFile"] = base64.b64encode(source.encode())
    refused = of_function({**props, "Code": code}, lambda_svc)
    return None if refused is None else refused[1]


def _with_bucket_settings(made: Made, props: Mapping[str, Any], s3: Any) -> Made:
    complete_bucket(made[0], props, s3)
    return made


def _with_table_settings(made: Made, props: Mapping[str, Any], dynamodb: Any) -> Made:
    name, _ = made
    ttl = props.get("TimeToLiveSpecification")
    if ttl is not None:
        answer(dynamodb._update_ttl({"TableName": name, "TimeToLiveSpecification": ttl}))
    recovery = props.get("PointInTimeRecoverySpecification") or {"PointInTimeRecoveryEnabled": False}
    answer(
        dynamodb._update_continuous_backups({"TableName": name, "PointInTimeRecoverySpecification": recovery})
    )
    return made
