"""What lines say: of our handlers, the access log, Lambda itself, and of anything else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.choices import LogSource
from whatschat_ops.logs.events import LogEvent
from whatschat_ops.logs.parsed import AccessLine, HandlerLine, Ids, Line, Other, PlatformLine, Text, parse


def parsed(message: str, source: LogSource = LogSource.DEFAULT) -> Line:
    return parse(LogEvent("1", source, "stream", 0, 0, message))


def test_handler_line_gives_its_fields_with_their_types() -> None:
    line = parsed(
        json.dumps(
            {
                "level": "INFO",
                "event": "message",
                "outcome": "sent",
                "requestId": "r1",
                "connectionId": "c1=",
                "userId": "alice",
                "route": "sendMessage",
                "latencyMs": 12.5,
                "bytesIn": 10,
                "deliveries": {"sent": 2, "gone": 1, "failed": "x"},
                "recipients": ["c2=", 3],
                "recipientsOmitted": 7,
                "coldStart": True,
            }
        )
    )
    assert isinstance(line, HandlerLine)
    assert line.ids == Ids("c1=", "r1", "alice")
    assert (line.event, line.outcome, line.route, line.latency_ms) == (
        "message",
        "sent",
        "sendMessage",
        12.5,
    )
    assert (line.bytes_in, line.bytes_out, line.cold_start) == (10, None, True)
    assert (line.deliveries, line.recipients, line.recipients_omitted) == (
        {"sent": 2, "gone": 1},
        ("c2=",),
        7,
    )


def test_access_line_reads_strings_as_numbers_and_a_hyphen_as_absent() -> None:
    line = parsed(
        '{"requestId":"g1","requestTime":"1766000000000","eventType":"MESSAGE","routeKey":"$default","connectionId":"c1=",'
        '"status":"200","integrationStatus":"-","integrationLatency":"17","error":"-","integrationRequestId":"r1"}',
        LogSource.ACCESS,
    )
    assert isinstance(line, AccessLine)
    assert line.ids == Ids("c1=", "g1")
    assert (line.status, line.integration_status, line.integration_latency_ms) == (200, None, 17.0)
    assert (line.requested_at_ms, line.error, line.integration_request) == (1766000000000, None, "r1")


REPORT = "REPORT RequestId: r1\tDuration: 2.90 ms\tBilled Duration: 3 ms\tMemory Size: 256 MB\tMax Memory Used: 40 MB\t"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("START RequestId: r1 Version: $LATEST\n", PlatformLine("start", Ids(request="r1"))),
        ("END RequestId: r1\n", PlatformLine("end", Ids(request="r1"))),
        (
            f"{REPORT}Init Duration: 120.50 ms\t\n",
            PlatformLine("report", Ids(request="r1"), None, 2.9, 3, 120.5, 256, 40),
        ),
        (
            f"{REPORT}Status: timeout\t\n",
            PlatformLine("report", Ids(request="r1"), "timeout", 2.9, 3, None, 256, 40),
        ),
        (
            f"{REPORT}Status: error\tError Type: Runtime.ExitError\t\n",
            PlatformLine("report", Ids(request="r1"), "Runtime.ExitError", 2.9, 3, None, 256, 40),
        ),
        (
            "2026-11-29T01:02:03.004Z r1 Task timed out after 3.00 seconds\n\n",
            PlatformLine("timeout", Ids(request="r1"), "timeout", detail="Task timed out after 3.00 seconds"),
        ),
        (
            "INIT_START Runtime Version: python:3.12.v18\tRuntime Version ARN: arn:aws:lambda:r::runtime:0\n",
            PlatformLine("init", Ids(), detail="python:3.12.v18"),
        ),
        (
            "INIT_REPORT Init Duration: 9.50 ms\tPhase: init\tStatus: error\tError Type: Runtime.ImportModuleError\n",
            PlatformLine("init", Ids(), "Runtime.ImportModuleError", init_ms=9.5),
        ),
        (
            '{"time":"t","type":"platform.report","record":{"requestId":"r1","status":"success","metrics":{"durationMs":2.9,'
            '"billedDurationMs":3,"memorySizeMB":256,"maxMemoryUsedMB":40}}}',
            PlatformLine("report", Ids(request="r1"), None, 2.9, 3, None, 256, 40),
        ),
        (
            '{"time":"t","type":"platform.logsDropped","record":{"droppedRecords":12,"droppedBytes":99,"reason":"full"}}',
            PlatformLine("dropped", Ids(), dropped=12, detail="full"),
        ),
    ],
)
def test_line_of_lambda_gives_its_figures(message: str, expected: PlatformLine) -> None:
    assert parsed(message) == expected


@pytest.mark.parametrize(
    "message",
    [
        "",
        "plain",
        "{not json",
        "[1]",
        "{" * 100_000,
        '{"a":' * 100_000,
        "START of something",
        "\x00\x1b[2J",
        "9" * 5000,
    ],
)
def test_anything_else_is_text(message: str) -> None:
    assert parsed(message) == Text(message)


def test_other_json_object_keeps_its_fields() -> None:
    assert parsed('{"msg": "hello", "connectionId": "c1="}') == Other(
        Ids("c1="), {"msg": "hello", "connectionId": "c1="}
    )


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)
_NAMES = st.sampled_from(
    [
        "level", "event", "outcome", "requestId", "connectionId", "userId", "route", "code", "latencyMs", "deliveries",
        "recipients", "recipientsOmitted", "coldStart", "status", "requestTime", "connectedAt", "type", "record",
    ]
)  # fmt: skip


@given(st.dictionaries(_NAMES, _JSON), st.sampled_from(LogSource))
def test_field_of_any_type_breaks_nothing(fields: dict[str, Any], source: LogSource) -> None:
    line = parsed(json.dumps({"event": "e", "outcome": "o"} | fields), source)
    assert all(value is None or isinstance(value, str) for value in line.ids)


@given(
    st.sampled_from(["REPORT RequestId: r", "INIT_START ", "INIT_REPORT ", "START RequestId: "]), st.text()
)
def test_cut_line_of_lambda_breaks_nothing(head: str, rest: str) -> None:
    parsed(head + rest)
