"""A line of any log as a row of one table, `lines`, which DuckDB reads from files once and Athena reads from its Parquet.

Read: access lines (`stack/access_log.py`), and the lines of our functions (`handlers/log.py`); as they are, in an export of
CloudWatch Logs (a time in front of each), or as `logs tail -o json` writes them.

    kind          0 a report of Lambda on an invocation, 1 of a function; of API Gateway 2 CONNECT, 3 refused CONNECT, 4 DISCONNECT, 5 MESSAGE, 6 MESSAGE that does not
                  name the function's request; NULL: rejected, as `note` says
    t_ms          when; NULL for a line of a function that stands in a file without times
    connection    a number for the connection id
    connected_ms  when the connection began, if the line says so
    event         a number that is the same in API Gateway's line and the function's: of the function's request id
    route, bytes_in, bytes_out, sent
    least_units_out, most_units_out   units of 32 KB of what the function sent, of which it says the sum of sizes
    billed_ms, memory_mb   of an invocation, as Lambda reports it: INIT phases that are billed are in it
    note, sample  why a row was rejected, or how it was handled, and the row in short

Ids become 63-bit numbers: of 100 million events, two have the same number with a probability of 1 to 2,000.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from whatschat_ops.quotas import (
    MAX_FUNCTION_MEMORY_MB,
    MAX_FUNCTION_TIMEOUT_S,
    MAX_MESSAGE_BYTES,
    METERED_MESSAGE_BYTES,
)
from whatschat_ops.usage.engine.database import text
from whatschat_ops.usage.engine.staging import Quick, Wanted

TYPES: Final[Mapping[str, str]] = {
    "kind": "int",
    "t_ms": "bigint",
    "connection": "bigint",
    "connected_ms": "bigint",
    "event": "bigint",
    "route": "string",
    "bytes_in": "bigint",
    "bytes_out": "bigint",
    "sent": "bigint",
    "least_units_out": "bigint",
    "most_units_out": "bigint",
    "billed_ms": "bigint",
    "memory_mb": "bigint",
    "note": "string",
    "sample": "string",
}
"""Column -> its type in Athena."""

FIRST_MS: Final = 1_543_536_000_000
"""30 November 2018: WebSocket APIs are not older. What is less is no time in milliseconds."""
LAST_MS: Final = 4_102_444_800_000
"""The year 2100: what is more is in microseconds or nonsense."""

_COLUMNS: Final = {
    "event_type": ("eventType",),
    "request_id": ("requestId",),
    "request_time": ("requestTime", "requestTimeEpoch"),
    "connection_id": ("connectionId",),
    "route_key": ("routeKey",),
    "status": ("status",),
    "connected_at": ("connectedAt",),
    "integration_id": ("integrationRequestId",),
    "api_id": ("apiId",),
    "stage": ("stage",),
    "event": ("event",),
    "outcome": ("outcome",),
    "route": ("route",),
    "bytes_in": ("bytesIn",),
    "bytes_out": ("bytesOut",),
    "deliveries": ("deliveries",),
    "time": ("time",),
    "type": ("type",),
    "record": ("record",),
}

REPORT, FUNCTION, CONNECT, REFUSED, DISCONNECT, MESSAGE, UNPAIRED = range(7)
UNIT: Final = METERED_MESSAGE_BYTES
MOST_UNITS: Final = MAX_MESSAGE_BYTES // METERED_MESSAGE_BYTES

OF_LAMBDA: Final = "a line that Lambda itself wrote"
BAD_REPORT: Final = "a report of Lambda without the time and the memory that are billed"
OTHER_API: Final = "a line of another API or stage"
BAD_CONNECTED: Final = "a line whose connectedAt is no time in milliseconds: without it"
BAD_SIZE: Final = "a line of a function whose sizes are not numbers: without them"
LARGE_SIZE: Final = "a line of a function with sizes that API Gateway does not carry: without them"
MOST_SENT: Final = 1_000_000_000
"""Ours: of one event. A function cannot send as many in its 15 minutes."""
LONGEST_BILLED_MS: Final = 2 * MAX_FUNCTION_TIMEOUT_S * 1000
"""An INIT phase that is billed comes on top of the function's time-out, and is not longer."""


def wanted_lines(api_id: str = "", stage: str = "") -> Wanted:
    """How logs are read. Lines that name another API or stage are rejected; ours name none."""
    others = [
        f"coalesce(nullif({column}, '-'), {text(ours)}) <> {text(ours)}"
        for column, ours in (("api_id", api_id), ("stage", stage))
        if ours
    ]
    is_other = " OR ".join(others) or "false"
    columns = (*_ACCESS_COLUMNS, "api_id", "stage") if others else _ACCESS_COLUMNS
    quick = Quick(columns, _ACCESS_ROWS.replace("{is_other}", is_other))
    return Wanted(_COLUMNS, _ROWS.replace("{is_other}", is_other), unwrap=unwrapped, quick=quick)


_MS: Final = (
    f"CASE WHEN TRY_CAST({{0}} AS BIGINT) BETWEEN {FIRST_MS} AND {LAST_MS} THEN TRY_CAST({{0}} AS BIGINT) END"
)

_REPORTED_AT: Final = "CASE WHEN type = 'platform.report' THEN epoch_ms(TRY_CAST(time AS TIMESTAMPTZ)) END"
_REPORTED: Final = (
    "CASE WHEN type = 'platform.report' AND json_valid(record) THEN json_extract_string(record, '$.{}') END"
)

_PARSED: Final = f"""
SELECT *,
    CASE WHEN type = 'platform.report' THEN 'REPORT'
         WHEN event_type IN ('CONNECT', 'DISCONNECT', 'MESSAGE') THEN event_type
         WHEN event_type IS NULL AND event IS NOT NULL AND outcome IS NOT NULL THEN 'FUNCTION' END AS category,
    coalesce({_MS.format("coalesce(request_time, time)")}, {_REPORTED_AT}) AS t_ms,
    {_MS.format("connected_at")} AS connected_ms,
    nullif(request_id, '-') AS request, nullif(connection_id, '-') AS connected,
    nullif(integration_id, '-') AS integration,
    TRY_CAST(bytes_in AS BIGINT) AS size_in, TRY_CAST(bytes_out AS BIGINT) AS size_out,
    CASE WHEN TRY_CAST(json_extract_string(deliveries, '$.sent') AS BIGINT) BETWEEN 0 AND {MOST_SENT}
        THEN TRY_CAST(json_extract_string(deliveries, '$.sent') AS BIGINT) END AS posts,
    {_REPORTED.format("requestId")} AS reported,
    TRY_CAST({_REPORTED.format("metrics.billedDurationMs")} AS BIGINT) AS billed_ms,
    TRY_CAST({_REPORTED.format("metrics.memorySizeMB")} AS BIGINT) AS memory_mb
FROM (
    SELECT * REPLACE (CASE WHEN event_type IS NULL THEN type END AS type, CASE WHEN event_type IS NULL THEN bytes_in END AS bytes_in,
        CASE WHEN event_type IS NULL THEN bytes_out END AS bytes_out, CASE WHEN event_type IS NULL THEN deliveries END AS deliveries)
    FROM {{rows}} AS found
)
"""
"""What only other lines have does not count in an access line."""

_JUDGED: Final = f"""
SELECT *,
    CASE WHEN category = 'REPORT' AND (reported IS NULL OR least(billed_ms, memory_mb) < 1 OR billed_ms + memory_mb IS NULL
            OR billed_ms > {LONGEST_BILLED_MS} OR memory_mb > {MAX_FUNCTION_MEMORY_MB})
            THEN '{BAD_REPORT}'
         WHEN category = 'REPORT' THEN NULL
         WHEN type LIKE 'platform.%' THEN '{OF_LAMBDA}'
         WHEN category IS NULL THEN 'a line that is neither of the access log nor of a function'
         WHEN {{is_other}} THEN '{OTHER_API}'
         WHEN request IS NULL THEN 'a line without a request id'
         WHEN connected IS NULL THEN 'a line without a connection id'
         WHEN category <> 'FUNCTION' AND t_ms IS NULL THEN 'a line whose time is no time in milliseconds' END AS wrong,
    category = 'FUNCTION' AND (size_in IS NULL OR size_out IS NULL OR posts IS NULL OR least(size_in, size_out) < 0)
        AND coalesce(bytes_in, bytes_out, deliveries) IS NOT NULL AS has_bad_size,
    category = 'FUNCTION' AND (size_in > {MAX_MESSAGE_BYTES} OR (size_out > 0 AND (size_out - 1) // {MAX_MESSAGE_BYTES} >= posts)) IS TRUE AS has_large_size,
    category <> 'FUNCTION' AND connected_ms IS NULL AND coalesce(connected_at, '-') <> '-' AS has_bad_connected
FROM ({_PARSED})
"""

_ROWS: Final = f"""
SELECT
    CAST(CASE WHEN wrong IS NOT NULL THEN NULL WHEN category = 'REPORT' THEN {REPORT}
        WHEN category = 'FUNCTION' THEN {FUNCTION} WHEN category = 'DISCONNECT' THEN {DISCONNECT}
        WHEN category = 'CONNECT' THEN CASE WHEN TRY_CAST(status AS BIGINT) >= 400 THEN {REFUSED} ELSE {CONNECT} END
        WHEN integration_id IS NULL THEN {UNPAIRED} ELSE {MESSAGE} END AS INTEGER) AS kind,
    t_ms,
    CAST(hash(connected) >> 1 AS BIGINT) AS connection,
    connected_ms,
    CAST(hash(CASE WHEN category = 'REPORT' THEN concat_ws(' ', reported, t_ms, billed_ms) WHEN category = 'FUNCTION' THEN request ELSE coalesce(integration, request) END) >> 1 AS BIGINT) AS event,
    CASE WHEN category = 'FUNCTION' THEN route ELSE route_key END AS route,
    CASE WHEN NOT (has_bad_size OR has_large_size) THEN size_in END AS bytes_in,
    CASE WHEN NOT (has_bad_size OR has_large_size) THEN size_out END AS bytes_out,
    posts AS sent,
    CASE WHEN has_bad_size OR has_large_size THEN posts ELSE greatest(posts, (size_out + {UNIT - 1}) // {UNIT}) END AS least_units_out,
    CASE WHEN has_bad_size OR has_large_size THEN posts * {MOST_UNITS} ELSE greatest(least(posts + greatest(size_out - 1, 0) // {UNIT}, posts * {MOST_UNITS}),
        (size_out + {UNIT - 1}) // {UNIT}, posts) END AS most_units_out,
    billed_ms, memory_mb,
    CASE WHEN wrong IS NOT NULL THEN wrong WHEN has_bad_size THEN '{BAD_SIZE}'
        WHEN has_large_size THEN '{LARGE_SIZE}' WHEN has_bad_connected THEN '{BAD_CONNECTED}' END
        AS note,
    CASE WHEN wrong IS NOT NULL OR has_bad_size OR has_large_size OR has_bad_connected THEN coalesce(nullif(left(concat_ws(
        ' ', event_type, event, request_time, connected_at, connection_id, request_id, bytes_in, bytes_out, deliveries, record), 160),
        ''), '{{file}}: without the keys of a line') END
        AS sample
FROM ({_JUDGED})
"""

_ACCESS_COLUMNS: Final = (
    "event_type", "request_id", "request_time", "connection_id", "route_key", "status", "connected_at", "integration_id",
)  # fmt: skip
_ACCESS_ROWS: Final = f"""
SELECT
    CAST(CASE event_type WHEN 'DISCONNECT' THEN {DISCONNECT}
        WHEN 'CONNECT' THEN CASE WHEN TRY_CAST(status AS BIGINT) >= 400 THEN {REFUSED} ELSE {CONNECT} END
        ELSE CASE WHEN integration_id IS NULL THEN {UNPAIRED} ELSE {MESSAGE} END END AS INTEGER) AS kind,
    t_ms,
    CAST(hash(connection_id) >> 1 AS BIGINT) AS connection,
    connected_ms,
    CAST(hash(coalesce(integration, request_id)) >> 1 AS BIGINT) AS event,
    route_key AS route,
    CAST(NULL AS BIGINT) AS bytes_in, CAST(NULL AS BIGINT) AS bytes_out, CAST(NULL AS BIGINT) AS sent,
    CAST(NULL AS BIGINT) AS least_units_out, CAST(NULL AS BIGINT) AS most_units_out,
    CAST(NULL AS BIGINT) AS billed_ms,
    CAST(NULL AS BIGINT) AS memory_mb,
    CAST(NULL AS VARCHAR) AS note, CAST(NULL AS VARCHAR) AS sample
FROM (
    SELECT *, {_MS.format("request_time")} AS t_ms, {_MS.format("connected_at")} AS connected_ms, nullif(integration_id, '-') AS integration
    FROM {{rows}} AS found
)
WHERE CASE WHEN event_type IN ('CONNECT', 'DISCONNECT', 'MESSAGE') AND t_ms IS NOT NULL AND request_id <> '-' AND connection_id <> '-'
    AND (connected_ms IS NOT NULL OR coalesce(connected_at, '-') = '-') AND NOT ({{is_other}})
    THEN true ELSE CAST(error('another line') AS BOOLEAN) END
"""
"""Files of access lines only, all of them good: as `_ROWS` in half of the time."""

_EXPORTED: Final = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)[ \t]+")
_LAMBDA: Final = (
    b"START RequestId:",
    b"END RequestId:",
    b"INIT_START ",
    b"INIT_REPORT ",
)


_REPORT: Final = re.compile(
    rb"REPORT RequestId: (?P<id>[\w-]+)\tDuration: [\d.]+ ms\tBilled Duration: (?P<billed>\d+) ms\tMemory Size: (?P<memory>\d+) MB(?:\t|$)"
)
"""Lambda Developer Guide, "View CloudWatch Logs for Lambda functions"."""


def unwrapped(line: bytes) -> bytes | str:
    """The object in a line of a log, with the time in front of it as `time`; or why there is none."""
    if line.startswith(b"{"):
        return line if b'"fields":' not in line and b'"ingested_at":' not in line else _of_tail(line)
    found = _EXPORTED.match(line)
    return timed(line[found.end() :], _ms(found[1].decode())) if found else timed(line, None)


def timed(line: bytes, at_ms: int | None) -> bytes | str:
    """The line of an event with its time, where that is known; or why it is none of ours."""
    line = line.strip()
    if line.startswith(_LAMBDA):
        return OF_LAMBDA
    if line.startswith(b"REPORT RequestId:"):
        report = _report(line)
        if isinstance(report, str):
            return report
        line = report
    if not line.startswith(b"{") or at_ms is None:
        return line
    rest = line[1:].lstrip()
    return b'{"time":%d' % at_ms + (b"" if rest == b"}" else b",") + rest


def _report(line: bytes) -> bytes | str:
    """A line of the text format as JSON of the other one; or what is wrong with it."""
    found = _REPORT.match(line)
    if not found:
        return BAD_REPORT
    metrics = b'{"billedDurationMs":%s,"memorySizeMB":%s}' % (found["billed"], found["memory"])
    return b'{"type":"platform.report","record":{"requestId":"%s","metrics":%s}}' % (found["id"], metrics)


def _of_tail(line: bytes) -> bytes | str:
    """What `logs tail -o json` wrote: `{"time": ..., "fields": {...}}`, or `message` in place of `fields`."""
    try:
        event: Any = msgspec.json.decode(line)
    except (ValueError, RecursionError):
        return line
    is_object = isinstance(event.get("fields"), dict)
    message = msgspec.json.encode(event["fields"]) if is_object else str(event.get("message", "")).encode()
    found = timed(message, _ms(str(event.get("time"))))
    return found if isinstance(found, str) or found.startswith(b"{") else line


def _ms(text: str) -> int | None:
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
