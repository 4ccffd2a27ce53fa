"""What a log event says: a line of our handlers, of the access log, of Lambda itself, or anything else. Pure.

The application's own functions may write what they like, and the access-log format may have been changed: a field that is
absent or of another type is None, and what has no known form is `Text` or `Other`.

Lambda's own lines: Lambda developer guide, monitoring-cloudwatchlogs (text) and telemetry-schema-reference (JSON).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

from whatschat_ops.choices import LogSource
from whatschat_ops.logs.events import LogEvent

Fields: TypeAlias = Mapping[str, Any]


class Ids(NamedTuple):
    """Whose line it is, as far as it says. `request` is Lambda's request id, in an access line API Gateway's own."""

    connection: str | None = None
    request: str | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True)
class HandlerLine:
    """A line of our handlers (`handlers/log.py`). `user` is the id, or `sha256:` and 16 hexadecimal digits of it."""

    ids: Ids
    level: str
    event: str
    outcome: str
    route: str | None
    code: int | None
    reason: str | None
    latency_ms: float | None
    bytes_in: int | None
    bytes_out: int | None
    deliveries: Mapping[str, int]
    recipients: tuple[str, ...]
    recipients_omitted: int
    cold_start: bool | None
    remaining_ms: int | None
    fields: Fields


@dataclass(frozen=True, slots=True)
class AccessLine:
    """A line of the stage's access log (`stack/access_log.py`). `integration_request` is the function's request id."""

    ids: Ids
    integration_request: str | None
    event_type: str | None
    route: str | None
    status: int | None
    integration_status: int | None
    integration_latency_ms: float | None
    error: str | None
    integration_error: str | None
    message_id: str | None
    connected_at_ms: int | None
    requested_at_ms: int | None
    source_ip: str | None
    user_agent: str | None
    fields: Fields


@dataclass(frozen=True, slots=True)
class PlatformLine:
    """A line of Lambda itself. `kind`: `init`, `start`, `end`, `report`, `timeout`, `dropped`, or the name of another event.

    `failure` is set if it tells of one: `timeout`, or the error's type. `dropped`: log records that Lambda could not deliver.
    """

    kind: str
    ids: Ids
    failure: str | None = None
    duration_ms: float | None = None
    billed_ms: int | None = None
    init_ms: float | None = None
    memory_mb: int | None = None
    memory_used_mb: int | None = None
    dropped: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Other:
    """A JSON object that is none of the above."""

    ids: Ids
    fields: Fields


@dataclass(frozen=True, slots=True)
class Text:
    """Anything else."""

    text: str
    ids: Ids = field(default_factory=Ids)


Line: TypeAlias = HandlerLine | AccessLine | PlatformLine | Other | Text


def parse(event: LogEvent) -> Line:
    """What the event says. Never raises."""
    fields = json_object(event.message)
    if fields is None and event.source is LogSource.ACCESS:
        fields = _without_user_agent(event.message)
    if fields is None:
        return _platform_text(event.message) or Text(event.message)
    if event.source is LogSource.ACCESS:
        return _access(fields)
    if str(fields.get("type")).startswith("platform.") and isinstance(fields.get("record"), dict):
        return _platform_record(fields["type"].removeprefix("platform."), fields["record"])
    if _text(fields, "event") and _text(fields, "outcome"):
        return _handler(fields)
    return Other(_ids(fields), fields)


def json_object(message: str) -> Fields | None:
    """The JSON object that a message is; None if it is none."""
    if not message.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(message)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _without_user_agent(message: str) -> Fields | None:
    """An access line that a quote in the client's user agent, its last value, makes no JSON: what stands before it."""
    before, name, agent = message.partition(',"userAgent":"')
    fields = json_object(before + "}") if name else None
    return None if fields is None else {**fields, "userAgent": agent.removesuffix('"}')}


def _ids(fields: Fields) -> Ids:
    return Ids(_text(fields, "connectionId"), _text(fields, "requestId"), _text(fields, "userId"))


def _handler(fields: Fields) -> HandlerLine:
    deliveries, recipients = fields.get("deliveries"), fields.get("recipients")
    return HandlerLine(
        ids=_ids(fields),
        level=_text(fields, "level") or "INFO",
        event=str(fields["event"]),
        outcome=str(fields["outcome"]),
        route=_text(fields, "route"),
        code=_whole(fields, "code"),
        reason=_text(fields, "reason"),
        latency_ms=_number(fields, "latencyMs"),
        bytes_in=_whole(fields, "bytesIn"),
        bytes_out=_whole(fields, "bytesOut"),
        deliveries={
            key: number
            for key, number in (deliveries if isinstance(deliveries, dict) else {}).items()
            if isinstance(number, int)
        },
        recipients=tuple(
            each for each in (recipients if isinstance(recipients, list) else ()) if isinstance(each, str)
        ),
        recipients_omitted=_whole(fields, "recipientsOmitted") or 0,
        cold_start=value if isinstance(value := fields.get("coldStart"), bool) else None,
        remaining_ms=_whole(fields, "remainingMs"),
        fields=fields,
    )


def _access(fields: Fields) -> AccessLine:
    return AccessLine(
        ids=_ids(fields),
        integration_request=_text(fields, "integrationRequestId"),
        event_type=_text(fields, "eventType"),
        route=_text(fields, "routeKey"),
        status=_whole(fields, "status"),
        integration_status=_whole(fields, "integrationStatus"),
        integration_latency_ms=_number(fields, "integrationLatency"),
        error=_text(fields, "error"),
        integration_error=_text(fields, "integrationError"),
        message_id=_text(fields, "messageId"),
        connected_at_ms=_whole(fields, "connectedAt"),
        requested_at_ms=_whole(fields, "requestTime"),
        source_ip=_text(fields, "sourceIp"),
        user_agent=_text(fields, "userAgent"),
        fields=fields,
    )


_START: Final = re.compile(r"START RequestId: (\S+)")
_END: Final = re.compile(r"END RequestId: (\S+)")
_REPORT: Final = re.compile(r"REPORT RequestId: (\S+)")
_TIMED_OUT: Final = re.compile(r"\S+ (\S+) (Task timed out after [0-9.]+ seconds)")
_INIT: Final = re.compile(r"INIT_(START|REPORT)\b")


def _platform_text(message: str) -> PlatformLine | None:
    head = message[:16]
    if head.startswith("START ") and (found := _START.match(message)):
        return PlatformLine("start", Ids(request=found[1]))
    if head.startswith("END ") and (found := _END.match(message)):
        return PlatformLine("end", Ids(request=found[1]))
    if head.startswith("REPORT ") and (found := _REPORT.match(message)):
        return _report("report", Ids(request=found[1]), message)
    if head.startswith("INIT_") and (found := _INIT.match(message)):
        return _report("init", Ids(), message)
    if "Task timed out" in message[:200] and (found := _TIMED_OUT.match(message)):
        return PlatformLine("timeout", Ids(request=found[1]), failure="timeout", detail=found[2])
    return None


def _report(kind: str, ids: Ids, message: str) -> PlatformLine:
    """The fields of REPORT and INIT_START lie between tabs: `Duration: 2.90 ms`."""
    values = dict(part.split(": ", 1) for part in message.strip().split("\t") if ": " in part)
    figures = {name: _number({name: value.split(" ")[0]}, name) for name, value in values.items() if value}
    status = values.get("Status", "").strip()
    return PlatformLine(
        kind,
        ids,
        failure=(values.get("Error Type") or status) if status not in ("", "success") else None,
        duration_ms=figures.get("Duration"),
        billed_ms=_int(figures.get("Billed Duration")),
        init_ms=figures.get("Init Duration") or figures.get("INIT_REPORT Init Duration"),
        memory_mb=_int(figures.get("Memory Size")),
        memory_used_mb=_int(figures.get("Max Memory Used")),
        detail=values.get("INIT_START Runtime Version", ""),
    )


_KINDS: Final = {"initStart": "init", "initReport": "init", "runtimeDone": "end", "logsDropped": "dropped"}


def _platform_record(kind: str, record: Fields) -> PlatformLine:
    metrics = record["metrics"] if isinstance(record.get("metrics"), dict) else {}
    status = _text(record, "status")
    return PlatformLine(
        _KINDS.get(kind, kind),
        _ids(record),
        failure=(_text(record, "errorType") or status) if status not in (None, "success") else None,
        duration_ms=_number(metrics, "durationMs"),
        billed_ms=_whole(metrics, "billedDurationMs"),
        init_ms=_number(metrics, "initDurationMs"),
        memory_mb=_whole(metrics, "memorySizeMB"),
        memory_used_mb=_whole(metrics, "maxMemoryUsedMB"),
        dropped=_whole(record, "droppedRecords") or 0,
        detail=_text(record, "runtimeVersion") or _text(record, "reason") or "",
    )


def _text(fields: Fields, name: str) -> str | None:
    """A string. The access log says "-" for what is absent."""
    value = fields.get(name)
    return value if isinstance(value, str) and value not in ("", "-") else None


def _number(fields: Fields, name: str) -> float | None:
    """A number, or a string of one: the access log has strings only."""
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    number: float | None = _tried(float, value)
    return number


def _whole(fields: Fields, name: str) -> int | None:
    return _int(_number(fields, name))


def _int(number: float | None) -> int | None:
    return None if number is None else _tried(int, number)


def _tried(kind: Callable[[Any], Any], value: object) -> Any:
    try:
        return kind(value)
    except (ValueError, OverflowError):
        return None
