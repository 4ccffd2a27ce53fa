"""Lines of logs as connections, minutes, messages and units."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whatschat_ops.usage.engine.database import Engine, engine, text
from whatschat_ops.usage.engine.inputs import inputs
from whatschat_ops.usage.engine.staging import stage
from whatschat_ops.usage.logs.lines import wanted_lines
from whatschat_ops.usage.logs.measuring import measure
from whatschat_ops.usage.measured import Bounded, Measured

T0 = 1_766_000_000_000
HOUR = 3_600_000
VIEWS = iter(range(10_000))


@pytest.fixture(scope="module")
def database() -> Iterator[Engine]:
    with engine(memory_mb=200, threads=2) as opened:
        yield opened


def access(kind: str, at_ms: int, *, connection: str = "a=", started_ms: int | None = 0, request: str = "", **more: Any) -> dict[str, Any]:  # fmt: skip
    request = request or f"{kind}-{connection}-{at_ms}"
    line = {
        "requestId": request,
        "requestTime": str(T0 + at_ms),
        "eventType": kind,
        "routeKey": {"CONNECT": "$connect", "DISCONNECT": "$disconnect"}.get(kind, "$default"),
        "connectionId": connection,
        "status": "200",
        "connectedAt": "-" if started_ms is None else str(T0 + started_ms),
        "integrationRequestId": f"i-{request}",
    }
    return {**line, **{name: value for name, value in more.items() if value is not None}}


def function(
    request: str, *, bytes_in: Any = 10, bytes_out: Any = 20, sent: Any = 1, **more: Any
) -> dict[str, Any]:
    return {
        "level": "INFO",
        "event": "message",
        "outcome": "delivered",
        "requestId": f"i-{request}",
        "connectionId": "a=",
        "route": "$default",
        "bytesIn": bytes_in,
        "bytesOut": bytes_out,
        "deliveries": {"sent": sent, "gone": 0, "failed": 0},
        **more,
    }


def measured(
    database: Engine, tmp_path: Path, *lines: dict[str, Any] | bytes, between: tuple[int, int] | None = None
) -> Measured:
    path = tmp_path / "log"
    path.write_bytes(
        b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)
    )
    return of_files(database, path, between=between)


def of_files(database: Engine, *paths: Path, between: tuple[int, int] | None = None) -> Measured:
    view = f"lines{next(VIEWS)}"
    staged = stage(
        database,
        inputs([str(path) for path in paths], flag="--from"),
        wanted_lines(api_id="api1", stage="live"),
        view,
    )
    since, until = (datetime.fromtimestamp((T0 + each) / 1000, UTC) for each in between or (0, 0))
    return measure(
        lambda question: database.rows(question.sql.replace("{lines}", view)),
        "log",
        since=since if between else None,
        until=until if between else None,
        rejects=staged.rejects,
    )


def minutes(found: Measured) -> tuple[float, float]:
    bounded = found.get("websocket_connection_minutes")
    assert bounded is not None
    return float(bounded.low), float(bounded.high)


def amount(found: Measured, name: Any) -> int | tuple[int, int] | None:
    bounded = found.get(name)
    if bounded is None:
        return None
    return int(bounded.low) if bounded.is_exact else (int(bounded.low), int(bounded.high))


def handled(found: Measured) -> dict[str, int]:
    return {each.reason.partition(":")[0]: each.count for each in found.handled}


def rejects(found: Measured) -> dict[str, int]:
    return {each.reason: each.count for each in found.rejects}


@pytest.mark.parametrize(
    ("lines", "low", "high", "connections", "how"),
    [
        ([access("CONNECT", 0), access("DISCONNECT", 90_000)], 1.5, 1.5, 1, {}),
        ([access("DISCONNECT", 90_000)], 1.5, 1.5, 1, {}),
        ([access("DISCONNECT", 90_000)] * 3, 1.5, 1.5, 1, {"a line that is there more than once": 2}),
        ([access("CONNECT", 0, started_ms=None), access("DISCONNECT", 90_000, started_ms=None)], 1.5, 1.5, 1, {}),
        ([access("CONNECT", 0, started_ms=None), access("DISCONNECT", 90_000)], 1.5, 1.5, 1, {}),
        ([access("CONNECT", 0), access("MESSAGE", 60_000)], 1, 60_001 / 60_000, 1, {"a connection without an end": 1}),
        ([access("CONNECT", 0), access("MESSAGE", 0, connection="b=", started_ms=HOUR, request="x"), access("DISCONNECT", 3 * HOUR, connection="b=", started_ms=3 * HOUR)],
         0, 240, 3, {"a connection without an end": 2, "a connection id that was used again": 2}),
        ([access("DISCONNECT", 90_000, started_ms=None), access("MESSAGE", 30_000, started_ms=None)], 1, 1, 1, {"a connection whose start is not known": 1}),
        ([access("DISCONNECT", 3 * HOUR)], 120, 180, 1, {"a connection that lasted longer than API Gateway allows": 1}),
        ([access("DISCONNECT", 2 * HOUR + 30_000)], 120.5, 120.5, 1, {}),
        ([access("DISCONNECT", 0, started_ms=60_000), access("DISCONNECT", 5 * HOUR, started_ms=5 * HOUR, connection="b=")], 0, 120, 2, {"a connection that ended before it began": 1}),
        ([access("CONNECT", t, started_ms=None) for t in (0, HOUR)] + [access("DISCONNECT", 9 * HOUR, started_ms=None)], 0, 240, 1, {"a connection id that was used again by lines without connectedAt": 1}),
        ([access("DISCONNECT", 60_000), access("DISCONNECT", 180_000, started_ms=120_000)], 2, 2, 2, {"a connection id that was used again": 2}),
        ([access("CONNECT", 0, status="403")], 0, 0, 0, {"a handshake that was refused": 1}),
        ([access("MESSAGE", t, started_ms=None) for t in (0, 60_000)], 1, 60_001 / 60_000, 1, {"a connection of which neither start nor end is known": 1}),
    ],
)  # fmt: skip
def test_lines_of_connections_give_their_minutes(
    lines: list[Any], low: float, high: float, connections: int, how: dict[str, int], database: Engine, tmp_path: Path
) -> None:  # fmt: skip
    found = measured(database, tmp_path, *lines)
    assert minutes(found)[0] == pytest.approx(low)
    assert minutes(found)[1] == pytest.approx(high)
    assert amount(found, "connections") == connections
    assert {
        reason: count for reason, count in handled(found).items() if not reason.startswith("a message")
    } == how


def test_connections_and_messages_outside_the_interval_are_cut_off(database: Engine, tmp_path: Path) -> None:
    lines = [
        access("DISCONNECT", 90_000),
        access("MESSAGE", 59_999),
        access("MESSAGE", 60_000),
        access("MESSAGE", 119_999),
        access("MESSAGE", 120_000),
        access("DISCONNECT", 50_000, connection="before="),
        access("CONNECT", 100_000, connection="open=", started_ms=100_000),
    ]
    found = measured(database, tmp_path, *lines, between=(60_000, 120_000))
    assert minutes(found)[0] == 0.5
    assert minutes(found)[1] == pytest.approx(0.5 + 20 / 60)
    assert (amount(found, "connections"), amount(found, "inbound_messages")) == (2, 2)
    assert (found.since.timestamp(), found.until.timestamp()) == (T0 / 1000 + 60, T0 / 1000 + 120)


def test_sizes_of_functions_give_units_and_bytes(database: Engine, tmp_path: Path) -> None:
    sizes = [(1, 32_768, 1), (32_768, 32_769, 1), (32_769, 40_000, 10), (131_072, 0, 0), (0, 262_144, 2)]
    lines = []
    for number, (bytes_in, bytes_out, sent) in enumerate(sizes):
        lines += [access("MESSAGE", number, request=f"r{number}"), function(f"r{number}", bytes_in=bytes_in, bytes_out=bytes_out, sent=sent)]  # fmt: skip
    found = measured(database, tmp_path, *lines)
    assert amount(found, "inbound_messages") == 5
    assert amount(found, "outbound_messages") == 14
    assert amount(found, "inbound_bytes") == sum(size for size, _, _ in sizes)
    assert amount(found, "outbound_bytes") == sum(size for _, size, _ in sizes)
    inbound = 1 + 1 + 2 + 4 + 1
    assert amount(found, "websocket_messages") == (inbound + 1 + 2 + 10 + 8, inbound + 1 + 2 + 11 + 8)
    assert found.get("data_transfer_out") == Bounded.exactly(
        Decimal(sum(size for _, size, _ in sizes)) / 1024**3
    )


def test_message_without_sizes_is_one_to_four_units(database: Engine, tmp_path: Path) -> None:
    found = measured(
        database, tmp_path, access("MESSAGE", 0), access("MESSAGE", 1, request="r"), function("r")
    )
    assert amount(found, "websocket_messages") == (3, 7)
    assert amount(found, "messages") == (3, 4)
    assert amount(found, "inbound_bytes") is None
    alone = measured(database, tmp_path, access("MESSAGE", 0), access("MESSAGE", 1))
    assert (amount(alone, "websocket_messages"), amount(alone, "outbound_messages")) == ((2, 8), None)
    assert "no line for a message to a client" in alone.remarks[0]


def test_lines_of_an_older_format_are_paired_by_their_number(database: Engine, tmp_path: Path) -> None:
    older = []
    for at in range(3):
        older.append(access("MESSAGE", at, request=f"q{at}"))
        del older[-1]["integrationRequestId"]
    found = measured(database, tmp_path, *older, function("x"), function("y"))
    assert amount(found, "inbound_messages") == 3
    assert amount(found, "websocket_messages") == (3 + 2, 2 + 4 + 2 + 1)
    assert handled(found)["a message whose lines are paired by their number"] == 2


def test_event_that_only_its_function_logged_counts(database: Engine, tmp_path: Path) -> None:
    found = measured(database, tmp_path, function("x"), function("x"), function("y", route="$connect", sent=0, bytes_out=0))  # fmt: skip
    assert (amount(found, "inbound_messages"), amount(found, "outbound_messages")) == (1, 1)
    assert handled(found)["a line that is there more than once"] == 1
    assert handled(found)["an event that only its function wrote a line of"] == 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({}, "a line that is neither of the access log nor of a function"),
        ({"requestId": "r", "status": "200", "httpMethod": "GET"}, "a line that is neither of the access log nor of a function"),
        (access("MESSAGE", 5, apiId="other"), "a line of another API or stage"),
        (access("MESSAGE", 5, stage="dev"), "a line of another API or stage"),
        (access("MESSAGE", 5, requestId="-"), "a line without a request id"),
        (access("MESSAGE", 5, connectionId="-"), "a line without a connection id"),
        (access("MESSAGE", 5, requestTime="09/Apr/2026:12:43:35 +0000"), "a line whose time is no time in milliseconds"),
        (access("MESSAGE", 5, requestTime="1766000000"), "a line whose time is no time in milliseconds"),
        (access("MESSAGE", 5, requestTime="-1"), "a line whose time is no time in milliseconds"),
        (access("MESSAGE", 5, requestTime=[1]), "a line whose time is no time in milliseconds"),
        (b"Traceback (most recent call last):", "a line that is not JSON"),
        (b'{"requestId":"r","requestTime":"17660', "a line that is not JSON"),
    ],
)  # fmt: skip
def test_line_that_cannot_be_used_is_counted_by_its_reason(
    line: Any, reason: str, database: Engine, tmp_path: Path
) -> None:
    found = measured(database, tmp_path, access("MESSAGE", 0), line, access("MESSAGE", 9))
    assert rejects(found) == {reason: 1}
    assert amount(found, "inbound_messages") == 2


@pytest.mark.parametrize(
    "line",
    [
        {"time": "2026-11-29T00:00:00Z", "type": "platform.start", "record": {}},
        b"END RequestId: 1",
        b"2026-11-29T00:00:00.000Z START RequestId: 1 Version: 3",
    ],
)
def test_line_of_lambda_itself_is_not_damaged_and_not_used(
    line: Any, database: Engine, tmp_path: Path
) -> None:
    found = measured(database, tmp_path, access("MESSAGE", 0), line, line, access("MESSAGE", 9))
    assert (rejects(found), amount(found, "inbound_messages")) == ({}, 2)
    assert found.remarks[0] == "Lambda itself wrote 2 lines on starts and ends, which are not used."


# The line of the Lambda Developer Guide, "Working with Lambda function logs", and its JSON form in "Lambda Telemetry API: Event schema"
REPORT = (
    "REPORT RequestId: {id}\tDuration: 79.67 ms\tBilled Duration: {billed} ms\tMemory Size: {memory} MB\t"
    "Max Memory Used: 73 MB\tInit Duration: 120.5 ms\t"
)


def report(id_: str, billed: Any = 80, memory: Any = 128, at_ms: int = 1_000) -> dict[str, Any]:
    metrics = {"durationMs": 79.67, "billedDurationMs": billed, "memorySizeMB": memory, "maxMemoryUsedMB": 73}
    when = datetime.fromtimestamp((T0 + at_ms) / 1000, UTC).isoformat(timespec="milliseconds")
    record = {"requestId": id_, "metrics": metrics, "status": "success"}
    return {"time": when.replace("+00:00", "Z"), "type": "platform.report", "record": record}


def as_text(id_: str, billed: int = 80, memory: int = 128, at_ms: int = 1_000) -> bytes:
    when = datetime.fromtimestamp((T0 + at_ms) / 1000, UTC).isoformat(timespec="milliseconds")
    return f"{when[:23]}Z {REPORT.format(id=id_, billed=billed, memory=memory)}".encode()


def tailed(id_: str) -> dict[str, Any]:
    return {
        "time": report(id_)["time"],
        "ingested_at": report(id_)["time"],
        "message": REPORT.format(id=id_, billed=80, memory=128),
    }


@pytest.mark.parametrize(
    "form", [report, as_text, tailed, lambda id_: {"fields": report(id_), "time": report(id_)["time"]}]
)
def test_reports_of_lambda_are_requests_and_what_is_billed(
    form: Any, database: Engine, tmp_path: Path
) -> None:
    found = measured(
        database, tmp_path, form("one"), access("MESSAGE", 0), form("two"), access("MESSAGE", 9_000)
    )
    assert (amount(found, "lambda_requests"), amount(found, "inbound_messages")) == (2, 2)
    assert found.quantities["lambda_duration_arm64"] == Bounded.exactly(Decimal("0.02"))  # 2 x 80 ms x 128 MB
    assert (rejects(found), handled(found)) == ({}, handled(measured(database, tmp_path, access("MESSAGE", 0), access("MESSAGE", 9_000))))  # fmt: skip


def test_reports_differ_in_memory_and_count_once_each_within_the_interval(
    database: Engine, tmp_path: Path
) -> None:
    large, late = report("large", 1, 1024), report("late", at_ms=10_000)
    lines = (access("MESSAGE", 0), report("a"), as_text("a"), large, large, late, access("MESSAGE", 5_000))
    found = measured(database, tmp_path, *lines, between=(0, 10_000))
    assert amount(found, "lambda_requests") == 2
    assert found.quantities["lambda_duration_arm64"] == Bounded.exactly(Decimal("0.011"))
    assert handled(found)["a line that is there more than once"] == 2


def test_key_that_is_there_twice_costs_no_line(database: Engine, tmp_path: Path) -> None:
    line = json.dumps(access("MESSAGE", 5_000))
    twice = line.replace('"status":', '"status": "500", "status":').encode()
    found = measured(database, tmp_path, access("MESSAGE", 0), twice, access("MESSAGE", 9_000))
    assert (amount(found, "inbound_messages"), rejects(found)) == (3, {})


def test_report_without_a_time_is_in_the_interval_and_said_to_be(database: Engine, tmp_path: Path) -> None:
    line = REPORT.format(id="a", billed=80, memory=128).encode()
    found = measured(database, tmp_path, access("MESSAGE", 0), line, access("MESSAGE", 5_000))
    assert amount(found, "lambda_requests") == 1
    assert handled(found)["a report of Lambda without a time"] == 1


@pytest.mark.parametrize(
    "line",
    [
        report("a", billed=None),
        report("a", memory="much"),
        report("a", billed=-1),
        report("a", billed=1_800_001),
        report("a", memory=10_241),
        as_text("a", billed=10**20),
        {**report("a"), "record": "words"},
        {**report("a"), "record": []},
        b"REPORT RequestId: a\tDuration: 79.67 ms\tBilled Dura",
    ],
)
def test_report_without_what_is_billed_is_counted(line: Any, database: Engine, tmp_path: Path) -> None:
    found = measured(database, tmp_path, access("MESSAGE", 0), line, access("MESSAGE", 5_000))
    assert rejects(found) == {"a report of Lambda without the time and the memory that are billed": 1}
    assert found.quantities["lambda_requests"] is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (access("MESSAGE", 5, connectedAt="soon"), "a line whose connectedAt is no time in milliseconds"),
        (function("MESSAGE-a=-5", bytes_in="many"), "a line of a function whose sizes are not numbers"),
        (function("MESSAGE-a=-5", sent=-1), "a line of a function whose sizes are not numbers"),
        (function("MESSAGE-a=-5", sent=9 * 10**18), "a line of a function whose sizes are not numbers"),
        (
            function("MESSAGE-a=-5", bytes_in=131_073),
            "a line of a function with sizes that API Gateway does not carry",
        ),
        (
            function("MESSAGE-a=-5", bytes_out=262_145, sent=2),
            "a line of a function with sizes that API Gateway does not carry",
        ),
        (
            function("MESSAGE-a=-5", bytes_out=1, sent=0),
            "a line of a function with sizes that API Gateway does not carry",
        ),
    ],
)
def test_line_with_a_damaged_field_counts_without_it(
    line: Any, reason: str, database: Engine, tmp_path: Path
) -> None:
    found = measured(database, tmp_path, access("MESSAGE", 0), line, access("MESSAGE", 9))
    assert (amount(found, "inbound_messages"), rejects(found), handled(found)[reason]) == (3, {}, 1)


@pytest.mark.parametrize(("bytes_in", "bytes_out", "sent"), [(131_072, 262_144, 2), (0, 0, 0)])
def test_sizes_at_the_limits_of_api_gateway_count(
    bytes_in: int, bytes_out: int, sent: int, database: Engine, tmp_path: Path
) -> None:
    line = function("r", bytes_in=bytes_in, bytes_out=bytes_out, sent=sent)
    found = measured(database, tmp_path, access("MESSAGE", 0, request="r"), line)
    said = [amount(found, name) for name in ("inbound_bytes", "outbound_bytes", "outbound_messages")]
    assert (said, handled(found)) == ([bytes_in, bytes_out, sent], {"a connection without an end": 1})


@pytest.mark.parametrize(
    ("sent", "known"), [(3, Bounded.exactly(3)), ("many", Bounded(Decimal(0), Decimal(1)))]
)
def test_what_a_line_with_damaged_sizes_sent_is_not_taken_as_nothing(
    sent: Any, known: Bounded, database: Engine, tmp_path: Path
) -> None:
    line = function("r", bytes_in=-1, sent=sent)
    found = measured(database, tmp_path, access("MESSAGE", 0, request="r"), line)
    assert found.quantities["outbound_messages"] == known
    assert (found.quantities["outbound_bytes"], found.quantities["data_transfer_out"]) == (None, None)


def test_rejected_line_without_known_keys_has_its_file_as_sample(database: Engine, tmp_path: Path) -> None:
    found = measured(database, tmp_path, access("MESSAGE", 0), b'{"foo":1}')
    (reject,) = found.rejects
    assert reject.samples == (f"{tmp_path / 'log'}: without the keys of a line",)


def test_numbers_as_strings_and_strings_as_numbers_are_the_same(database: Engine, tmp_path: Path) -> None:
    lines = [access("MESSAGE", 0, request="r"), function("r")]
    texts = [{**lines[0], "requestTime": T0, "status": 200}, {**lines[1], "bytesIn": "10", "bytesOut": "20.0"}]  # fmt: skip
    assert measured(database, tmp_path, *lines).quantities == measured(database, tmp_path, *texts).quantities


def test_exports_and_saved_tails_are_read_as_the_lines_in_them(database: Engine, tmp_path: Path) -> None:
    lines = [access("MESSAGE", 0, request="r"), function("r"), access("DISCONNECT", 60_000)]
    plain = measured(database, tmp_path, *lines)
    times = ["2025-12-17T19:33:20.000Z", "2025-12-17T19:33:20.000Z", "2025-12-17T19:34:20.000Z"]
    export = tmp_path / "000000.gz"
    export.write_bytes(gzip.compress("".join(f"{at} {json.dumps(line)}\n" for at, line in zip(times, lines, strict=True)).encode()))  # fmt: skip
    tail = tmp_path / "tail.jsonl"
    tail.write_text("".join(json.dumps({"time": at, "source": "default", "id": "1", "ingested_at": at, "late_s": 0, "fields": line}) + "\n" for at, line in zip(times, lines, strict=True)))  # fmt: skip
    exported = of_files(database, export)
    assert exported.quantities == of_files(database, tail).quantities == plain.quantities
    assert exported.rejects == ()


def test_files_without_a_usable_line_measure_nothing(database: Engine, tmp_path: Path) -> None:
    found = measured(database, tmp_path, b"words")
    assert set(found.quantities.values()) == {None}
    assert (found.rows, rejects(found)) == (0, {"a line that is not JSON": 1})


def model(lines: list[dict[str, Any]], since: int, until: int) -> tuple[int, int, int, int]:
    """Connections, their least and most milliseconds, and messages of an interval, as one would write it."""
    lives: dict[tuple[str, int | None], list[dict[str, Any]]] = {}
    for line in {line["requestId"]: line for line in lines}.values():
        started = None if line["connectedAt"] == "-" else int(line["connectedAt"]) - T0
        lives.setdefault((line["connectionId"], started), []).append(line)
    for connection in {connection for connection, _ in lives}:
        known = [started for other, started in lives if other == connection and started is not None]
        if len(known) == 1 and (connection, None) in lives:
            lives[connection, known[0]] += lives.pop((connection, None))
    found = [
        bounds for (_, started), those in lives.items() if (bounds := life(started, those, since, until))
    ]
    inside = [line for line in lines if line["eventType"] == "MESSAGE" and since <= int(line["requestTime"]) - T0 < until]  # fmt: skip
    return (
        len(found),
        sum(low for low, _ in found),
        sum(max(low, high) for low, high in found),
        len({line["requestId"] for line in inside}),
    )


def life(started: int | None, lines: list[dict[str, Any]], since: int, until: int) -> tuple[int, int] | None:
    at = {kind: [int(line["requestTime"]) - T0 for line in lines if line["eventType"] == kind] for kind in ("CONNECT", "DISCONNECT", "MESSAGE")}  # fmt: skip
    times, longest = sorted(each for those in at.values() for each in those), 2 * HOUR
    again = max(len(set(at["CONNECT"])), len(set(at["DISCONNECT"])))
    if started is None and again > 1:
        least, most = (times[0], times[0]), (times[0], times[0] + again * longest)
    else:
        start = started if started is not None else min(at["CONNECT"], default=None)
        end = max(at["DISCONNECT"], default=None)
        if start is None and end is None:
            least, most = (times[0], times[-1]), (times[-1] - longest, times[0] + longest)
        elif start is None and end is not None:
            least, most = (times[0], end), (times[-1] - longest, end)
        elif start is not None and end is None:
            least, most = (start, times[-1]), (start, max(start + longest, times[-1]))
        elif start is not None and end is not None and end < start:
            least, most = (end, end), (end, end + longest)
        else:
            assert start is not None
            assert end is not None
            late = end - start > longest + 60_000
            least, most = (start, start + longest if late else end), (start, end)
    if most[1] < since or most[0] >= until:
        return None
    low, high = (max(0, min(end, until) - max(start, since)) for start, end in (least, most))
    is_fragment = started is None and again == 0
    return low, min(high, longest) if is_fragment else high


TIMES = st.sampled_from(
    [0, 1, 60_000, 90_000, HOUR, 2 * HOUR, 2 * HOUR + 60_000, 2 * HOUR + 60_001, 5 * HOUR]
)
LINES = st.lists(
    st.builds(
        lambda kind, at, connection, started: access(kind, at, connection=connection, started_ms=started),
        st.sampled_from(["CONNECT", "DISCONNECT", "MESSAGE"]),
        TIMES,
        st.sampled_from(["a=", "b="]),
        st.none() | st.sampled_from([0, 60_000, HOUR]),
    ),
    min_size=1,
    max_size=8,
)


@given(lines=LINES, since=TIMES, length=TIMES, twice=st.booleans())
@settings(max_examples=40, deadline=None)
def test_answers_of_sql_are_those_of_a_model(
    lines: list[dict[str, Any]], since: int, length: int, twice: bool, database: Engine
) -> None:
    lines = list({line["requestId"]: line for line in lines}.values())
    lines += lines[:2] if twice else []
    texts = ", ".join("(" + ", ".join(text(line[name]) for name in ROW) + ")" for line in lines)
    missing = [name for name in wanted_lines().columns if name not in ROW.values()]
    nothing = ", ".join(f"NULL::VARCHAR AS {column}" for column in missing)
    given_rows = f"(SELECT *, {nothing} FROM (VALUES {texts}) AS given({', '.join(ROW.values())}))"
    database.rows(
        f"CREATE OR REPLACE TABLE given_lines AS {wanted_lines().query.replace('{rows}', given_rows)}"
    )
    found = measure(
        lambda question: database.rows(question.sql.replace("{lines}", "given_lines")),
        "lines",
        since=datetime.fromtimestamp((T0 + since) / 1000, UTC),
        until=datetime.fromtimestamp((T0 + since + length) / 1000, UTC),
    )
    low, high = (round(each * 60_000) for each in minutes(found))
    assert (amount(found, "connections"), low, high, amount(found, "inbound_messages")) == model(
        lines, since, since + length
    )


ROW = {
    "requestId": "request_id",
    "requestTime": "request_time",
    "eventType": "event_type",
    "routeKey": "route_key",
    "connectionId": "connection_id",
    "status": "status",
    "connectedAt": "connected_at",
    "integrationRequestId": "integration_id",
}
"""Name in a line -> the column that it becomes."""
