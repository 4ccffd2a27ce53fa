"""Converts ministack's records (plain dictionaries) to the types of `interfaces`.

Pure functions: they take the dictionaries of the API Gateway and Lambda control planes. They import nothing of
ministack.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from whatschat_ops.local.control.async_invocations import (
    DEFAULT_MAX_AGE_S,
    DEFAULT_RETRIES,
    EventSettings,
)
from whatschat_ops.local.control.deployments import is_true
from whatschat_ops.local.interfaces import (
    Authorizer,
    Deployment,
    Integration,
    LambdaFunction,
    LogSettings,
    Mock,
    MockResponse,
    Route,
    Stage,
    Throttle,
    WebSocketApi,
)
from whatschat_ops.quotas import API_REQUESTS, MAX_INTEGRATION_TIMEOUT_MS

Record = Mapping[str, Any]


def websocket_api(
    account_id: str,
    region: str,
    api: Record,
    *,
    stages: Iterable[Record],
    snapshots: Mapping[str, Record],
) -> WebSocketApi:
    """A WebSocket API with its stages. `snapshots` are those of its deployments, by id (`deployments`)."""
    return WebSocketApi(
        id=str(api["apiId"]),
        account_id=account_id,
        region=region,
        stages={
            str(stage["stageName"]): _stage(stage, snapshots.get(str(stage.get("deploymentId"))))
            for stage in stages
        },
    )


def _deployment(snapshot: Record, variables: Record) -> Deployment:
    routes = [_route(route, snapshot, variables) for route in snapshot["routes"].values()]
    return Deployment(str(snapshot["routeSelectionExpression"]), {route.key: route for route in routes})


def _route(record: Record, snapshot: Record, variables: Record) -> Route:
    integration_id = str(record.get("target") or "").rpartition("/")[2]
    integration = snapshot["integrations"].get(integration_id)
    authorizer = snapshot["authorizers"].get(record.get("authorizerId"))
    templates: Record = snapshot["integrationResponses"].get(integration_id) or {}
    return Route(
        key=str(record["routeKey"]),
        integration=_integration(integration, templates.values(), variables) if integration else None,
        authorization_type=str(record.get("authorizationType") or "NONE"),
        has_route_response=bool(snapshot["routeResponses"].get(str(record.get("routeId")))),
        authorizer=_authorizer(authorizer, variables) if authorizer else None,
    )


def _integration(record: Record, responses: Iterable[Record], variables: Record) -> Integration:
    timeout_ms = int(record.get("timeoutInMillis") or MAX_INTEGRATION_TIMEOUT_MS)
    kind = str(record.get("integrationType") or "AWS_PROXY")
    uri = with_stage_variables(str(record.get("integrationUri") or ""), variables)
    return Integration(
        id=str(record["integrationId"]),
        type=kind,
        function_arn=integration_function_arn(uri),
        timeout_ms=min(timeout_ms, MAX_INTEGRATION_TIMEOUT_MS),
        credentials_arn=record.get("credentialsArn") or None,
        mock=_mock(record, responses) if kind == "MOCK" else None,
    )


def _mock(record: Record, responses: Iterable[Record]) -> Mock:
    return Mock(
        templates=record.get("requestTemplates") or {},
        template_selection_expression=str(record.get("templateSelectionExpression") or ""),
        passthrough_behavior=str(record.get("passthroughBehavior") or "WHEN_NO_MATCH"),
        responses={
            str(response["integrationResponseKey"]): MockResponse(
                response.get("responseTemplates") or {},
                str(response.get("templateSelectionExpression") or ""),
            )
            for response in responses
        },
    )


def _authorizer(record: Record, variables: Record) -> Authorizer:
    uri = with_stage_variables(str(record.get("authorizerUri") or ""), variables)
    return Authorizer(
        id=str(record["authorizerId"]),
        function_arn=integration_function_arn(uri),
        timeout_ms=MAX_INTEGRATION_TIMEOUT_MS,
        identity_sources=tuple(listed(record.get("identitySource"))),
        credentials_arn=record.get("authorizerCredentialsArn") or None,
    )


def with_stage_variables(text: str, variables: Record) -> str:
    """The text with `${stageVariables.NAME}` replaced; a variable that the stage does not have is empty.

    >>> with_stage_variables("function:${stageVariables.name}:live", {"name": "connect"})
    'function:connect:live'
    """
    return re.sub(r"\$\{stageVariables\.(\w+)\}", lambda found: str(variables.get(found[1], "")), text)


def integration_function_arn(uri: str) -> str | None:
    """The function in an integration's URI, which is its ARN or API Gateway's wrapper around it.

    >>> integration_function_arn("arn:aws:apigateway:r:lambda:path/2015-03-31/functions/arn:aws:lambda:r:1:function:f:live/invocations")
    'arn:aws:lambda:r:1:function:f:live'
    """
    wrapped = re.search(r"/functions/(.+)/invocations$", uri)
    arn = wrapped.group(1) if wrapped else uri
    return arn if ":lambda:" in arn and ":function:" in arn else None


def _stage(record: Record, snapshot: Record | None) -> Stage:
    defaults: Record = record.get("defaultRouteSettings") or {}
    access_logs: Record = record.get("accessLogSettings") or {}
    variables: Record = record.get("stageVariables") or {}
    per_route = {
        str(key): throttle
        for key, settings in (record.get("routeSettings") or {}).items()
        if (throttle := _throttle(settings)) is not None
    }
    return Stage(
        name=str(record["stageName"]),
        deployment=None if snapshot is None else _deployment(snapshot, variables),
        variables=variables,
        throttle=_throttle(defaults),
        route_throttles=per_route,
        access_log_group_arn=access_logs.get("destinationArn") or None,
        access_log_format=access_logs.get("format") or None,
        detailed_metrics=is_true(defaults.get("detailedMetricsEnabled")),
        route_metrics={
            str(key): is_true(settings["detailedMetricsEnabled"])
            for key, settings in (record.get("routeSettings") or {}).items()
            if settings.get("detailedMetricsEnabled") is not None
        },
    )


def _throttle(settings: Record) -> Throttle | None:
    rate, burst = settings.get("throttlingRateLimit"), settings.get("throttlingBurstLimit")
    if rate is None and burst is None:
        return None
    # A limit that is not set is the account's.
    return Throttle(
        API_REQUESTS.rate_per_s if rate is None else float(rate),
        API_REQUESTS.burst if burst is None else int(burst),
    )


def log_group(config: Record) -> str:
    """The log group of a function."""
    return str((config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config['FunctionName']}")


def lambda_function(
    invoked_arn: str,
    region: str,
    config: Record,
    code_zip: bytes,
    credentials: Mapping[str, str],
    reserved_concurrency: int | None,
) -> LambdaFunction:
    """One version of a function, with the ARN by which it is invoked."""
    return LambdaFunction(
        arn=invoked_arn,
        name=str(config["FunctionName"]),
        version=str(config.get("Version") or "$LATEST"),
        runtime=str(config.get("Runtime") or ""),
        handler=str(config.get("Handler") or ""),
        code_sha256=str(config.get("CodeSha256") or ""),
        code_zip=code_zip,
        environment=dict((config.get("Environment") or {}).get("Variables") or {}),
        timeout_s=float(config.get("Timeout") or 3),
        memory_mb=int(config.get("MemorySize") or 128),
        credentials=credentials,
        log_group=log_group(config),
        region=region,
        reserved_concurrency=reserved_concurrency,
        role_arn=str(config["Role"]) if config.get("Role") else None,
        logging=log_settings(config),
    )


def log_settings(config: Record) -> LogSettings:
    """The format and the levels of a function's log."""
    given = config.get("LoggingConfig") or {}
    return LogSettings(
        given.get("LogFormat") == "JSON",
        str(given.get("ApplicationLogLevel") or "INFO"),
        str(given.get("SystemLogLevel") or "INFO"),
    )


def split_qualifier(function_arn: str) -> tuple[str, str | None]:
    """The ARN without its version or alias, and that."""
    parts = function_arn.split(":")
    return ":".join(parts[:7]), parts[7] if len(parts) > 7 else None


def event_settings(
    qualified_arn: str, config: Record, configured: Record, reserved_concurrency: int | None
) -> EventSettings:
    """From a function's configuration, its EventInvokeConfig (empty if it has none) and its reserved concurrency."""
    destinations = configured.get("DestinationConfig") or {}

    def destination(name: str) -> str | None:
        return (destinations.get(name) or {}).get("Destination") or None

    return EventSettings(
        qualified_arn,
        str(config.get("Role") or ""),
        int(configured.get("MaximumRetryAttempts", DEFAULT_RETRIES)),
        float(configured.get("MaximumEventAgeInSeconds", DEFAULT_MAX_AGE_S)),
        destination("OnSuccess"),
        destination("OnFailure"),
        (config.get("DeadLetterConfig") or {}).get("TargetArn") or None,
        is_disabled=reserved_concurrency == 0,
    )


def versions_by_weight(function: Record, qualifier: str | None) -> list[tuple[str, float]]:
    """The versions that an invocation of `qualifier` may run, with their probability; empty if it does not exist.

    A weighted alias gives each additional version its weight and the rest to its main version (AWS Lambda developer
    guide, "Implement Lambda canary deployments using a weighted alias").
    """
    if qualifier in (None, "", "$LATEST"):
        return [("$LATEST", 1.0)]
    alias = (function.get("aliases") or {}).get(qualifier)
    if alias is None:
        return [(str(qualifier), 1.0)] if qualifier in (function.get("versions") or {}) else []
    weights = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    additional = [(str(version), float(weight)) for version, weight in weights.items()]
    main = str(alias.get("FunctionVersion") or "$LATEST")
    return [(main, 1.0 - sum(weight for _, weight in additional)), *additional]


def listed(value: Any) -> list[str]:
    """A member that may be one value or a list of them, as a list of strings."""
    if value is None:
        return []
    return [str(item) for item in value] if isinstance(value, (list, tuple)) else [str(value)]
