"""What API Gateway refuses in the resources of a WebSocket API, and what the embedded AWS refuses because it does not
do it.

Pure functions of documents with the names of the API (camel case). The operations of API Gateway and the resource
types of CloudFormation are checked by the same rules. A message that says "the embedded AWS does not" is about a gap
of ours; the others are about a rule of AWS, of the API Gateway V2 API Reference unless another page is named.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from whatschat_ops.local.control.records import integration_function_arn
from whatschat_ops.local.gateway.templates import unsupported
from whatschat_ops.quotas import (
    MAX_API_DESCRIPTION_CHARACTERS,
    MAX_API_NAME_CHARACTERS,
    MAX_INTEGRATION_TIMEOUT_MS,
    MIN_INTEGRATION_TIMEOUT_MS,
    STAGE_PATTERN,
)

Document = Mapping[str, Any]

GAPS: Final[Mapping[str, Mapping[str, str]]] = {
    "api": {"disableExecuteApiEndpoint": "close the default endpoint of an API"},
    "route": {
        "apiKeyRequired": "check API keys",
        "requestModels": "validate messages against models",
        "modelSelectionExpression": "validate messages against models",
        "requestParameters": "validate requests",
    },
    "integration": {
        "requestParameters": "map request parameters",
        "contentHandlingStrategy": "convert payloads",
    },
    "stage": {"clientCertificateId": "present client certificates"},
    "authorizer": {"identityValidationExpression": "keep an expression that AWS does not use"},
    "routeResponse": {
        "responseModels": "validate responses against models",
        "modelSelectionExpression": "validate responses against models",
        "responseParameters": "map response parameters",
    },
    "integrationResponse": {
        "responseParameters": "map response parameters",
        "contentHandlingStrategy": "convert payloads",
    },
}
"""Kind -> property that is refused when it is set -> what the embedded AWS does not do."""

HTTP_ONLY: Final[Mapping[str, frozenset[str]]] = {
    "api": frozenset({"corsConfiguration", "target", "routeKey", "credentialsArn"}),
    "route": frozenset({"authorizationScopes"}),
    "integration": frozenset({"integrationSubtype", "responseParameters", "tlsConfig", "connectionId"}),
    "authorizer": frozenset(
        {
            "jwtConfiguration",
            "enableSimpleResponses",
            "authorizerPayloadFormatVersion",
            "authorizerResultTtlInSeconds",
        }
    ),
}
"""Kind -> properties that are "supported only for HTTP APIs"."""

NOT_REQUEST: Final = (
    "Invalid authorizer type. Only REQUEST authorizer type is supported on WEBSOCKET protocol Apis."
)
_IDENTITY_SOURCE = re.compile(
    r"route\.request\.(header|querystring)\.[^\s.]+|stageVariables\.\w+|context\.[\w.]+"
)
_BODY_VARIABLES = re.compile(r"\\\$|\$\{?request\.body[\w.\[\]'-]*\}?")
_EXPRESSION_VARIABLES = re.compile(
    rf"{_BODY_VARIABLES.pattern}|\$default|\$\{{?integration\.response\.statuscode\}}?"
)


def refusal(kind: str, given: Document, whole: Document) -> str | None:
    """Why a resource of a WebSocket API is refused, or None. `whole` is the resource as it would become, `given` the
    properties in the request.
    """
    if kind == "authorizer" and whole.get("authorizerType") != "REQUEST":
        return NOT_REQUEST
    for name in HTTP_ONLY.get(kind, ()):
        if _is_set(given.get(name)):
            return f"{_title(name)} is supported only for HTTP APIs"
    for name, gap in GAPS[kind].items():
        if _is_set(whole.get(name)):
            return f"{_title(name)}: the embedded AWS does not {gap}"
    return _RULES[kind](whole) or _timeout(given) or _stage_settings(given)


def _is_set(value: object) -> bool:
    return bool(value) and str(value).lower() != "false"


def _title(name: str) -> str:
    return name[:1].upper() + name[1:]


def _api(whole: Document) -> str | None:
    if not 1 <= len(str(whole.get("name", "-"))) <= MAX_API_NAME_CHARACTERS:
        return f"Name must have between 1 and {MAX_API_NAME_CHARACTERS} characters"
    if len(str(whole.get("description") or "")) > MAX_API_DESCRIPTION_CHARACTERS:
        return f"Description must have at most {MAX_API_DESCRIPTION_CHARACTERS} characters"
    expression = str(whole.get("routeSelectionExpression") or "")
    if not expression:
        return "Route selection expression is required for WEBSOCKET APIs"
    if "$" in _BODY_VARIABLES.sub("", expression):
        return (
            f"RouteSelectionExpression: the embedded AWS does not evaluate {expression}, only $request.body"
        )
    if whole.get("ipAddressType") not in (None, "", "ipv4"):
        return "IpAddressType: the embedded AWS does not listen on IPv6"
    return None


def _route(whole: Document) -> str | None:
    """Page: websocket-api-develop-routes; apigateway-websocket-api-selection-expressions."""
    key, authorization = str(whole.get("routeKey") or ""), whole.get("authorizationType") or "NONE"
    if not key:
        return "Route key is required"
    if key.startswith("$") and key not in ("$connect", "$disconnect", "$default"):
        return f"Route key {key} is not valid: keys that begin with $ are reserved"
    if whole.get("routeResponseSelectionExpression") not in (None, "", "$default"):
        return "Route response selection expression: only $default is supported"
    if authorization not in ("NONE", "AWS_IAM", "CUSTOM", "JWT"):
        return f"Invalid authorization type {authorization}"
    if authorization == "CUSTOM" and not whole.get("authorizerId"):
        return "Authorization type CUSTOM requires an AuthorizerId"
    return None


def _integration(whole: Document) -> str | None:
    kind = whole.get("integrationType")
    if kind in ("AWS", "HTTP", "HTTP_PROXY"):
        return f"IntegrationType {kind}: the embedded AWS does not carry it out, only AWS_PROXY and MOCK"
    if kind not in ("AWS_PROXY", "MOCK"):
        return f"Invalid integration type {kind}"
    if whole.get("connectionType") not in (None, "", "INTERNET"):
        return f"ConnectionType {whole['connectionType']} is supported only for HTTP APIs"
    if whole.get("passthroughBehavior") not in (None, "", "WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER"):
        return f"Invalid passthrough behavior {whole['passthroughBehavior']}"
    return _lambda(whole) if kind == "AWS_PROXY" else _mock(whole)


def _timeout(given: Document) -> str | None:
    """Of an integration. ministack's default, which an update finds, is that of HTTP APIs."""
    timeout_ms = given.get("timeoutInMillis")
    least, most = MIN_INTEGRATION_TIMEOUT_MS, MAX_INTEGRATION_TIMEOUT_MS
    try:
        accepted = timeout_ms is None or least <= int(timeout_ms) <= most
    except (ValueError, TypeError, OverflowError):  # not a number
        accepted = False
    return None if accepted else f"Timeout should be between {least} ms and {most} ms"


def _stage_settings(given: Document) -> str | None:
    """What a stage would write: to Firehose, or the execution log that a setting of its routes asks for."""
    destination = str((given.get("accessLogSettings") or {}).get("destinationArn") or "")
    if ":firehose:" in destination:
        return "AccessLogSettings: the embedded AWS does not send access logs to Firehose"
    routes = given.get("routeSettings") or {}
    for settings in (given.get("defaultRouteSettings") or {}, *routes.values()):
        for name, off in (("loggingLevel", "OFF"), ("dataTraceEnabled", "")):
            if _is_set(settings.get(name)) and settings[name] != off:
                return f"{_title(name)}: the embedded AWS does not write execution logs"
    return None


def _lambda(whole: Document) -> str | None:
    if not _names_a_function(str(whole.get("integrationUri") or "")):
        return "IntegrationUri: the embedded AWS does not call anything but Lambda functions"
    if str(whole.get("credentialsArn") or "").endswith(":user/*"):
        return "CredentialsArn: the embedded AWS does not pass the caller's identity through"
    for name in ("requestTemplates", "templateSelectionExpression"):
        if whole.get(name):
            return f"{_title(name)}: the embedded AWS does not apply templates to AWS_PROXY integrations"
    return None


def _names_a_function(uri: str) -> bool:
    return "${stageVariables." in uri or integration_function_arn(uri) is not None


def _mock(whole: Document) -> str | None:
    return _templates("RequestTemplates", whole.get("requestTemplates")) or _expression(whole)


def _templates(name: str, templates: Document | None) -> str | None:
    for template in (templates or {}).values():
        if part := unsupported(str(template)):
            return (
                f"{name}: the embedded AWS does not run {part!r} of Velocity, only $context, $stageVariables, "
                "$input.body and $input.json"
            )
    return None


def _expression(whole: Document) -> str | None:
    expression = str(whole.get("templateSelectionExpression") or "")
    if "$" in _EXPRESSION_VARIABLES.sub("", expression):
        return f"TemplateSelectionExpression: the embedded AWS does not evaluate {expression}"
    return None


def _stage(whole: Document) -> str | None:
    name = str(whole.get("stageName") or "")
    if not re.fullmatch(STAGE_PATTERN, name):
        return (
            f"Stage name {name!r} is not valid: it can contain only letters, digits, hyphens and underscores"
        )
    for variable, value in (whole.get("stageVariables") or {}).items():
        if not re.fullmatch(r"\w+", variable, re.ASCII):
            return f"Stage variable name {variable!r} is not valid"
        if not re.fullmatch(r"[A-Za-z0-9\-._~:/?#&=,]+", str(value)):
            return f"Stage variable {variable} has a value with characters that are not valid"
    return None


def _authorizer(whole: Document) -> str | None:
    if not whole.get("name"):
        return "Authorizer name is required"
    if not _names_a_function(str(whole.get("authorizerUri") or "")):
        return "Authorizer URI must be a well-formed Lambda function URI"
    for source in whole.get("identitySource") or ():
        if not _IDENTITY_SOURCE.fullmatch(str(source)):
            return (
                f"Identity source {source} is not valid: route.request.header.NAME, route.request.querystring.NAME, "
                "stageVariables.NAME or context.NAME"
            )
    return None


def _route_response(whole: Document) -> str | None:
    key = whole.get("routeResponseKey")
    return None if key == "$default" else f"Route response key {key}: only $default is supported"


def _integration_response(whole: Document) -> str | None:
    key = str(whole.get("integrationResponseKey") or "")
    if key.startswith("/"):
        try:
            re.compile(key.strip("/"))
        except re.error:
            key = ""
    if key != "$default" and not re.fullmatch(r"/.+/|\d{3}", key):
        return "Integration response key must be $default or a regular expression between slashes"
    return _templates("ResponseTemplates", whole.get("responseTemplates")) or _expression(whole)


_RULES: Final[Mapping[str, Callable[[Document], str | None]]] = {
    "api": _api,
    "route": _route,
    "integration": _integration,
    "stage": _stage,
    "authorizer": _authorizer,
    "routeResponse": _route_response,
    "integrationResponse": _integration_response,
}
