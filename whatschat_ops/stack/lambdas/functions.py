"""The deployed functions, one by one: list them, invoke one, write their zips. Reads and invokes; deploys nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from whatschat_ops.aws import Aws
from whatschat_ops.choices import did_you_mean
from whatschat_ops.config import Names, Settings
from whatschat_ops.config.names import LIVE_ALIAS, ROUTE_FUNCTIONS
from whatschat_ops.errors import Hint, NotFound, NotProvisioned, UsageError
from whatschat_ops.files import reporting, write_whole
from whatschat_ops.packaging import FunctionPackage
from whatschat_ops.stack.lambdas.live_alias import Canary, live_alias
from whatschat_ops.stack.lambdas.versions import list_aliases, list_configurations, weights


@dataclass(frozen=True, slots=True)
class WrittenZip:
    """A zip on disk."""

    function: str
    path: Path
    size_bytes: int
    unzipped_size_bytes: int
    code_sha256: str


@dataclass(frozen=True, slots=True)
class FunctionVersion:
    """A published version. `weights`: alias -> the share of its calls that this version gets (0 to 1)."""

    version: str
    weights: dict[str, float]
    runtime: str
    memory_mb: int
    code_sha256: str
    code_size_bytes: int
    last_modified: datetime


@dataclass(frozen=True, slots=True)
class DeployedFunction:
    """A function: what `$LATEST` is, and the version that the alias `live` points to (None: no alias).

    `canary` is the version that gets a part of the calls, if one is running; `versions` are the newest first.
    """

    function: str
    runtime: str
    architecture: str
    memory_mb: int
    alias: str
    version: str | None
    canary: Canary | None
    code_sha256: str
    code_size_bytes: int
    last_modified: datetime
    versions: tuple[FunctionVersion, ...]


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
        f"There is no function {name!r}: the functions are {', '.join(ROUTE_FUNCTIONS.values())}."
        f"{did_you_mean(name, ROUTE_FUNCTIONS.values())}",
        hint=Hint(("lambda", "list")),
    )


def write_zips(
    settings: Settings, packages: Mapping[str, FunctionPackage], directory: Path
) -> list[WrittenZip]:
    """Write `<function name>.zip` for every package into `directory`, which is made if needed."""
    names = Names(settings)
    with reporting(directory, flag="--output", written=True):
        directory.mkdir(parents=True, exist_ok=True)
    written = []
    for short, package in packages.items():
        path = directory / f"{names.function(short)}.zip"
        write_whole(path, package.zip_bytes, flag="--output")
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


def list_functions(
    settings: Settings, aws: Aws, shorts: Iterable[str] = tuple(ROUTE_FUNCTIONS.values())
) -> list[DeployedFunction]:
    """The deployed ones among these functions. Raises NotFound when there is none."""
    names = Names(settings)
    found = [_describe(aws, names.function(short)) for short in shorts]
    deployed = [function for function in found if function is not None]
    if not deployed:
        raise NotProvisioned(f"No function of {names.stack} is deployed.")
    return deployed


def invoke_function(
    settings: Settings, aws: Aws, name: str, payload: bytes, *, tail: bool = False
) -> InvocationResult:
    """Invoke the version behind `live` and wait for its answer. Raises UsageError if `payload` is not JSON."""
    function = Names(settings).function(short_name(settings, name))
    try:
        json.loads(payload)
    except (ValueError, RecursionError) as error:
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
        configurations = list_configurations(client, function)
        aliases = list_aliases(client, function)
    except NotFound:
        return None
    latest = next(c for c in configurations if c["Version"] == "$LATEST")
    live = next((live_alias(function, alias) for alias in aliases if alias["Name"] == LIVE_ALIAS), None)
    published = sorted(
        (c for c in configurations if c["Version"].isdigit()), key=lambda c: int(c["Version"]), reverse=True
    )
    return DeployedFunction(
        function=function,
        runtime=latest["Runtime"],
        architecture=(latest.get("Architectures") or ["x86_64"])[0],
        memory_mb=latest["MemorySize"],
        alias=LIVE_ALIAS,
        version=live.routing.version if live else None,
        canary=live.routing.canary if live else None,
        code_sha256=latest["CodeSha256"],
        code_size_bytes=latest["CodeSize"],
        last_modified=_time(latest["LastModified"]),
        versions=tuple(_version(configuration, aliases) for configuration in published),
    )


def _version(configuration: Mapping[str, Any], aliases: Iterable[Mapping[str, Any]]) -> FunctionVersion:
    version = configuration["Version"]
    shares = {alias["Name"]: weights(alias).get(version) for alias in aliases}
    return FunctionVersion(
        version=version,
        weights={name: share for name, share in shares.items() if share is not None},
        runtime=configuration["Runtime"],
        memory_mb=configuration["MemorySize"],
        code_sha256=configuration["CodeSha256"],
        code_size_bytes=configuration["CodeSize"],
        last_modified=_time(configuration["LastModified"]),
    )


def _time(text: str) -> datetime:
    """2026-11-23T07:20:52.000+0000: the offset has no colon."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z").astimezone(UTC)


def _parse(payload: bytes) -> Any:
    try:
        return json.loads(payload) if payload else None
    except (ValueError, RecursionError):
        return payload.decode("utf-8", "replace")
