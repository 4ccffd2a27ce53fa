"""The gate's reads: what CloudWatch and the logs answer, lack or refuse. botocore's Stubber checks both sides against the model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.stub import Stubber

from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.config import Settings
from whatschat_ops.metrics.window import Window
from whatschat_ops.migration import old_path
from whatschat_ops.migration.cohort import Service
from whatschat_ops.migration.gate import ALL_MEASURES, PathFigures
from whatschat_ops.migration.gate_reading import (
    CHIME_MEASURES,
    METRICS_ONLY,
    GateFigures,
    minutes_until,
    read_figures,
)
from whatschat_ops.redaction import Secret

SINCE = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
WINDOW = Window(SINCE, SINCE + timedelta(minutes=2), 60, SINCE, compared=False)
WITHOUT_LOGS = Settings.of({"lambda": {"log_level": "ERROR"}, "websocket": {"access_logs": False}})
OLD = ("Requests", "Errors", "Latency", "Reconnects", "Gone")
NEW = (
    "ConnectCount",
    "MessageCount",
    "ClientError",
    "IntegrationError",
    "ExecutionError",
    "IntegrationLatency",
)
Values = Mapping[str, Mapping[int, float]]
NOTHING = (PathFigures(), PathFigures())


@pytest.fixture
def aws() -> Aws:
    return Aws(
        AwsTarget("us-east-1", None, "http://127.0.0.1:9", "AKIAIOSFODNN7EXAMPLE", Secret("x")), attempts=1
    )


@pytest.fixture
def cloudwatch(aws: Aws) -> Iterator[Stubber]:
    with Stubber(aws.client("cloudwatch", region="us-east-1")) as made:
        yield made
        made.assert_no_pending_responses()


def answer(cloudwatch: Stubber, names: tuple[str, ...], values: Values, *, partial: str = "") -> None:
    results = [
        {
            "Id": f"q{number}",
            "Timestamps": [SINCE + timedelta(minutes=minute) for minute in values.get(name, {})],
            "Values": list(values.get(name, {}).values()),
            "StatusCode": "PartialData" if name == partial else "Complete",
        }
        for number, name in enumerate(names)
    ]
    cloudwatch.add_response("get_metric_data", {"MetricDataResults": results})


def refuse(cloudwatch: Stubber) -> None:
    cloudwatch.add_client_error("get_metric_data", "AccessDenied", "no identity-based policy allows it", 403)


def read(aws: Aws, settings: Settings = WITHOUT_LOGS, service: Service = Service.WEBSOCKET) -> GateFigures:
    return read_figures(aws, settings, "a1", service, WINDOW)


BUSY: Values = {
    "ConnectCount": {0: 2, 1: 1},
    "MessageCount": {0: 8},
    "IntegrationError": {0: 1},
    "IntegrationLatency": {0: 12.5, 1: 20},
}


def test_figures_of_both_paths_come_to_their_minutes(aws: Aws, cloudwatch: Stubber) -> None:
    answer(cloudwatch, OLD, {name: {1: value} for name, value in zip(OLD, (9, 1, 4.5, 2, 3), strict=True)})
    answer(cloudwatch, NEW, BUSY)
    found = read(aws)
    assert found.minutes.old == (PathFigures(), PathFigures(9, 1, 4.5, 2, 3))
    assert found.minutes.new == (PathFigures(10, 1, 12.5), PathFigures(1, 0, 20.0))
    assert (found.since, found.measures) == (SINCE, METRICS_ONLY)
    assert found.notes == (
        "reconnects and 410s are not judged: the functions write no lines of the built-in handlers",
    )


def test_no_traffic_is_no_figures_and_not_zero(aws: Aws, cloudwatch: Stubber) -> None:
    answer(cloudwatch, OLD, {})
    answer(cloudwatch, NEW, {})
    found = read(aws)
    assert found.minutes.old == found.minutes.new == NOTHING


def test_errors_without_requests_beside_them_stay_what_they_are(aws: Aws, cloudwatch: Stubber) -> None:
    answer(cloudwatch, OLD, {"Requests": {0: 5}})
    answer(cloudwatch, NEW, {"ClientError": {0: 3}, "ConnectCount": {1: 1}})
    found = read(aws)
    assert found.minutes.old == (PathFigures(5), PathFigures())
    assert found.minutes.new == (PathFigures(None, 3), PathFigures(1, 0))


@pytest.mark.parametrize(("partial", "figure"), [("ClientError", "errors"), ("ConnectCount", "samples")])
def test_figure_that_cloudwatch_did_not_answer_whole_is_not_known(
    aws: Aws, cloudwatch: Stubber, partial: str, figure: str
) -> None:
    answer(cloudwatch, OLD, {})
    answer(cloudwatch, NEW, BUSY, partial=partial)
    found = read(aws)
    assert [getattr(each, figure) for each in found.minutes.new] == [None, None]
    assert f"the new path: CloudWatch did not answer all of {figure}" in found.notes


def test_refused_read_leaves_figures_unknown_and_says_which(aws: Aws, cloudwatch: Stubber) -> None:
    refuse(cloudwatch)
    refuse(cloudwatch)
    found = read(aws)
    assert found.minutes.old == found.minutes.new == NOTHING
    old, new, _ = found.notes
    assert old.startswith("the old path: ") and "GetMetricData" in old
    assert new.startswith("the new path: ") and "GetMetricData" in new


def test_endpoint_of_another_account_has_no_figures(aws: Aws, cloudwatch: Stubber) -> None:
    answer(cloudwatch, OLD, {})
    found = read_figures(aws, WITHOUT_LOGS, "", Service.WEBSOCKET, WINDOW)
    assert found.minutes.new == NOTHING
    assert found.notes[0].startswith("there is no API of this stack in the account")


def test_chime_is_judged_by_the_calls_of_the_account(aws: Aws, cloudwatch: Stubber) -> None:
    answer(cloudwatch, OLD, {})

    def metric(name: str, operation: str) -> dict[str, Any]:
        pairs = {"Service": "ChimeSDK", "Type": "API", "Resource": operation, "Class": "None"}
        return {
            "Namespace": "AWS/Usage",
            "MetricName": name,
            "Dimensions": [{"Name": key, "Value": value} for key, value in pairs.items()],
        }

    listed = [
        metric("CallCount", "CreateMeeting"),
        metric("CallCount", "CreateAttendee"),
        metric("ErrorCount", "CreateAttendee"),
        metric("ThrottleCount", "CreateAttendee"),
        metric("CallCount", "GetMeeting"),  # not judged, so not read
        metric("ErrorCount", "GetMeeting"),
    ]
    cloudwatch.add_response("list_metrics", {"Metrics": listed})
    names = ("meetings", "attendees", "errors", "throttles")
    answer(
        cloudwatch,
        names,
        {"meetings": {0: 3}, "attendees": {0: 5, 1: 6}, "errors": {1: 1}, "throttles": {1: 2}},
    )
    found = read(aws, service=Service.CHIME)
    assert found.minutes.new == (PathFigures(8, 0), PathFigures(6, 3))
    assert found.measures == CHIME_MEASURES
    assert found.notes == ("calls of Chime SDK are those of the whole account in the Region",)


def test_chime_without_any_call_has_no_figures(aws: Aws, cloudwatch: Stubber) -> None:
    answer(cloudwatch, OLD, {})
    cloudwatch.add_response("list_metrics", {"Metrics": []})
    assert read(aws, service=Service.CHIME).minutes.new == NOTHING


def test_old_path_of_each_service_and_stack_has_metrics_of_its_own() -> None:
    asked = dict(old_path.queries("whatschat-production", Service.CHIME))
    assert list(asked) == ["samples", "errors", "latency_p95_ms", "reconnects", "gone_410"]
    assert {query.metric.namespace for query in asked.values()} == {"WhatsChat/OldPath"}
    assert asked["errors"].metric.dimensions == (("Service", "chime"), ("Stack", "whatschat-production"))
    assert asked["latency_p95_ms"].statistic == "p95"


@pytest.mark.parametrize(
    ("now_s", "step_s", "settle_s", "minutes"),
    [
        (600, 0, 180, 7),
        (659, 0, 180, 7),
        (660, 0, 180, 8),
        (600, 61, 0, 8),
        (600, 590, 0, 0),
        (600, 900, 0, 0),
    ],
    ids=[
        "settled",
        "within a minute",
        "next",
        "a step within a minute",
        "too new",
        "a clock behind the step's",
    ],
)
def test_minutes_begin_after_the_step_and_end_where_metrics_have_settled(
    now_s: int, step_s: int, settle_s: int, minutes: int
) -> None:
    found = minutes_until(SINCE + timedelta(seconds=now_s), SINCE + timedelta(seconds=step_s), settle_s)
    assert found.points == minutes
    assert found.since.second == found.until.second == 0


# --- logs ---------------------------------------------------------------------------------------------------------


class Logs:
    """FilterLogEvents of the log groups, in the order in which they are read: the answer of each, or an error."""

    def __init__(self, aws: Aws, monkeypatch: pytest.MonkeyPatch, stack: ExitStack) -> None:
        client = aws.new_client("logs")
        self.stubber = stack.enter_context(Stubber(client))
        monkeypatch.setattr(Aws, "new_client", lambda _aws, _service: client)

    def answer(self, *lines: tuple[int, Mapping[str, Any]]) -> None:
        events = [
            {
                "eventId": str(number),
                "logStreamName": "s",
                "timestamp": int(SINCE.timestamp() * 1000) + at_ms,
                "ingestionTime": 0,
                "message": json.dumps(line),
            }
            for number, (at_ms, line) in enumerate(lines)
        ]
        self.stubber.add_response("filter_log_events", {"events": events})


@pytest.fixture
def logs(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Logs]:
    with ExitStack() as stack:
        made = Logs(aws, monkeypatch, stack)
        yield made
        made.stubber.assert_no_pending_responses()


def connect(user: str) -> dict[str, str]:
    return {"event": "connect", "outcome": "accepted", "userId": user, "connectionId": "c"}


def probe(event: str, status: int) -> dict[str, str]:
    return {"eventType": event, "integrationStatus": str(status), "userAgent": "whatschat-ops-doctor/1"}


def test_logs_give_reconnects_410s_and_what_doctor_did(aws: Aws, cloudwatch: Stubber, logs: Logs) -> None:
    answer(cloudwatch, OLD, {})
    answer(cloudwatch, NEW, {"ConnectCount": {0: 10, 1: 10}, "IntegrationError": {0: 3}})
    logs.answer((5_000, connect("alice")), (70_000, connect("bob")))
    logs.answer((-2_000, {"event": "disconnect", "outcome": "deleted", "userId": "alice"}))
    gone = {"event": "message:send", "outcome": "done", "deliveries": {"sent": 1, "gone": 2, "failed": 0}}
    logs.answer((61_000, gone), (62_000, gone))
    logs.answer(
        (1_000, probe("CONNECT", 401)), (2_000, probe("CONNECT", 200)), (3_000, probe("DISCONNECT", 200))
    )
    found = read(aws, Settings())
    assert found.minutes.new == (PathFigures(8, 2, None, 1, 0), PathFigures(10, 0, None, 0, 4))
    assert (found.measures, found.notes) == (ALL_MEASURES, ())


def test_logs_that_may_not_be_read_leave_reconnects_unknown(
    aws: Aws, cloudwatch: Stubber, logs: Logs
) -> None:
    answer(cloudwatch, OLD, {})
    answer(cloudwatch, NEW, BUSY)
    for _ in range(3):
        logs.stubber.add_client_error(
            "filter_log_events", "AccessDeniedException", "no policy allows it", 403
        )
    found = read(aws, Settings())
    assert [(each.reconnects, each.gone_410) for each in found.minutes.new] == [(None, None), (None, None)]
    assert found.measures == ALL_MEASURES
    assert [note.partition(":")[0] for note in found.notes] == ["reconnects", "410s", "the probes of doctor"]


def test_log_group_that_is_too_long_is_not_counted(
    aws: Aws, cloudwatch: Stubber, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whatschat_ops.migration.log_figures.MOST_EVENTS", 1)
    answer(cloudwatch, OLD, {})
    answer(cloudwatch, NEW, BUSY)
    logs.answer((5_000, connect("alice")), (70_000, connect("bob")))
    logs.answer()
    logs.answer()
    found = read(aws, Settings())
    assert [each.reconnects for each in found.minutes.new] == [None, None]
    assert [each.gone_410 for each in found.minutes.new] == [0, 0]
    assert found.notes == ("reconnects: more than 1 log lines, not counted",)


@pytest.mark.parametrize(
    ("errors", "probed_s", "left"),
    [
        ({0: 2, 1: 3}, 10, (1, 3)),
        ({1: 3}, 59, (None, 2)),
        ({0: 3}, 61, (2, None)),
        ({}, 10, (None, None)),
    ],
    ids=[
        "same minute",
        "the line in the minute before",
        "the line in the minute after",
        "not in the metrics",
    ],
)
def test_probe_is_taken_out_though_its_line_and_its_metric_lie_in_two_minutes(
    aws: Aws,
    cloudwatch: Stubber,
    logs: Logs,
    errors: dict[int, float],
    probed_s: int,
    left: tuple[int | None, int | None],
) -> None:
    answer(cloudwatch, OLD, {})
    answer(cloudwatch, NEW, {"ClientError": errors})
    logs.answer()
    logs.answer()
    logs.answer()
    logs.answer((probed_s * 1000, probe("CONNECT", 401)))
    found = read(aws, Settings())
    assert tuple(each.errors for each in found.minutes.new) == left
