"""`ws load`, the pure parts: schedule, deliveries, timeline, limits."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.load.load_reports import PLAN, a_report
from whatschat_ops.choices import Traffic
from whatschat_ops.cli.terminal.output import Output
from whatschat_ops.cli.ws.load_table import render
from whatschat_ops.errors import UsageError
from whatschat_ops.load import schedule
from whatschat_ops.load.deliveries import GIVE_UP_S, DeliveryTracker
from whatschat_ops.load.page import page
from whatschat_ops.load.plan import Limits, LoadPlan, check, check_target, warnings_about
from whatschat_ops.load.report import exceeded, in_words, overload, unmatched_answers
from whatschat_ops.load.sockets import most_open_files
from whatschat_ops.load.timeline import Counts, Timeline

PLANS = st.builds(
    replace,
    st.just(PLAN),
    sockets=st.integers(1, 40),
    interval_s=st.floats(0.01, 5),
    duration_s=st.floats(0.1, 20),
    traffic=st.sampled_from(Traffic),
)


@given(PLANS)
def test_turns_are_those_that_are_due_before_the_end(plan: LoadPlan) -> None:
    count = schedule.turns(plan)
    assert schedule.due_s(count - 1, plan) < plan.duration_s + 1e-6
    assert schedule.due_s(count, plan) >= plan.duration_s - 1e-6


@given(PLANS, st.integers(0, 39))
def test_socket_sends_once_in_every_interval(plan: LoadPlan, socket: int) -> None:
    socket %= plan.sockets
    mine = [turn for turn in range(5 * plan.sockets) if schedule.socket_of(turn, plan) == socket]
    assert len(mine) == 5
    gaps = [schedule.due_s(b, plan) - schedule.due_s(a, plan) for a, b in pairwise(mine)]
    assert gaps == pytest.approx([plan.interval_s] * 4)


def test_every_socket_sends_both_kinds_of_mixed_traffic() -> None:
    for sockets in (1, 2, 3, 4):
        plan = replace(PLAN, sockets=sockets, users=sockets, traffic=Traffic.MIXED)
        for socket in range(sockets):
            kinds = [schedule.is_ping(socket + sockets * round_, plan) for round_ in range(6)]
            assert kinds.count(True) == 3, (sockets, socket)


@given(st.integers(2, 30), st.integers(0, 3000))
def test_no_user_sends_to_itself(users: int, turn: int) -> None:
    plan = replace(PLAN, sockets=users * 2, users=users)
    sender = schedule.user_of(schedule.socket_of(turn, plan), plan)
    assert schedule.recipient(turn, plan) != sender
    assert 0 <= schedule.recipient(turn, plan) < users


@given(st.integers(128, 2000), st.integers(1, 10**7))
def test_message_has_the_given_size_and_is_json(size: int, number: int) -> None:
    for text in (schedule.ping_text(number, size), schedule.message_text(number, "load-abc123-42", size)):
        assert len(text.encode()) == size
        assert json.loads(text)["id"] == number


def test_message_to_a_user_with_two_sockets_must_arrive_twice() -> None:
    tracker = DeliveryTracker()
    number = tracker.begin(tracker.messages, {3, 4}, 10.0)
    assert tracker.arrive(tracker.messages, number, 3, 10.5) == 0.5
    assert tracker.in_flight == 1
    assert tracker.arrive(tracker.messages, number, 3, 10.6) is None
    assert tracker.arrive(tracker.messages, number, 4, 10.7) == pytest.approx(0.7)
    assert tracker.arrive(tracker.messages, number, 4, 10.8) is None
    tracker.finish()
    found = tracker.messages.deliveries()
    assert (found.sent, found.expected, found.arrived, found.duplicates, found.lost) == (1, 2, 2, 2, 0)


def test_message_that_arrives_after_it_was_given_up_is_late_and_not_lost() -> None:
    tracker = DeliveryTracker()
    first = tracker.begin(tracker.pings, {1}, 0.0)
    tracker.begin(tracker.pings, {1}, 0.0)
    tracker.begin(tracker.pings, {1}, 20.0)
    tracker.give_up_old(GIVE_UP_S)
    assert (tracker.pings.lost, tracker.in_flight) == (2, 1)

    tracker.arrive(tracker.pings, first, 1, GIVE_UP_S + 1)
    tracker.finish()

    found = tracker.pings.deliveries()
    assert (found.expected, found.arrived, found.late, found.lost) == (3, 1, 1, 2)
    assert found.loss_percent == pytest.approx(200 / 3)


@pytest.mark.parametrize("number", [0, 7, "1", 1.0])
def test_arrival_of_a_message_that_was_not_sent_is_strange(number: object) -> None:
    tracker = DeliveryTracker()
    tracker.begin(tracker.pings, {1}, 0.0)
    tracker.arrive(tracker.pings, number, 1, 1.0)
    assert (tracker.strange, tracker.pings.arrived, tracker.pings.duplicates) == (1, 0, 0)


def test_answers_without_an_id_are_unmatched_and_not_lost() -> None:
    tracker = DeliveryTracker()
    for _ in range(3):
        tracker.begin(tracker.pings, {1}, 0.0)
    tracker.arrive(tracker.pings, 1, 1, 0.5)
    tracker.arrive(tracker.pings, None, 1, 0.5)
    tracker.finish()
    found = tracker.pings.deliveries()
    assert (found.expected, found.arrived, found.unmatched, found.lost, tracker.strange) == (3, 1, 1, 1, 0)

    tracker.arrive(tracker.pings, None, 1, 0.6)
    tracker.arrive(tracker.pings, None, 1, 0.6)
    assert (tracker.pings.lost, tracker.pings.unmatched) == (0, 3)


def test_withdrawn_message_was_neither_sent_nor_lost() -> None:
    tracker = DeliveryTracker()
    tracker.withdraw(tracker.begin(tracker.pings, {1}, 0.0))
    tracker.finish()
    assert (tracker.pings.sent, tracker.pings.expected, tracker.pings.lost) == (0, 0, 0)


ARRIVALS = st.lists(st.tuples(st.integers(1, 12), st.integers(0, 3)), max_size=80)


@given(ARRIVALS, st.integers(0, 80))
def test_expected_is_arrived_plus_lost_whatever_arrives(
    arrivals: list[tuple[int, int]], give_up_after: int
) -> None:
    tracker = DeliveryTracker()
    for number in range(1, 13):
        tracker.begin(tracker.messages, set(range(number % 4)), 0.0)
    for place, (number, socket) in enumerate(arrivals):
        if place == give_up_after:
            tracker.give_up_old(GIVE_UP_S)
        tracker.arrive(tracker.messages, number, socket, 1.0)
    tracker.finish()
    found = tracker.messages.deliveries()
    right = {(number, socket) for number, socket in arrivals if socket < number % 4}
    assert found.arrived == len(right)
    assert found.arrived + found.lost == found.expected
    assert found.duplicates == len(arrivals) - len(right)


def test_timeline_has_the_events_of_each_second() -> None:
    timeline = Timeline()
    timeline.record(0.1)
    timeline.point(1.0, "ramp", Counts(5, 6, 1, 0, 10, 4, 0))
    second = timeline.point(2.0, "steady", Counts(4, 6, 1, 1, 30, 24, 2))
    assert timeline.seconds[0].point.max_ms == pytest.approx(100, abs=0.01)
    assert (second.open_sockets, second.opened, second.cut, second.sent, second.arrived) == (4, 0, 1, 20, 20)
    assert (second.errors, second.max_ms) == (2, None)


def test_too_many_sockets_for_the_open_files_are_rejected_with_the_command() -> None:
    with pytest.raises(UsageError) as caught:
        check(replace(PLAN, sockets=5000, users=5000), open_files=1024)
    assert "5,064 open files; this process may have 1,024" in caught.value.message
    assert str(caught.value.hint) == "ulimit -n 5064"
    check(replace(PLAN, sockets=5000, users=10), open_files=None)


def test_more_users_than_sockets_are_rejected() -> None:
    with pytest.raises(UsageError, match="each user needs at least one"):
        check(replace(PLAN, sockets=5, users=6), open_files=None)


OWN = "wss://abc.execute-api.us-east-1.amazonaws.com/production"


@pytest.mark.parametrize("url", ["ws://127.0.0.1:4566/x", "ws://localhost/x", "ws://[::1]:80/", OWN])
def test_loopback_and_the_own_endpoint_may_be_loaded(url: str) -> None:
    check_target(url, OWN, owned=False)


@pytest.mark.parametrize(
    "url",
    [
        "wss://example.com/x",
        "wss://abc.execute-api.us-east-1.amazonaws.com/other",
        "wss://abc.execute-api.us-east-1.amazonaws.com.evil.example/production",
        "wss://127.0.0.1.example.com/",
        "wss://localhost.example.com/",
    ],
)
def test_a_foreign_endpoint_is_rejected_unless_owned(url: str) -> None:
    with pytest.raises(UsageError, match="attack"):
        check_target(url, OWN, owned=False)
    check_target(url, OWN, owned=True)


def test_rates_above_the_quotas_are_warned_about_on_an_account_only() -> None:
    plan = replace(PLAN, url=OWN, connect_rate_per_s=600, sockets=20_000, interval_s=1)
    assert [text.partition(" ")[0] for text in warnings_about(plan)] == ["600", "20,000"]
    assert warnings_about(replace(plan, url="ws://127.0.0.1/x")) == ()
    assert warnings_about(replace(plan, connect_rate_per_s=400, sockets=100)) == ()


def test_limits_are_exceeded_by_loss_and_by_the_slower_kind() -> None:
    report = a_report(lost=5)
    assert exceeded(report, Limits()) == ()
    assert exceeded(report, Limits(max_loss_percent=100, max_p95_ms=10_000)) == ()
    loss, slow = exceeded(report, Limits(max_loss_percent=0.1, max_p95_ms=15))
    assert loss.startswith("10 % were lost")
    assert "delivery of a message" in slow


def test_unknown_loss_exceeds_the_limit() -> None:
    report = a_report(lost=5)
    report = replace(report, ping=replace(report.ping, lost=0, unmatched=5))
    assert exceeded(report, Limits(max_loss_percent=100)) == (
        "The loss is not known: 5 answers could not be matched: the handlers return no id.",
    )
    assert unmatched_answers(a_report()) == ""


def test_limits_are_exceeded_when_nothing_was_measured() -> None:
    assert len(exceeded(a_report(count=0), Limits(max_loss_percent=5, max_p95_ms=5))) == 2


def test_report_of_a_test_without_a_socket_says_that_nothing_was_measured() -> None:
    report = a_report(count=0)
    report = replace(
        report,
        sent_per_s=None,
        arrived_per_s=None,
        sockets=replace(report.sockets, opened=0, opened_per_s=None),
        timeline=(replace(report.timeline[0], p50_ms=None, p95_ms=None, max_ms=None),),
    )
    stdout = io.StringIO()
    Output(stdout=stdout, as_json=True).result(report, str)
    Output(stdout=(table := io.StringIO())).result(report, render)

    found = json.loads(stdout.getvalue())
    assert found["ping"]["loss_percent"] is found["message"]["loss_percent"] is None
    assert found["ping"]["latency"] == {
        "count": 0,
        **dict.fromkeys(("mean_ms", "p50_ms", "p90_ms", "p95_ms", "p99_ms", "max_ms")),
    }
    assert found["sent_per_s"] is found["sockets"]["opened_per_s"] is found["timeline"][0]["p95_ms"] is None
    assert "0 %" not in table.getvalue() and "0 ms" not in table.getvalue()
    assert "0 %" not in page(report, command="whatschat-ops ws load")
    assert overload(report) == ""


def test_overload_of_this_program_is_reported() -> None:
    report = a_report()
    assert overload(report) == ""
    assert "at its limit" in overload(replace(report, tool=replace(report.tool, cpu_share=0.97)))


def test_counts_in_words_begin_with_the_most_frequent() -> None:
    assert in_words({"429": 3, "unavailable": 1200}) == "1,200 × unavailable, 3 × 429"
    assert in_words({}) == ""


def test_limit_of_open_files_is_that_of_this_process() -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lower = min(500, soft)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lower, hard))
    try:
        assert most_open_files() == lower
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_limit_that_is_just_met_is_not_exceeded() -> None:
    report = a_report(lost=5)
    assert report.loss_percent and report.ping.latency.p95_ms and report.message.latency.p95_ms
    at_limit = Limits(
        max_loss_percent=report.loss_percent,
        max_p95_ms=max(report.ping.latency.p95_ms, report.message.latency.p95_ms),
    )
    assert exceeded(report, at_limit) == ()
    assert len(exceeded(report, Limits(max_loss_percent=report.loss_percent - 1e-6))) == 1
