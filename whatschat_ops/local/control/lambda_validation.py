"""What AWS refuses when a function is created or changed, through the API and through CloudFormation.

The texts are recorded on AWS. Sources of the rules: Lambda API Reference, CreateFunction and PutFunctionEventInvokeConfig;
Lambda guide, "configuration-envvars" (reserved names) and "gettingstarted-limits".
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from whatschat_ops.config.function_settings import RESERVED_VARIABLES
from whatschat_ops.local.control.request_checks import Refusal
from whatschat_ops.local.executor.log_formats import LEVELS
from whatschat_ops.quotas import (
    MAX_FUNCTION_ENVIRONMENT_BYTES,
    MAX_FUNCTION_MEMORY_MB,
    MAX_FUNCTION_TIMEOUT_S,
)

_UNABLE: Final = "Lambda was unable to configure your environment variables because the environment variables you have provided"
_RANGES: Final = {
    "Timeout": (1, MAX_FUNCTION_TIMEOUT_S),
    "MemorySize": (128, MAX_FUNCTION_MEMORY_MB),
    "MaximumRetryAttempts": (0, 2),
    "MaximumEventAgeInSeconds": (60, 21_600),
}


_LOGGING: Final = {
    "LogFormat": ("JSON", "Text"),
    "ApplicationLogLevel": LEVELS,
    "SystemLogLevel": ("DEBUG", "INFO", "WARN"),
}
"""Member of LoggingConfig -> its values."""
NO_LEVELS: Final = (
    'LogLevel is not supported when LogFormat is set to "Text". Remove LogLevel from your request or change the '
    'LogFormat to "Json" and try again.'
)

RUNTIMES: Final = (
    "nodejs", "nodejs4.3", "nodejs6.10", "nodejs8.10", "nodejs10.x", "nodejs12.x", "nodejs14.x", "nodejs16.x",
    "nodejs18.x", "nodejs20.x", "nodejs22.x", "nodejs24.x", "java8", "java8.al2", "java11", "java17", "java21",
    "java25", "python2.7", "python3.6", "python3.7", "python3.8", "python3.9", "python3.10", "python3.11",
    "python3.12", "python3.13", "python3.14", "dotnetcore1.0", "dotnetcore2.0", "dotnetcore2.1", "dotnetcore3.1",
    "dotnet6", "dotnet8", "dotnet10", "nodejs4.3-edge", "go1.x", "ruby2.5", "ruby2.7", "ruby3.2", "ruby3.3",
    "ruby3.4", "ruby4.0", "provided", "provided.al2", "provided.al2023", "nodejs26.x", "python3.15", "java8.al2023",
    "java11.al2023", "java17.al2023",
)  # fmt: skip
"""The enumeration Runtime of Lambda's service model (botocore 1.43)."""


_RETIRED: Final = re.compile(
    r"nodejs(4\.3|[68]\.10|1[024]\.x|4\.3-edge)?|python(2\.7|3\.[67])|dotnetcore.*|ruby2\..|go1\.x"
)
"""Runtimes of which functions are neither created nor updated any more (Lambda guide, lambda-runtimes)."""
_MAX_NAME: Final = 64
_NOT_FOUND: Final = "ResourceNotFoundException"


def install(lambda_svc: Any, sqs: Any) -> None:
    """Check the arguments of ministack's functions before they run; CloudFormation's updates call them too."""
    checks: dict[str, Callable[..., Refusal | None]] = {
        "_create_function": lambda data: of_function(data, lambda_svc),
        "_update_config": lambda _name, data: of_configuration(data),
        "_update_code": lambda name, data: (
            of_code(data, lambda_svc) if name in lambda_svc._functions else None
        ),
        "_create_alias": lambda name, data: _of_alias(name, data, lambda_svc),
        "_update_alias": lambda name, _alias, data: _of_alias(name, data, lambda_svc),
        "_add_permission": lambda _name, data, *_qualifiers, **_: _of_principal(data),
        "_create_esm": lambda data: _of_source(data, sqs),
        "_put_event_invoke_config": lambda _name, _qualifier, data: of_event_settings(data),
    }
    for name, check in checks.items():
        setattr(lambda_svc, name, _checked(getattr(lambda_svc, name), check, lambda_svc))


def _checked(original: Callable[..., Any], check: Callable[..., Refusal | None], lambda_svc: Any) -> Any:
    def checked(*arguments: Any, **named: Any) -> Any:
        _complete_logging(arguments[-1])
        refusal = check(*arguments, **named)
        if refusal is None:
            return original(*arguments, **named)
        return lambda_svc.error_response_json(*refusal, 404 if refusal[0] == _NOT_FOUND else 400)

    return checked


def _complete_logging(data: Any) -> None:
    """Fill in the levels that AWS fills in: INFO in the JSON format."""
    given = data.get("LoggingConfig") if isinstance(data, dict) else None
    if given and given.get("LogFormat") == "JSON":
        data["LoggingConfig"] = {"ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO", **given}


def of_function(data: Mapping[str, Any], lambda_svc: Any) -> Refusal | None:
    """Why AWS does not create this function. `data` is CreateFunction's input, or the properties of a template."""
    return _of_name(data) or of_configuration(data) or of_code(data.get("Code") or {}, lambda_svc)


def _of_name(data: Mapping[str, Any]) -> Refusal | None:
    name = str(data.get("FunctionName") or "").rpartition(":")[2]
    if len(name) <= _MAX_NAME:
        return None
    constraint = f"failed to satisfy constraint: Member must have length less than or equal to {_MAX_NAME}"
    return (
        "ValidationException",
        f"1 validation error detected: Value '{name}' at 'functionName' {constraint}",
    )


def _of_alias(name: str, data: Mapping[str, Any], lambda_svc: Any) -> Refusal | None:
    function = lambda_svc._functions.get(name)
    weights = (data.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    for version in (data.get("FunctionVersion") or "$LATEST", *weights):
        if function and version != "$LATEST" and version not in function["versions"]:
            return _NOT_FOUND, f"Function not found: {lambda_svc._func_arn(name)}:{version}"
    return None


def _of_principal(data: Mapping[str, Any]) -> Refusal | None:
    """An account, an ARN, a service, or everyone."""
    principal = str(data.get("Principal") or "*")
    if re.fullmatch(r"\*|\d{12}|arn:.+|[^\s:]+\.[^\s:]+", principal):
        return None
    text = "The provided principal was invalid. Please check the principal and try again."
    return "InvalidParameterValueException", text


def _of_source(data: Mapping[str, Any], sqs: Any) -> Refusal | None:
    arn = str(data.get("EventSourceArn") or "")
    if ":sqs:" not in arn or sqs._queue_by_arn(arn) is not None:
        return None
    return (
        "InvalidParameterValueException",
        "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. "
        "SQS Error Message: The specified queue does not exist for this wsdl version.",
    )


def of_configuration(data: Mapping[str, Any]) -> Refusal | None:
    """Why AWS refuses the environment, the time-out or the runtime."""
    variables = (data.get("Environment") or {}).get("Variables") or {}
    reserved = [name for name in variables if name in RESERVED_VARIABLES]
    if reserved:
        contains = "contains reserved keys that are currently not supported for modification"
        text = f"{_UNABLE} {contains}. Reserved keys used in this request: {', '.join(reserved)}"
        return "InvalidParameterValueException", text
    measured = json.dumps(variables, separators=(",", ":"), ensure_ascii=False)
    if len(measured.encode()) > MAX_FUNCTION_ENVIRONMENT_BYTES:
        text = f"{_UNABLE} exceeded the 4KB limit. String measured: {measured}"
        return "InvalidParameterValueException", text
    return (
        _out_of_range(data, "Timeout")
        or _out_of_range(data, "MemorySize")
        or _unknown_runtime(data.get("Runtime"))
        or _of_logging(data.get("LoggingConfig") or {})
        or _without_effect(data)
    )


def _of_logging(given: Mapping[str, Any]) -> Refusal | None:
    for name, values in _LOGGING.items():
        if (value := given.get(name)) is not None and value not in values:
            member = f"loggingConfig.{name[0].lower()}{name[1:]}"
            text = (
                f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: "
            )
            return "ValidationException", f"{text}Member must satisfy enum value set: [{', '.join(values)}]"
    has_levels = given.get("ApplicationLogLevel") or given.get("SystemLogLevel")
    if has_levels and given.get("LogFormat") != "JSON":
        return "InvalidParameterValueException", NO_LEVELS
    return None


def _without_effect(data: Mapping[str, Any]) -> Refusal | None:
    """What a function asks for that the executor does not do."""
    asked = {
        "CapacityProviderConfig": data.get("CapacityProviderConfig"),
        "CodeSigningConfigArn": data.get("CodeSigningConfigArn"),
        "DurableConfig": data.get("DurableConfig"),
        "FileSystemConfigs": data.get("FileSystemConfigs"),
        "RecursiveLoop": data.get("RecursiveLoop") == "Allow",
        "RuntimeManagementConfig": (data.get("RuntimeManagementConfig") or {}).get("UpdateRuntimeOn", "Auto")
        != "Auto",
        "TenancyConfig": data.get("TenancyConfig"),
        "TracingConfig": (data.get("TracingConfig") or {}).get("Mode") == "Active",
        "VpcConfig": (data.get("VpcConfig") or {}).get("SubnetIds"),
    }
    for name, value in asked.items():
        if value:
            return (
                "InvalidParameterValueException",
                f"{name}: the embedded AWS does not support this parameter.",
            )
    return None


def _unknown_runtime(runtime: str | None) -> Refusal | None:
    if runtime and _RETIRED.fullmatch(runtime):
        text = f"The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda functions."
        return "InvalidParameterValueException", text
    if not runtime or runtime in RUNTIMES:
        return None
    known = f"Member must satisfy enum value set: [{', '.join(RUNTIMES)}] or be a valid ARN"
    return (
        "InvalidParameterValueException",
        f"Value {runtime} at 'runtime' failed to satisfy constraint: {known}",
    )


def of_event_settings(data: Mapping[str, Any]) -> Refusal | None:
    """Why AWS refuses the settings of asynchronous invocations, or why they have no effect here."""
    for setting in (data.get("DestinationConfig") or {}).values():
        arn = str((setting or {}).get("Destination") or "")
        if arn.split(":")[2:3] == ["s3"]:
            text = f"The destination ARN {arn} is refused: the embedded AWS does not send records to S3"
            return "InvalidParameterValueException", text
    return _out_of_range(data, "MaximumRetryAttempts") or _out_of_range(data, "MaximumEventAgeInSeconds")


def _out_of_range(data: Mapping[str, Any], name: str) -> Refusal | None:
    value, (least, most) = data.get(name), _RANGES[name]
    if value is None or least <= int(value) <= most:
        return None
    bound = f"less than or equal to {most}" if int(value) > most else f"greater than or equal to {least}"
    member = name[0].lower() + name[1:]
    return (
        "ValidationException",
        f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: "
        f"Member must have value {bound}",
    )


def of_code(code: Mapping[str, Any], lambda_svc: Any) -> Refusal | None:
    """Why AWS refuses the code of a request, or the inline source of a template."""
    if code.get("ImageUri"):
        return None
    if code.get("S3Bucket") and code.get("S3Key"):
        return _missing_object(code, lambda_svc)
    if "ZipFile" not in code:
        return "InvalidParameterValueException", "Please provide a source for function code."
    try:
        content = base64.b64decode(code["ZipFile"] or "")
    except (ValueError, TypeError):  # not base64
        return (
            "InvalidParameterValueException",
            "Could not unzip uploaded file. Please check your file, then try to upload again.",
        )
    if not content:
        return "InvalidParameterValueException", "Uploaded file must be a non-empty zip"
    return None


def _missing_object(code: Mapping[str, Any], lambda_svc: Any) -> Refusal | None:
    bucket, key = code["S3Bucket"], code["S3Key"]
    if lambda_svc._s3_code_region_error(bucket) is not None:  # ministack's own function says so
        return None
    if lambda_svc._fetch_code_from_s3(bucket, key, version_id=code.get("S3ObjectVersion")):
        return None
    return (
        "InvalidParameterValueException",
        "Error occurred while GetObject. S3 Error Code: NoSuchKey. "
        "S3 Error Message: The specified key does not exist.",
    )
