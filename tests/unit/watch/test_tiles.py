"""What is shown of figures, and from when on it is red."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from whatschat_ops.audit import AuditEntry
from whatschat_ops.broadcast.journal.summary import RunState, RunSummary
from whatschat_ops.chime.models import MeetingRecord, MeetingStatus
from whatschat_ops.config.monitoring_settings import ThresholdSettings
from whatschat_ops.pricing.rates import Rate, aws_card
from whatschat_ops.stack.status import ResourceStatus, StackStatus
from whatschat_ops.watch import tiles
from whatschat_ops.watch.snapshot import Level, Mark, Points
from whatschat_ops.watch.tiles import Traffic

NOW = datetime(2026, 11, 29, 3, 0, tzinfo=UTC)
LIMITS = ThresholdSettings()
NOTHING: Points = (None,) * 120


def at_end(*values: float) -> Points:
    return (*NOTHING[len(values) :], *values)


def traffic(functions: dict[str, Points] | None = None, **api: Points) -> Traffic:
    names = ("Connects", "Messages", "Client errors", "Integration errors", "Execution errors")
    series = {name: api.get(name.replace(" ", "_").lower(), NOTHING) for name in names}
    series |= {f"Latency {each}": api.get(each, NOTHING) for each in ("p50", "p95", "p99")}
    blank = dict.fromkeys(("Invocations", "Errors", "Throttles", "Duration"), NOTHING)
    return Traffic(series, blank | (functions or {}), NOW)


def test_messages_are_the_mean_of_five_minutes() -> None:
    tile = tiles.messages(traffic(messages=at_end(100, 10, 20, 30, 40, 50)))
    assert tile.value == 30
    assert tile.lines == ("250 in the hour, - connects",)
    assert (len(tile.points), len(tile.before)) == (60, 60)


def test_nothing_measured_is_none_not_zero() -> None:
    silent = traffic()
    assert tiles.messages(silent).value is None
    assert tiles.errors(silent, LIMITS).value is None
    assert tiles.latency(silent, LIMITS).value is None
    assert tiles.connections(NOTHING, NOW, "").value is None


def test_traffic_without_errors_has_none_of_them() -> None:
    tile = tiles.errors(traffic(messages=at_end(100)), LIMITS)
    assert (tile.value, tile.level) == (0, Level.OK)


@pytest.mark.parametrize(
    ("failed", "messages", "level"),
    [
        (0, 100, Level.OK),
        (4, 10, Level.WARN),
        (5, 10, Level.BAD),
        (5, 1_000, Level.WARN),
        (50, 1_000, Level.BAD),
    ],
)
def test_errors_are_red_from_the_threshold_and_five_percent_on(
    failed: float, messages: float, level: Level
) -> None:
    found = traffic(messages=at_end(messages), integration_errors=at_end(failed))
    assert tiles.errors(found, LIMITS).level is level


@pytest.mark.parametrize(("name", "least"), [("Errors", 5), ("Throttles", 1)])
def test_failing_function_is_red_from_its_alarm_on(name: str, least: int) -> None:
    below, reached = (
        tiles.errors(traffic({name: at_end(value)}), LIMITS).level for value in (least - 1, least)
    )
    assert below is not Level.BAD
    assert reached is Level.BAD


def test_old_errors_are_not_red() -> None:
    assert tiles.errors(traffic(integration_errors=at_end(50, 0, 0, 0, 0, 0)), LIMITS).level is Level.OK


def test_slow_integrations_are_red_from_the_alarm_on() -> None:
    levels = [tiles.latency(traffic(p99=at_end(value)), LIMITS).level for value in (2_999, 3_000)]
    assert levels == [Level.OK, Level.BAD]


def alarm(name: str, state: str) -> dict[str, Any]:
    return {
        "AlarmName": f"whatschat-local/{name}",
        "StateValue": state,
        "StateReason": "Threshold crossed",
        "StateUpdatedTimestamp": NOW,
    }


def test_firing_alarm_is_red_and_a_mark() -> None:
    tile = tiles.alarms([alarm("default-errors", "ALARM"), alarm("connect-errors", "OK")], enabled=True)
    assert (tile.value, tile.level) == (1, Level.BAD)
    assert tile.lines == ("default-errors: Threshold crossed",)
    assert tile.marks == (Mark(NOW, "alarm default-errors"),)


def test_stack_without_alarms_says_why() -> None:
    assert tiles.alarms([], enabled=False).lines == ("monitoring.enabled is false: there are none",)
    assert tiles.alarms([], enabled=True).lines == ("the stack has no alarms",)
    assert tiles.alarms([alarm("a", "OK")], enabled=True).lines == ("1 alarm, all quiet",)


def run(state: RunState, **values: Any) -> RunSummary:
    known = dict.fromkeys(RunSummary.__slots__, 0) | {
        "run_id": "r-1",
        "state": state,
        "connections": 100,
        "pending": 40,
        "latency": None,
        "failures": (),
        "kind": "broadcast",
    }
    return RunSummary(**known | values)


def test_running_broadcast_shows_its_progress_first() -> None:
    runs = [run(RunState.FINISHED, run_id="r-0", pending=0), run(RunState.RUNNING, rate_per_s=400.0)]
    tile = tiles.broadcasts(runs, {})
    assert tile.value == 1
    assert tile.lines == ("running 60/100, 400/s (r-1)", "finished 100/100 (r-0)")
    assert tile.command == ("ws", "broadcasts", "show", "r-1")


def test_distributed_broadcast_shows_its_shards() -> None:
    tile = tiles.broadcasts([run(RunState.RUNNING)], {"r-1": "12 of 40 shards done"})
    assert tile.lines == ("running 60/100, 12 of 40 shards done (r-1)",)


@pytest.mark.parametrize(
    ("state", "failed", "level"),
    [
        (RunState.RUNNING, 1, Level.BAD),
        (RunState.RUNNING, 0, Level.OK),
        (RunState.FINISHED, 1, Level.BAD),
        (RunState.INTERRUPTED, 0, Level.WARN),
    ],
)
def test_broadcast_with_failures_is_red(state: RunState, failed: int, level: Level) -> None:
    assert tiles.broadcasts([run(state, failed=failed)], {}).level is level


def test_journal_that_cannot_be_read_is_said() -> None:
    tile = tiles.broadcasts([], {}, damaged=2)
    assert (tile.level, tile.lines) == (Level.WARN, ("2 journals cannot be read",))


def test_meetings_that_are_over_are_not_counted() -> None:
    records = [
        MeetingRecord(f"m-{status}", f"call-{status}", "alice", "us-east-1", "us-east-1", NOW, status)
        for status in (MeetingStatus.CREATED, MeetingStatus.DELETED, MeetingStatus.ENDED)
    ]
    tile = tiles.meetings(records)
    assert tile.value == 1
    assert tile.lines[0].startswith("call-created since ")


def test_drifted_resource_is_red() -> None:
    wrong = ResourceStatus("stage.ws", "missing", None, (), None)
    fine = ResourceStatus("api.ws", "in sync", "abc", (), None)
    tile = tiles.drift(StackStatus("s", True, False, (fine, wrong)))
    assert (tile.value, tile.level, tile.lines) == (1, Level.BAD, ("stage.ws missing",))
    tile = tiles.drift(StackStatus("s", True, True, (fine,)))
    assert (tile.value, tile.level, tile.lines) == (0, Level.OK, ("1 resource in sync",))


def test_deploys_and_steps_of_a_migration_are_marks() -> None:
    actions = ("lambda.deploy", "migrate.advance", "ws.disconnect", "provision")
    entries = [
        AuditEntry(at=NOW + timedelta(minutes=n), by="x", action=each) for n, each in enumerate(actions)
    ]
    tile = tiles.changes(entries)
    assert [mark.what for mark in tile.marks] == ["lambda deploy", "migrate advance", "provision"]
    assert tile.value == 4


def test_text_of_others_is_shown_without_secrets() -> None:
    found = alarm("a", "ALARM") | {"StateReason": "Authorization: Bearer abcdefghijklmnopqrstuv"}
    assert "abcdefghijklmnopqrstuv" not in str(tiles.alarms([found], enabled=True))


RATES: dict[str, Rate] = {str(name): rate for name, rate in aws_card().rates.items()}
USED = tiles.Usage(1_000_000, 1_000_000, 1_000_000, 1_000, "lambda_duration_arm64", 1_200)


def test_cost_is_that_of_the_last_hour_by_list_prices() -> None:
    tile = tiles.cost(USED, Decimal("7.20"), RATES)
    wanted = Decimal("1.00") + Decimal("0.25") + Decimal("0.20") + Decimal("0.0133334") + Decimal("0.01")
    assert tile.value == pytest.approx(float(wanted))
    assert "watch itself $0.0120 (1,200 metrics an hour)" in tile.lines


def test_cost_without_a_price_is_said() -> None:
    tile = tiles.cost(USED, Decimal(0), {})
    assert tile.level is Level.WARN
    assert "watch itself: price not found" in tile.lines


def test_minutes_without_a_count_of_connections_are_like_the_others() -> None:
    used = tiles.usage(traffic(), at_end(10, 20), 512, "arm64", 0)
    assert used.connection_minutes == 15 * 60
    assert used.messages is None
    duration = replace(traffic(), functions=dict(traffic().functions) | {"Duration": at_end(4_000)})
    assert tiles.usage(duration, NOTHING, 512, "arm64", 0).gb_s == 2
