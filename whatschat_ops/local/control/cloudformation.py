"""Additions to ministack 1.5.33's CloudFormation, for the resource types of a WebSocket stack.

- It does not support `AWS::ApiGatewayV2::Deployment` and rejects a template that has one.
- It ignores a table's `TimeToLiveSpecification` and `PointInTimeRecoverySpecification`.
- It stores a stage's route settings under names that differ from those in API Gateway's own responses.
- It ignores a bucket's tags, encryption and expiration (cloudformation_bucket.py).
- Its `ApiEndpoint` is a host name that does not resolve.
- It accepts functions that Lambda refuses (lambda_validation.py), and drops their dead letters and reserved
  concurrency.

The types are those of the CloudFormation resource reference. A handler is a mapping with `create`, `update` and
`delete`; `install` adds one and wraps some of ministack's.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from whatschat_ops.local.control.cloudformation_bucket import complete_bucket
from whatschat_ops.local.control.lambda_validation import Refusal, of_function
from whatschat_ops.local.control.modules import require_names
from whatschat_ops.local.control.wire import EXECUTE_API, Handler
from whatschat_ops.local.layout import HOST

Made = tuple[str, dict[str, Any]]
"""Physical id (what Ref gives) and attributes (what Fn::GetAtt gives)."""

Change = Callable[[Mapping[str, Any]], Mapping[str, Any]]
After = Callable[[Made, Mapping[str, Any]], Made]


REPLACES = tuple(
    f"provisioners._RESOURCE_HANDLERS[{kind}]"
    for kind in (
        "AWS::ApiGatewayV2::Api",
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
            _wrap(
                provisioners._RESOURCE_HANDLERS["AWS::S3::Bucket"],
                after=lambda made, props: _with_bucket_settings(made, props, provisioners._s3),
            )
            _wrap(
                provisioners._RESOURCE_HANDLERS["AWS::Lambda::Function"],
                after=lambda made, props: _with_function_settings(made, props, lambda_svc),
            )
            _check(
                provisioners._RESOURCE_HANDLERS["AWS::Lambda::Function"],
                lambda props: _function_refusal(props, lambda_svc),
            )
            installed = True
        return await handler(*request)

    return handle


def install(handlers: dict[str, dict[str, Any]], apigateway: Any, dynamodb: Any, port: int) -> None:
    """Complete ministack's table of resource types, `handlers`."""
    handlers["AWS::ApiGatewayV2::Deployment"] = _deployment(apigateway)
    _wrap(handlers["AWS::ApiGatewayV2::Stage"], before=_with_route_settings)
    _wrap(handlers["AWS::ApiGatewayV2::Api"], after=lambda made, props: _with_endpoint(made, props, port))
    _wrap(
        handlers["AWS::DynamoDB::Table"],
        after=lambda made, props: _with_table_settings(made, props, dynamodb),
    )


def _wrap(
    handler: dict[str, Any],
    before: Change = lambda props: props,
    after: After = lambda made, _props: made,
) -> None:
    create, update = handler["create"], handler["update"]

    def created(logical_id: str, props: Mapping[str, Any], stack_name: str) -> Made:
        props = before(props)
        return after(create(logical_id, props, stack_name), props)

    def updated(
        physical_id: str, old: Mapping[str, Any], new: Mapping[str, Any], *rest: Any, **more: Any
    ) -> Made:
        new = before(new)
        return after(update(physical_id, before(old), new, *rest, **more), new)

    handler["create"], handler["update"] = created, updated


def _check(handler: dict[str, Any], refusal: Callable[[Mapping[str, Any]], Refusal | None]) -> None:
    """Fail the resource when its new properties are refused."""
    create, update = handler["create"], handler["update"]

    def require(props: Mapping[str, Any]) -> None:
        if (refused := refusal(props)) is not None:
            raise ValueError(refused[1])

    def created(logical_id: str, props: Mapping[str, Any], stack_name: str) -> Made:
        require(props)
        made: Made = create(logical_id, props, stack_name)
        return made

    def updated(
        physical_id: str, old: Mapping[str, Any], new: Mapping[str, Any], *rest: Any, **more: Any
    ) -> Made:
        require(new)
        made: Made = update(physical_id, old, new, *rest, **more)
        return made

    handler["create"], handler["update"] = created, updated


def _with_function_settings(made: Made, props: Mapping[str, Any], lambda_svc: Any) -> Made:
    """With the dead letters and the reserved concurrency of the template, which ministack drops."""
    record = lambda_svc._functions[made[0]]
    record["concurrency"] = props.get("ReservedConcurrentExecutions")
    record["config"]["DeadLetterConfig"] = dict(props.get("DeadLetterConfig") or {})
    return made


def _function_refusal(props: Mapping[str, Any], lambda_svc: Any) -> Refusal | None:
    code = dict(props.get("Code") or {})
    if source := code.get("ZipFile"):  # the source of one file, not a zip
        code["ZipFile"] = base64.b64encode(source.encode())
    return of_function({**props, "Code": code}, lambda_svc)


def _deployment(apigateway: Any) -> dict[str, Any]:
    """Only the description can be updated; another API requires replacement (resource reference)."""

    def create(_logical_id: str, props: Mapping[str, Any], _stack_name: str) -> Made:
        api_id = props["ApiId"]
        wanted = {"description": props.get("Description", ""), "stageName": props.get("StageName")}
        deployment_id = _answer(apigateway._create_deployment(api_id, wanted))["deploymentId"]
        return deployment_id, {"DeploymentId": deployment_id}

    def update(physical_id: str, old: Mapping[str, Any], new: Mapping[str, Any], stack_name: str) -> Made:
        if new["ApiId"] != old["ApiId"] or new.get("StageName") != old.get("StageName"):
            return create("", new, stack_name)
        _answer(apigateway._get_deployment(new["ApiId"], physical_id))
        apigateway._deployments[new["ApiId"]][physical_id]["description"] = new.get("Description", "")
        return physical_id, {"DeploymentId": physical_id}

    def delete(physical_id: str, props: Mapping[str, Any]) -> None:
        status, _, body = apigateway._delete_deployment(props["ApiId"], physical_id)
        if status not in (204, 404):  # the API may have been deleted with it
            raise ValueError(f"AWS::ApiGatewayV2::Deployment: {body!r}")

    return {"create": create, "update": update, "delete": delete}


def _answer(response: tuple[int, Any, bytes]) -> dict[str, Any]:
    """The document of a service's response. A ValueError fails the resource, and with it the stack."""
    status, _, body = response
    document: dict[str, Any] = json.loads(body)
    if status >= 400:
        raise ValueError(document.get("message") or document.get("Message") or str(document))
    return document


def _with_route_settings(props: Mapping[str, Any]) -> Mapping[str, Any]:
    changed = dict(props)
    if settings := props.get("DefaultRouteSettings"):
        changed["DefaultRouteSettings"] = _camel(settings)
    if by_route := props.get("RouteSettings"):
        changed["RouteSettings"] = {route: _camel(settings) for route, settings in by_route.items()}
    return changed


def _camel(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key[:1].lower() + key[1:]: value for key, value in settings.items()}


def _with_endpoint(made: Made, props: Mapping[str, Any], port: int) -> Made:
    api_id, attributes = made
    scheme = "ws" if props.get("ProtocolType") == "WEBSOCKET" else "http"
    return api_id, {**attributes, "ApiEndpoint": f"{scheme}://{HOST}:{port}{EXECUTE_API}{api_id}"}


def _with_bucket_settings(made: Made, props: Mapping[str, Any], s3: Any) -> Made:
    complete_bucket(made[0], props, s3)
    return made


def _with_table_settings(made: Made, props: Mapping[str, Any], dynamodb: Any) -> Made:
    name, _ = made
    ttl = props.get("TimeToLiveSpecification")
    if ttl is not None:
        _answer(dynamodb._update_ttl({"TableName": name, "TimeToLiveSpecification": ttl}))
    recovery = props.get("PointInTimeRecoverySpecification") or {"PointInTimeRecoveryEnabled": False}
    _answer(
        dynamodb._update_continuous_backups({"TableName": name, "PointInTimeRecoverySpecification": recovery})
    )
    return made
