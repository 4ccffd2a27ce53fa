"""A connection's life from lines that are double, late, lost, of another format or hostile; and how its end is told."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from whatschat_ops.audit import AuditEntry
from whatschat_ops.choices import LogSource
from whatschat_ops.config import Settings
from whatschat_ops.connections.store import Connection
from whatschat_ops.errors import NotFound, NotProvisioned, PermissionDenied
from whatschat_ops.logs.events import LogEvent
from whatschat_ops.logs.groups import LogGroup, log_groups
from whatschat_ops.logs.parsed import AccessLine, parse
from whatschat_ops.logs.reading import Search
from whatschat_ops.logs.trace.endings import Act, Cause, Known, State, ending
from whatschat_ops.logs.trace.finding import LIFE_MS, MAX_LOOKED_UP, Finder, is_connection_id, windows
from whatschat_ops.logs.trace.joining import Exchange, join
from whatschat_ops.logs.trace.life import Beside, Trace, trace_of
from whatschat_ops.logs.trace.tracing import Sources, Tracing

ME = "R0oXAdfD0kwCH6w="
T0 = 1_800_000_000_000
MINUTE = 60_000
ROUTES = {"$connect": "CONNECT", "$disconnect": "DISCONNECT"}


def event(source: LogSource, at_ms: int, message: str | dict[str, Any], *, stream: str = "s") -> LogEvent:
    text = message if isinstance(message, str) else json.dumps(message)
    return LogEvent(f"{source}-{at_ms}-{text}", source, stream, at_ms, at_ms, text)


def access(at_ms: int, route: str = "$default", request: str | None = "r1", **more: Any) -> LogEvent:
    fields = {
        "requestId": f"api-{at_ms}",
        "requestTime": str(at_ms),
        "eventType": ROUTES.get(route, "MESSAGE"),
        "routeKey": route,
        "connectionId": ME,
        "status": "200",
        "integrationLatency": "12",
        "connectedAt": str(T0),
        "integrationRequestId": request or "-",
        "userAgent": "test/1",
        **more,
    }
    return event(LogSource.ACCESS, at_ms, {key: value for key, value in fields.items() if value is not None})


def line(source: LogSource, at_ms: int, request: str = "r1", connection: str = ME, **more: Any) -> LogEvent:
    fields = {"level": "INFO", "event": source, "outcome": "done", "requestId": request, "latencyMs": 9.0}
    return event(source, at_ms, {**fields, "connectionId": connection, **more})


CONNECT = [
    access(T0, "$connect", "r0"),
    line(LogSource.CONNECT, T0 + 10, "r0", outcome="accepted", userId="alice"),
]
MESSAGE = [access(T0 + 1000), line(LogSource.DEFAULT, T0 + 1010, event="message:send", outcome="delivered")]


def disconnect(at_ms: int, code: int | None, reason: str = "") -> list[LogEvent]:
    said = line(LogSource.DISCONNECT, at_ms + 10, "r9", outcome="deleted", code=code, reason=reason)
    return [access(at_ms, "$disconnect", "r9"), *([said] if code is not None else [])]


def traced(*events: LogEvent, **beside: Any) -> Trace:
    known = beside.pop("known", Known(T0 + 3 * LIFE_MS))
    return trace_of(ME, join(events, ME), Beside(known, **beside))


def end_of(*events: LogEvent, **known: Any) -> tuple[State, Cause]:
    trace = traced(*CONNECT, *events, known=Known(**{"now_ms": T0 + MINUTE, **known}))
    return trace.state, trace.cause


def test_lines_that_are_double_and_in_any_order_are_one_life() -> None:
    events = [*CONNECT, *MESSAGE, *disconnect(T0 + 2000, 1000)]
    again = [replace_id(each) for each in events]
    trace = traced(*reversed([*events, *events, *again]))
    assert [(step.kind, step.outcome, step.status) for step in trace.steps] == [
        ("connect", "accepted", 200),
        ("message", "delivered", 200),
        ("disconnect", "deleted", 200),
    ]
    assert (trace.user_id, trace.gaps, trace.seconds) == ("alice", (), 2.0)


def replace_id(each: LogEvent) -> LogEvent:
    return each._replace(id=f"{each.id}-again", ingested_ms=each.ingested_ms + 5000)


def test_two_messages_of_one_moment_are_joined_by_the_request_and_not_by_the_time() -> None:
    events = [access(T0 + 1000, request=name, requestId=name) for name in ("a", "b")]
    events += [line(LogSource.DEFAULT, T0 + 1005, name, event=f"type-{name}") for name in ("b", "a")]
    joined = join(events, ME)
    assert [(each.request, each.handler and each.handler.event) for each in joined.exchanges] == [
        ("a", "type-a"),
        ("b", "type-b"),
    ]


def test_access_log_of_an_earlier_version_is_paired_in_order_and_says_so() -> None:
    old: dict[str, Any] = {"integrationRequestId": None, "connectedAt": None, "userAgent": None}
    events = [access(T0 + at, **old) for at in (1000, 2000)]
    events += [line(LogSource.DEFAULT, T0 + at + 5, f"r{at}", event=f"type-{at}") for at in (1000, 2000)]
    trace = traced(*events)
    assert [step.what for step in trace.steps] == ["type-1000", "type-2000"]
    assert any("joined by their order" in gap for gap in trace.gaps)


@pytest.mark.parametrize("agent", ['Mozi"lla', '","status":"500', "\x1b[31m", '"}{"', ',"userAgent":"x'])
def test_user_agent_that_breaks_the_json_of_its_line_hides_nothing(agent: str) -> None:
    raw = (
        access(T0)
        .message.replace("test/1", "AGENT")
        .replace(", ", ",")
        .replace(": ", ":")
        .replace("AGENT", agent)
    )
    found = parse(event(LogSource.ACCESS, T0, raw))
    assert isinstance(found, AccessLine)
    assert (found.ids.connection, found.integration_request, found.connected_at_ms) == (ME, "r1", T0)


def test_posts_of_others_say_who_sent_them_and_whether_they_came() -> None:
    ok = line(LogSource.DEFAULT, T0 + 1, "x", "other=", event="typing", userId="bob", recipients=[ME, "c="])
    gone = line(
        LogSource.DEFAULT, T0 + 2, "y", "third=", event="typing", recipients=[ME], unreached={ME: "gone"}
    )
    trace = traced(*CONNECT, ok, gone)
    assert [(step.what, step.outcome, step.is_error) for step in trace.steps[1:]] == [
        ("typing from bob", "sent", False),
        ("typing from third=", "gone", True),
    ]
    assert (trace.state, trace.cause, trace.posts_sent, trace.posts_failed) == (
        State.CLOSED,
        Cause.ROW_PRUNED,
        1,
        1,
    )


def test_lines_of_the_applications_own_functions_stand_below_their_event() -> None:
    said = [
        event(LogSource.DEFAULT, T0 + 1001, "START RequestId: r1 Version: 1"),
        event(LogSource.DEFAULT, T0 + 1002, "2027-01-15T08:00:01.002Z\tr1\tINFO\tgot a message"),
        event(LogSource.DEFAULT, T0 + 1003, "a line without any id"),
        event(LogSource.DEFAULT, T0 + 1003, "another worker's", stream="other"),
        event(LogSource.DEFAULT, T0 + 1004, "REPORT RequestId: r1\tDuration: 1 ms\t"),
        event(LogSource.DEFAULT, T0 + 1005, "after it"),
    ]
    trace = traced(access(T0, "$connect", "r0"), access(T0 + 1000), *said, own_functions=True)
    message = next(step for step in trace.steps if step.kind == "message")
    assert [text.rpartition("\t")[2] for text in message.lines] == ["got a message", "a line without any id"]
    assert (trace.user_id, trace.code) == (None, None)
    assert any("application's own" in gap for gap in trace.gaps)


def test_gaps_are_named() -> None:
    ran = event(LogSource.DEFAULT, T0 + 2003, "REPORT RequestId: ran\tDuration: 1 ms\t")
    trace = traced(
        access(T0 + 1000, request="unseen"),
        access(T0 + 2000, request="ran"),
        ran,
        line(LogSource.DEFAULT, T0 + 3000, "alone"),
        missing_groups=["/gone"],
        not_looked_up=3,
        not_read=["Not read: the audit log."],
        retention_days=7,
    )
    text = "\n".join(trace.gaps)
    for part in (
        "Not read: the audit log",
        "/gone does not exist",
        "No line of its handshake",
        "Once the function default ran and the access log has no line of it",
        "Once the function default ran and wrote no line: a ping",
        "older than the retention of 7 days",
        "3 more invocations",
        "No line of its end",
    ):
        assert part in text


def test_clocks_that_differ_are_said_and_the_order_is_api_gateways() -> None:
    trace = traced(
        *CONNECT, access(T0 + 1000), line(LogSource.DEFAULT, T0 - 20_000), access(T0 + 2000, request="r2")
    )
    assert [step.request_id for step in trace.steps] == ["r0", "r1", "r2"]
    assert any("differ by up to 21 s" in gap for gap in trace.gaps)


@pytest.mark.parametrize(
    ("after_ms", "code", "cause"),
    [
        (5_000, 1000, Cause.CLIENT),
        (5_000, 1005, Cause.CLIENT),
        (5_000, 1006, Cause.NETWORK),
        (5_000, 1009, Cause.TOO_BIG),
        (5_000, 1002, Cause.PROTOCOL),
        (5_000, 4001, Cause.CLIENT),
        (5_000, 1001, Cause.CLIENT_LEFT),
        (9 * MINUTE, 1001, Cause.CLIENT_LEFT),
        (10 * MINUTE + 2_000, 1001, Cause.IDLE),
        (30 * MINUTE, 1001, Cause.IDLE),
        (120 * MINUTE, 1001, Cause.TWO_HOURS),
        (120 * MINUTE, 1000, Cause.CLIENT),
        (5_000, None, Cause.UNKNOWN),
        (10 * MINUTE + 2_000, None, Cause.IDLE),
    ],
)
def test_cause_follows_from_the_code_and_the_times(after_ms: int, code: int | None, cause: Cause) -> None:
    assert end_of(*MESSAGE, *disconnect(T0 + 1000 + after_ms, code)) == (State.CLOSED, cause)


ANNA = Act(T0 + 4000, "arn:aws:iam::1:user/anna", "ws.disconnect", "abuse")


@pytest.mark.parametrize(
    ("act", "cause"),
    [
        (ANNA, Cause.OPERATOR),
        (replace(ANNA, action="ws.connections.delete"), Cause.OPERATOR),
        (replace(ANNA, action="ws.prune"), Cause.CLIENT),
        (replace(ANNA, action="lambda.delete"), Cause.CLIENT),
        (replace(ANNA, at_ms=T0 - 10 * MINUTE), Cause.CLIENT),
        (replace(ANNA, at_ms=T0 + 10 * MINUTE), Cause.CLIENT),
    ],
)
def test_operators_act_is_the_cause_only_if_it_closes_connections_just_before(act: Act, cause: Cause) -> None:
    trace = traced(*CONNECT, *disconnect(T0 + 5000, 1000), known=Known(T0 + MINUTE, acts=[act]))
    assert (trace.cause, trace.by) == (cause, act.by if cause is Cause.OPERATOR else None)


@pytest.mark.parametrize(
    ("known", "state", "cause"),
    [
        ({"is_live": True}, State.OPEN, Cause.NONE),
        ({"is_live": False, "has_row": True}, State.CLOSED, Cause.UNKNOWN),
        ({"has_row": True, "row_expires_ms": T0}, State.CLOSED, Cause.ROW_EXPIRED),
        ({"acts": [replace(ANNA, action="ws.prune")]}, State.CLOSED, Cause.ROW_PRUNED),
        ({"now_ms": T0 + 2 * LIFE_MS}, State.CLOSED, Cause.TWO_HOURS),
        ({}, State.UNKNOWN, Cause.UNKNOWN),
    ],
)
def test_end_that_no_line_tells_of_is_told_from_the_rest(
    known: dict[str, Any], state: State, cause: Cause
) -> None:
    assert end_of(**known) == (state, cause)


@pytest.mark.parametrize(
    ("more", "cause", "says"),
    [
        ({"status": "401"}, Cause.TOKEN, "expired"),
        ({"status": "429", "integrationRequestId": "-"}, Cause.THROTTLED, "limit"),
        ({"status": "403", "integrationRequestId": "-"}, Cause.FORBIDDEN, "before any function"),
        (
            {"status": "500", "integrationRequestId": "-", "integrationError": "no permission"},
            Cause.FUNCTION_FAILED,
            "no permission",
        ),
        ({"status": "418"}, Cause.REJECTED, "responded 418"),
    ],
)
def test_refused_handshake_says_who_refused_it(more: dict[str, Any], cause: Cause, says: str) -> None:
    said = line(LogSource.CONNECT, T0 + 10, "r1", outcome="refused", reason="expired")
    trace = traced(access(T0, "$connect", **more), *([said] if cause is Cause.TOKEN else []))
    assert (trace.state, trace.cause, trace.code) == (State.REFUSED, cause, int(more["status"]))
    assert says in trace.why


def test_time_out_of_the_function_is_the_cause_of_a_refused_handshake() -> None:
    stopped = event(
        LogSource.CONNECT, T0 + 900, "2027-01-15T08:00:00.000Z r1 Task timed out after 1.00 seconds"
    )
    trace = traced(access(T0, "$connect", status="504"), stopped)
    assert (trace.cause, trace.why) == (
        Cause.FUNCTION_FAILED,
        "The function connect ended with an error: Task timed out after 1.00 seconds.",
    )


def test_nothing_is_known_of_a_connection_without_lines() -> None:
    assert ending(None, None, Known(T0)).state is State.UNKNOWN


@pytest.mark.parametrize(
    ("text", "is_id"),
    [
        (ME, True),
        ("-R0oXAdfD0kwCH6w=", True),
        ("alice", False),
        ('a"b=', False),
        ("=", False),
        ("a b=", False),
        ("x" * 200 + "=", False),
    ],
)
def test_connection_ids_are_known_by_their_form(text: str, is_id: bool) -> None:
    assert is_connection_id(text) is is_id


class Reader:
    """Stands for a LogReader: groups in memory, with what was asked."""

    def __init__(self, events: list[LogEvent], missing: frozenset[LogSource] = frozenset()) -> None:
        self.events_of_all = events
        self.missing = missing
        self.asked: list[tuple[LogSource, Search]] = []

    def events(self, group: LogGroup, search: Search) -> list[LogEvent]:
        self.asked.append((group.source, search))
        if group.source in self.missing:
            raise NotFound("no group")
        terms = [term.strip('?"') for term in search.pattern.split()]
        return [
            each
            for each in self.events_of_all
            if each.source is group.source
            and search.start_ms <= each.time_ms
            and (search.end_ms is None or each.time_ms <= search.end_ms)
            and (not terms or any(term in each.message for term in terms))
        ]


GROUPS = log_groups(Settings.of({}))
NOW = T0 + 30 * LIFE_MS


def finder(reader: Any, since_ms: int = T0 - LIFE_MS) -> Finder:
    return Finder(reader, GROUPS, since_ms, None, NOW)


def test_windows_cover_the_range_once_the_newest_first_and_without_an_end() -> None:
    found = list(windows(T0, None, NOW))
    assert (found[0][1], found[-1][0]) == (None, T0)
    assert all(later[0] - 1 == earlier[1] for later, earlier in pairwise(found))
    assert len(found) == 5
    assert list(windows(T0, T0 + 5, NOW)) == [(T0, T0 + 5)]


def test_old_connection_is_looked_for_in_its_own_life_only() -> None:
    others = [line(LogSource.DEFAULT, T0 + number, f"o{number}", "other=") for number in range(1000)]
    reader = Reader([*CONNECT, *MESSAGE, *disconnect(T0 + 2000, 1000), *others])
    found = finder(reader).connection(ME)
    assert len(found.events) == 6
    of_functions = [search for source, search in reader.asked if source is not LogSource.ACCESS]
    assert all(
        search.end_ms is not None and search.end_ms - search.start_ms <= 3 * MINUTE for search in of_functions
    )
    assert len(reader.asked) == 5 + 1 + 3


def test_group_that_does_not_exist_is_asked_once_and_noted() -> None:
    reader = Reader(CONNECT, frozenset({LogSource.ACCESS}))
    found = finder(reader).connection(ME)
    assert [group.source for group in found.missing] == [LogSource.ACCESS]
    assert [source for source, _ in reader.asked].count(LogSource.ACCESS) == 1
    assert [each.source for each in found.events] == [LogSource.CONNECT]


def test_invocations_that_need_lines_are_asked_for_in_patterns_that_aws_takes() -> None:
    exchanges = [
        Exchange(LogSource.DEFAULT, T0 + number, parse_access(access(T0 + number, request=f"{number:036d}")))
        for number in range(MAX_LOOKED_UP + 5)
    ]
    reader = Reader([])
    look = finder(reader)
    found = look.connection("AAAA=", T0)
    reader.asked.clear()
    look.invocations(exchanges, found)
    assert found.not_looked_up == 5
    assert all(len(search.pattern) <= 1024 for _, search in reader.asked)
    assert sum(search.pattern.count("?") for _, search in reader.asked) == MAX_LOOKED_UP


def parse_access(found: LogEvent) -> AccessLine:
    parsed = parse(found)
    assert isinstance(parsed, AccessLine)
    return parsed


class Rows:
    def get(self, connection_id: str) -> Connection | None:
        raise PermissionDenied("dynamodb:GetItem is not allowed.")

    def of_user(self, user_id: str) -> list[Connection]:
        return [Connection("open=", user_id, datetime.fromtimestamp(T0 / 1000, UTC), None)]


def tracing(reader: Any) -> Tracing:
    def entries(*_: Any) -> list[AuditEntry]:
        raise NotProvisioned("no table")

    sources = Sources(Rows(), lambda _: None, entries, lambda *_: ())
    return Tracing(finder(reader), sources, Settings.of({}), GROUPS, NOW)


def test_what_may_not_be_read_is_a_gap_and_the_rest_is_shown() -> None:
    trace = tracing(Reader([*CONNECT, *disconnect(T0 + 5000, 1000)])).connection(ME)
    assert trace is not None
    assert trace.gaps == ("Not read: the connections table. dynamodb:GetItem is not allowed.",)
    assert trace.cause is Cause.CLIENT


def test_connections_of_a_user_come_from_lines_and_from_the_table() -> None:
    lines = [*CONNECT, line(LogSource.DISCONNECT, T0 + 5000, "r9", code=1006, userId="alice")]
    lines.append(line(LogSource.CONNECT, T0 + 1, "r8", "other=", userId="alice2", outcome="accepted"))
    found = tracing(Reader(lines)).of_user("alice", "alice", ("alice", "sha256:0"))
    assert [(each.connection_id, each.state, each.code) for each in found] == [
        (ME, State.CLOSED, 1006),
        ("open=", State.OPEN, None),
    ]
