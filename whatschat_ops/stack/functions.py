"""The deployed functions, one by one: list them, invoke one, write their zips. Reads and invokes; deploys nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from whatschat_ops.aws import Aws
from whatschat_ops.config import Names, Settings
from whatschat_ops.config.names import LIVE_ALIAS, ROUTE_FUNCTIONS
from whatschat_ops.errors import NotFound, UsageError
from whatschat_ops.packaging import FunctionPackage

LOG_TAIL_BYTES = 4096
"""Invoke returns at most the last 4 KB of the log."""


@dataclass(frozen=True, slots=True)
class WrittenZip:
    """A zip on disk."""

    function: str
    path: Path
    size_bytes: int
    unzipped_size_bytes: int
    code_sha256: str


@dataclass(frozen=True, slots=True)
class DeployedFunction:
    """A function: what `$LATEST` is, and the version that the alias `live` points to (None: no alias)."""

    function: str
    runtime: str
    architecture: str
    memory_mb: int
    alias: str
    version: str | None
    code_sha256: str
    code_size_bytes: int
    last_modified: datetime


@dataclass(frozen=True, slots=True)
class InvocationResult:
    """The answer of one synchronous invocation. `payload` is the parsed JSON that the function returned.

    `function_error` is None, or `Unhandled` when the function failed; `payload` is then Lambda's error document.
    """

    function: str
    version: str
    status_code: int
    function_error: str | None
    payload: Any
    log_tail: str | None


def short_name(settings: Settings, name: str) -> str:
    """`connect` for `connect` or `websocket-connect`. Raises UsageError for an unknown function."""
    names = Names(settings)
    for short in ROUTE_FUNCTIONS.values():
        if name in (short, names.function(short)):
            return short
    raise UsageError(
        f"There is no function {name!r}: the functions are {', '.join(ROUTE_FUNCTIONS.values())}.",
        hint="whatschat-ops lambda list",
    )


def write_zips(
    settings: Settings, packages: Mapping[str, FunctionPackage], directory: Path
) -> list[WrittenZip]:
    """Write `<function name>.zip` for every package into `directory`, which is made if needed."""
    names = Names(settings)
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for short, package in packages.items():
        path = directory / f"{names.function(short)}.zip"
        path.write_bytes(package.zip_bytes)
        written.append(
            WrittenZip(
                names.function(short),
                path,
                package.size_bytes,
                package.unzipped_size_bytes,
                package.sha256_base64,
            )
        )
    return written


def list_functions(settings: Settings, aws: Aws) -> list[DeployedFunction]:
    """The deployed ones among the three functions. Raises NotFound when there is none."""
    names = Names(settings)
    found = [_describe(aws, names.function(short)) for short in ROUTE_FUNCTIONS.values()]
    deployed = [function for function in found if function is not None]
    if not deployed:
        raise NotFound(f"No function of {names.stack} is deployed.", hint="whatschat-ops provision")
    return deployed


def invoke_function(
    settings: Settings, aws: Aws, name: str, payload: bytes, *, tail: bool = False
) -> InvocationResult:
    """Invoke the version behind `live` and wait for its answer. Raises UsageError if `payload` is not JSON."""
    function = Names(settings).function(short_name(settings, name))
    try:
        json.loads(payload)
    except ValueError as error:
        raise UsageError(f"The payload is not JSON: {error}.") from error
    answer = aws.client("lambda").invoke(
        FunctionName=function,
        Qualifier=LIVE_ALIAS,
        Payload=payload,
        LogType="Tail" if tail else "None",
    )
    log = answer.get("LogResult")
    return InvocationResult(
        function=function,
        version=answer.get("ExecutedVersion", ""),
        status_code=answer["StatusCode"],
        function_error=answer.get("FunctionError"),
        payload=_parse(answer["Payload"].read()),
        log_tail=base64.b64decode(log).decode("utf-8", "replace") if tail and log is not None else None,
    )


def _describe(aws: Aws, function: str) -> DeployedFunction | None:
    client = aws.client("lambda")
    try:
        configuration = client.get_function_configuration(FunctionName=function)
    except NotFound:
        return None
    try:
        version = str(client.get_alias(FunctionName=function, Name=LIVE_ALIAS)["FunctionVersion"])
    except NotFound:
        version = None
    return DeployedFunction(
        function=function,
        runtime=configuration["Runtime"],
        architecture=(configuration.get("Architectures") or ["x86_64"])[0],
        memory_mb=configuration["MemorySize"],
        alias=LIVE_ALIAS,
        version=version,
        code_sha256=configuration["CodeSha256"],
        code_size_bytes=configuration["CodeSize"],
        # 2026-11-23T07:20:52.000+0000: the offset has no colon
        last_modified=datetime.strptime(configuration["LastModified"], "%Y-%m-%dT%H:%M:%S.%f%z").astimezone(
            UTC
        ),
    )


def _parse(payload: bytes) -> Any:
    try:
        return json.loads(payload) if payload else None
    except ValueError:
        return payload.decode("utf-8", "replace")
