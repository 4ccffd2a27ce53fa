"""The rows of the table of corrections for requests that ministack would carry out in part."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final
from xml.sax.saxutils import escape

from whatschat_ops.local.control import (
    athena,
    dynamodb_checks,
    iam_checks,
    leading_keys,
    model_constraints,
    refused_parameters,
    sns_checks,
    ssm_checks,
)
from whatschat_ops.local.control.correction import Correction, Parts, wrap_handler
from whatschat_ops.local.control.modules import Modules
from whatschat_ops.local.control.request_checks import Checks, Refusal, checked, refused
from whatschat_ops.local.control.wire import Handler, Response
from whatschat_ops.local.layout import ACCOUNT_ID

MAX_LISTED_FUNCTIONS: Final = 50
"""Of a page of ListFunctions, whatever MaxItems says (Lambda API reference)."""

_WITH_REFUSALS: Final = tuple(sorted(refused_parameters.REFUSED.keys() - {"cloudwatch"}))
"""CloudWatch has a third protocol, and refuses where it is read: corrections_cloudwatch."""

_BARE_AMPERSAND: Final = re.compile(rb"&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[0-9a-fA-F]+);)")
_HEADERS: Final = {"x-amz-tenant-id": "TenantId", "x-amz-durable-execution-name": "DurableExecutionName"}
_MAPPING_PARAMETERS: Final = (
    "AmazonManagedKafkaEventSourceConfig", "DocumentDBEventSourceConfig", "MetricsConfig",
    "ProvisionedPollerConfig", "Queues", "SelfManagedEventSource", "SelfManagedKafkaEventSourceConfig",
    "SourceAccessConfigurations", "StartingPositionTimestamp", "Topics", "TumblingWindowInSeconds",
)  # fmt: skip


def _check(service: str, checks: Callable[[Modules], Checks]) -> Callable[[Modules, Parts], None]:
    def apply(modules: Modules, _: Parts) -> None:
        wrap_handler(modules, service, lambda handler: checked(handler, checks(modules)))

    return apply


_SECRETS: Final[Checks] = {
    "ListSecrets": refused("SortBy", "SortOrder", code="InvalidParameterException"),
    "RotateSecret": refused(
        "ExternalSecretRotationMetadata",
        "ExternalSecretRotationRoleArn",
        "RotateImmediately",
        code="InvalidParameterException",
    ),
}


def _is_runnable(given: Mapping[str, Any]) -> Refusal | None:
    for name in ("ItemBatcher", "ResultWriter"):
        if f'"{name}"' in str(given.get("definition")):
            return "InvalidDefinition", f"{name}: the embedded AWS does not have it in Map states."
    return None


def _of_dynamodb(modules: Modules) -> Checks:
    def described(table: str) -> Mapping[str, Any]:
        return modules.dynamodb._tables.get(table) or {}

    return dynamodb_checks.checks(described)


def _escape_iam(modules: Modules, _: Parts) -> None:
    """Messages are escaped; in other texts an ampersand, the only character of XML that IAM itself allows in them."""
    error = modules.iam._error

    def escaped_error(status: int, code: str, message: str, **options: Any) -> Response:
        answer: Response = error(status, code, escape(message), **options)
        return answer

    modules.iam._error = modules.sts._error = escaped_error

    def with_escaped_texts(handler: Handler) -> Handler:
        async def handle(*request: Any) -> Response:
            status, headers, body = await handler(*request)
            return status, headers, _BARE_AMPERSAND.sub(b"&amp;", body) if isinstance(body, bytes) else body

        return handle

    wrap_handler(modules, "iam", with_escaped_texts)


def _list_versions(modules: Modules, _: Parts) -> None:
    lambda_svc = modules.lambda_svc

    def list_functions(query_params: Mapping[str, Any]) -> Response:
        given = {name: value[0] if isinstance(value, list) else value for name, value in query_params.items()}
        if problem := _listing_problem(given):
            refused: Response = lambda_svc.error_response_json("InvalidParameterValueException", problem, 400)
            return refused
        configs = [
            config
            for _, function in sorted(lambda_svc._functions.items())
            for config in _listed(function, given.get("FunctionVersion") == "ALL")
        ]
        begin, size = (
            int(given.get("Marker") or 0),
            min(int(given.get("MaxItems") or 50), MAX_LISTED_FUNCTIONS),
        )
        document: dict[str, Any] = {"Functions": configs[begin : begin + size]}
        if begin + size < len(configs):
            document["NextMarker"] = str(begin + size)
        answer: Response = lambda_svc.json_response(document)
        return answer

    lambda_svc._list_functions = list_functions


def _listed(function: Mapping[str, Any], with_versions: bool) -> list[dict[str, Any]]:
    latest = function["config"]
    if not with_versions:
        return [latest]
    versions = function.get("versions") or {}
    configs = {
        "$LATEST": latest,
        **{number: versions[number]["config"] for number in sorted(versions, key=int)},
    }
    return [
        {**config, "FunctionArn": f"{latest['FunctionArn']}:{version}"} for version, config in configs.items()
    ]


def _listing_problem(given: Mapping[str, str]) -> str | None:
    if given.get("FunctionVersion", "ALL") != "ALL":
        return f"FunctionVersion must be ALL, not {given['FunctionVersion']}."
    if "MasterRegion" in given:
        return "MasterRegion: the embedded AWS does not have Lambda@Edge."
    size, marker = given.get("MaxItems", "50"), given.get("Marker", "0")
    if not size.isdecimal() or not 1 <= int(size) <= 10_000:
        return "MaxItems must be between 1 and 10000."
    return None if marker.isdecimal() else f"The marker {marker} is not valid."


def _refuse_lambda_parameters(modules: Modules, _: Parts) -> None:
    def wrap(handler: Handler) -> Handler:
        async def handle(method: str, path: str, headers: Any, body: bytes, query_params: Any) -> Response:
            if name := _ignored_by_lambda(method, path, headers, body):
                message = f"{name}: the embedded AWS does not support this parameter."
                refused: Response = modules.lambda_svc.error_response_json(
                    "InvalidParameterValueException", message, 400
                )
                return refused
            answer = await handler(method, path, headers, body, query_params)
            if method in ("POST", "PUT") and path.rstrip("/").endswith(("/functions", "/code")):
                _qualify_versions(modules.lambda_svc._functions.values())
            return answer

        return handle

    wrap_handler(modules, "lambda", wrap)


def _qualify_versions(functions: Iterable[Mapping[str, Any]]) -> None:
    for function in functions:
        arn = function["config"]["FunctionArn"]
        for number, version in (function.get("versions") or {}).items():
            version["config"]["FunctionArn"] = f"{arn}:{number}"


def _ignored_by_lambda(method: str, path: str, headers: Mapping[str, str], body: bytes) -> str | None:
    if name := next((name for header, name in _HEADERS.items() if header in headers), None):
        return name
    if method == "POST" and path.rstrip("/").endswith("/event-source-mappings"):
        try:
            given = json.loads(body)
        except (ValueError, RecursionError):
            return None
        return next((name for name in _MAPPING_PARAMETERS if isinstance(given, dict) and name in given), None)
    if method == "PUT" and path.rstrip("/").endswith("/code-signing-config"):
        return "CodeSigningConfigArn"
    publishes = method in ("POST", "PUT") and path.rstrip("/").endswith(("/functions", "/code", "/versions"))
    return "PublishTo" if publishes and b'"PublishTo"' in body else None


def _check_bucket_owner(modules: Modules, _: Parts) -> None:
    def wrap(handler: Handler) -> Handler:
        async def handle(method: str, path: str, headers: Any, *rest: Any) -> Response:
            owners = (headers.get(f"x-amz-{source}expected-bucket-owner") for source in ("", "source-"))
            if any(owner not in (None, ACCOUNT_ID) for owner in owners):
                body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
                return 403, {"Content-Type": "application/xml"}, body
            return await handler(method, path, headers, *rest)

        return handle

    wrap_handler(modules, "s3", wrap)


def _check_constraints(modules: Modules, _: Parts) -> None:
    for service in model_constraints.CODES:
        wrap_handler(modules, service, partial(model_constraints.checked, service))


def _refuse_parameters(modules: Modules, _: Parts) -> None:
    for service in _WITH_REFUSALS:
        checks = refused_parameters.checks(service)
        wrap_handler(modules, service, partial(checked, checks=checks))


CHECKS: Final = (
    Correction(
        what="takes names, descriptions, limits and lists of any length and characters, and values that no enumeration has",
        why="the constraints of the service model, with AWS's code and text",
        source="the service models",
        replaces=tuple(f"app.SERVICE_HANDLERS[{service}]" for service in model_constraints.CODES),
        apply=_check_constraints,
    ),
    Correction(
        what="accepts parameters and operations that it never reads, such as EventBridge endpoints, deliveries of vended logs and sessions with MFA",
        why="refused by name, with an error type of the operation",
        source="our decision: what is accepted is done; the service models",
        replaces=tuple(f"app.SERVICE_HANDLERS[{service}]" for service in _WITH_REFUSALS),
        apply=_refuse_parameters,
    ),
    Correction(
        what="Athena answers `mock_value` without DuckDB; loses CREATE DATABASE, ignores ExecutionParameters, reads files of the machine, puts results in a folder with the name of the object, counts the bytes of the results as scanned",
        why="runs SELECT on DuckDB, or refuses with InvalidRequestException",
        source="Athena API Reference, StartQueryExecution; GetQueryExecution",
        replaces=("app.SERVICE_HANDLERS[athena]",),
        apply=lambda modules, _: wrap_handler(modules, "athena", athena.completed),
    ),
    Correction(
        what="drops the first of two SET sections of an update expression, what follows an unfinished action, and one of two overlapping paths; evaluates an unknown function as false; loses items under OR and NOT in a key condition; in PartiQL ignores ORDER BY on an index, Limit on a table and aggregates; ignores ResourcePolicy and parameters of global tables",
        why="ValidationException",
        source="DynamoDB Developer Guide, Update expressions; PartiQL select statements",
        replaces=("app.SERVICE_HANDLERS[dynamodb]",),
        apply=_check("dynamodb", _of_dynamodb),
    ),
    Correction(
        what="does not know `dynamodb:LeadingKeys`: under ForAllValues a policy allows every item",
        why="the partition keys of the request",
        source="DynamoDB Developer Guide, Using IAM policy conditions for fine-grained access control",
        replaces=("iam_actions.dynamodb_service_context",),
        apply=lambda modules, _: leading_keys.install(modules.iam_actions, modules.dynamodb._tables),
    ),
    Correction(
        what="attaches policies that do not exist, takes names with any characters and trust policies that are none; simulates without permissions boundaries, resource policies and callers",
        why="NoSuchEntity, ValidationError, MalformedPolicyDocument; InvalidInput",
        source="IAM API Reference",
        replaces=("app.SERVICE_HANDLERS[iam]",),
        apply=_check("iam", lambda modules: iam_checks.checks(modules.iam.policy_known)),
    ),
    Correction(
        what="does not escape `&` and `<` in the XML of IAM and STS",
        why="XML that can be parsed",
        source="XML 1.0, 2.4",
        replaces=("app.SERVICE_HANDLERS[iam]", "iam._error", "sts._error"),
        apply=_escape_iam,
    ),
    Correction(
        what="ignores AllowedPattern, the size of the standard tier, parameter policies, data types and unknown filters of parameters",
        why="the exceptions of the Systems Manager API",
        source="Systems Manager API Reference, PutParameter; DescribeParameters",
        replaces=("app.SERVICE_HANDLERS[ssm]",),
        apply=_check("ssm", lambda _: ssm_checks.CHECKS),
    ),
    Correction(
        what="subscribes any protocol, takes filter policies that are not JSON and drops unknown attributes",
        why="InvalidParameter; protocols besides e-mail, HTTP, functions and queues are refused",
        source="SNS API Reference, Subscribe; SetSubscriptionAttributes",
        replaces=("app.SERVICE_HANDLERS[sns]",),
        apply=_check("sns", lambda _: sns_checks.CHECKS),
    ),
    Correction(
        what="confirms an e-mail address that it sends nothing to; lists subscriptions that are not confirmed by their ARN",
        why="PendingConfirmation until the link of a mail is followed; no mail is sent",
        source="SNS API Reference, Subscribe; ListSubscriptionsByTopic",
        replaces=("sns._subscribe", "sns._list_subscriptions", "sns._list_subscriptions_by_topic"),
        apply=lambda modules, _: sns_checks.install_confirmation(modules.sns),
    ),
    Correction(
        what="shows the text of a SecureString, in base64, to a caller who does not ask for decryption",
        why="a ciphertext",
        source="Systems Manager API Reference, GetParameter",
        replaces=("app.SERVICE_HANDLERS[ssm]",),
        apply=lambda modules, _: wrap_handler(modules, "ssm", ssm_checks.with_ciphertexts),
    ),
    Correction(
        what="ignores ItemBatcher and ResultWriter of a Map state",
        why="InvalidDefinition",
        source="our decision: what is accepted is done",
        replaces=("app.SERVICE_HANDLERS[states]",),
        apply=_check(
            "states", lambda _: dict.fromkeys(("CreateStateMachine", "UpdateStateMachine"), _is_runnable)
        ),
    ),
    Correction(
        what="ignores RotateImmediately and the order of secrets",
        why="InvalidParameterException",
        source="our decision: what is accepted is done",
        replaces=("app.SERVICE_HANDLERS[secretsmanager]",),
        apply=_check("secretsmanager", lambda _: _SECRETS),
    ),
    Correction(
        what="ListFunctions ignores FunctionVersion, and has more than 50 functions in a page",
        why="every version with FunctionVersion=ALL; pages of 50",
        source="Lambda API Reference, ListFunctions",
        replaces=("lambda_svc._list_functions",),
        apply=_list_versions,
    ),
    Correction(
        what="ignores PublishTo, TenantId, DurableExecutionName and the parameters of event sources for Kafka, DocumentDB, tumbling windows and start times; a version made with Publish has no version in its ARN",
        why="InvalidParameterValueException; the ARN ends in the version",
        source="our decision: what is accepted is done; Lambda API Reference, CreateFunction",
        replaces=("app.SERVICE_HANDLERS[lambda]",),
        apply=_refuse_lambda_parameters,
    ),
    Correction(
        what="ignores ExpectedBucketOwner",
        why="403 AccessDenied for another account than the bucket's",
        source="S3 User Guide, Verifying bucket ownership with bucket owner condition",
        replaces=("app.SERVICE_HANDLERS[s3]",),
        apply=_check_bucket_owner,
    ),
)
"""Rows of the table."""
