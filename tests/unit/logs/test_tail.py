"""Following log groups on a clock of its own: whatever the order of arrival, each event once, in its place or marked as late."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.logs.cloudwatch import GROUPS, CloudWatch, ms, times
from whatschat_ops.choices import LogSource
from whatschat_ops.errors import (
    AwsError,
    CredentialsError,
    NotFound,
    PermissionDenied,
    Rejected,
    Throttled,
    Unavailable,
)
from whatschat_ops.logs.groups import LogGroup
from whatschat_ops.logs.seen import HORIZON_MS, Seen
from whatschat_ops.logs.settling import Settling, Shown
from whatschat_ops.logs.tail import Query, Read, Tail

SETTLE_S = 2.0


def shown(
    logs: CloudWatch,
    until_s: float = 60.0,
    *,
    follow: bool = True,
    warn: Callable[[str], Any] = lambda _: None,
    **query: Any,
) -> list[Shown]:
    """What is shown until `until_s` of the clock, with what is held then."""
    groups: Sequence[LogGroup] = query.pop("groups", GROUPS)
    wanted = Query(groups, ms(-600), follow=follow, settle_s=SETTLE_S, **query)
    tail = Tail(logs, wanted, warn, clock=lambda: logs.now_s, sleep=logs.sleep, now_ms=logs.now_ms)  # type: ignore[arg-type]
    settling, found = Settling(SETTLE_S), []
    for item in tail.items():
        if isinstance(item, Read):
            settling.add(item.events, item.now_ms, item.arrived_s)
        found += settling.due(float("-inf") if isinstance(item, Read) else item.began_s)
        if logs.now_s > until_s:
            break
    return found + settling.rest()


def marks_are_right(found: Sequence[Shown]) -> bool:
    before = [0, *accumulate((each.event.time_ms for each in found), max)]
    return all(
        each.late_ms == max(0, newest - each.event.time_ms)
        for each, newest in zip(found, before, strict=False)
    )


WRITES = st.lists(
    st.tuples(
        st.sampled_from(LogSource),
        st.one_of(st.integers(0, 80).map(lambda tenths: tenths / 10), st.floats(-500, 20)),
        st.one_of(st.floats(0, 1.9), st.floats(0, 40)),
    ),
    max_size=60,
)
"""(source, time in seconds of the clock, how much later it becomes visible)"""


@settings(max_examples=30)
@given(WRITES, st.integers(1, 5), st.sampled_from([0.01, 0.3]))
def test_whatever_the_order_of_arrival_each_event_is_shown_once(
    writes: list[tuple[LogSource, float, float]], page_events: int, request_s: float
) -> None:
    logs = CloudWatch(page_events, request_s)
    written = [logs.write(time_s + delay_s, source, time_s) for source, time_s, delay_s in writes]
    found = shown(logs, 110.0)
    assert sorted(each.event.id for each in found) == sorted(event.id for event in written)
    assert marks_are_right(found)


@settings(max_examples=30)
@given(WRITES)
def test_what_arrives_within_the_settle_window_is_in_order(
    writes: list[tuple[LogSource, float, float]],
) -> None:
    logs = CloudWatch(page_events=1000)
    for source, time_s, delay_s in writes:
        logs.write(time_s + min(delay_s, SETTLE_S), source, time_s)
    found = [each.event for each in shown(logs, 30.0)]
    assert times(found) == sorted(times(found))


@settings(max_examples=30)
@given(WRITES, st.sets(st.integers(1, 80), max_size=30))
def test_refused_requests_lose_and_repeat_nothing(
    writes: list[tuple[LogSource, float, float]], refused: set[int]
) -> None:
    logs = CloudWatch(fails=lambda number: Unavailable("cut.") if number in refused else None)
    written = [logs.write(time_s + delay_s, source, time_s) for source, time_s, delay_s in writes]
    found = shown(logs, 300.0)
    assert sorted(each.event.id for each in found) == sorted(event.id for event in written)
    assert marks_are_right(found)


def test_older_event_that_becomes_visible_within_the_settle_window_is_shown_before() -> None:
    logs = CloudWatch()
    logs.write(10.0, LogSource.CONNECT, 10.0)
    logs.write(11.4, LogSource.ACCESS, 9.5)
    assert times([each.event for each in shown(logs)]) == [9500, 10000]


def test_late_event_is_marked_with_how_much_older_it_is_than_what_was_shown() -> None:
    logs = CloudWatch()
    logs.write(10.0, LogSource.CONNECT, 10.0)
    late = logs.write(20.0, LogSource.ACCESS, 6.9)
    assert [(each.event.id, each.late_ms) for each in shown(logs)] == [("connect-0", 0), (late.id, 3100)]


def test_without_following_all_groups_are_in_exact_order_and_the_end_is_inclusive() -> None:
    logs = CloudWatch(page_events=2)
    for number in range(20):
        logs.write(-1, list(LogSource)[number % 4], -500 + 7 * number % 40)
    found = shown(logs, follow=False, end_ms=ms(-470))
    assert times([each.event for each in found]) == sorted(
        1000 * (-500 + 7 * number % 40) for number in range(20) if 7 * number % 40 <= 30
    )
    assert {each.late_ms for each in found} <= {0}


def test_event_of_a_clock_that_is_ahead_makes_no_other_late() -> None:
    logs = CloudWatch()
    ahead = logs.write(10.0, LogSource.CONNECT, 7_200.0)
    for number in range(10):
        logs.write(12.0 + number, LogSource.ACCESS, 12.0 + number)
    found = shown(logs)
    assert [each.late_ms for each in found] == [0] * 11
    assert found[0].event == ahead


def test_group_that_does_not_exist_is_named_skipped_and_followed_when_it_appears() -> None:
    logs, said = CloudWatch(missing={"/access"}), list[str]()
    logs.write(1.0, LogSource.CONNECT, 1.0)
    of_access = logs.write(1.0, LogSource.ACCESS, 1.0)
    assert [each.event.source for each in shown(logs, 15.0, warn=said.append)] == [LogSource.CONNECT]
    assert said == ["The log group /access does not exist: access is skipped."]

    class Appearing(CloudWatch):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            if self.now_s > 20:
                self.missing.clear()

    logs = Appearing(missing={group.name for group in GROUPS})
    logs._events.append((1.0, of_access))
    assert [each.event for each in shown(logs, 60.0, warn=said.append)] == [of_access]
    assert said[-1] == "The log group /access exists now."


def test_group_that_is_deleted_while_following_is_named_and_the_others_go_on() -> None:
    class Deleting(CloudWatch):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            if self.now_s > 20:
                self.missing.add("/connect")

    logs, said = Deleting(), list[str]()
    for at_s in (5.0, 30.0):
        logs.write(at_s, LogSource.CONNECT, at_s)
        logs.write(at_s, LogSource.ACCESS, at_s)
    assert times([each.event for each in shown(logs, warn=said.append)]) == [5000, 5000, 30000]
    assert said == ["The log group /connect does not exist: connect is skipped."]


@pytest.mark.parametrize(
    ("error", "follow"), [(NotFound, False), (PermissionDenied, False), (PermissionDenied, True)]
)
def test_without_any_group_to_read_it_fails(error: type[AwsError], follow: bool) -> None:
    with pytest.raises(error):
        shown(CloudWatch(fails=lambda _: error("refused")), follow=follow)


@pytest.mark.parametrize("error", [Throttled, Unavailable, CredentialsError, Rejected])
def test_without_following_what_cannot_be_read_is_a_failure(error: type[AwsError]) -> None:
    with pytest.raises(error):
        shown(CloudWatch(fails=lambda number: error("refused") if number == 3 else None), follow=False)


def test_expired_credentials_end_following() -> None:
    with pytest.raises(CredentialsError):
        shown(CloudWatch(fails=lambda number: CredentialsError("expired") if number == 30 else None))


def test_token_that_has_expired_starts_the_search_again_and_shows_nothing_twice() -> None:
    class Expiring(CloudWatch):
        expired = False

        def page(self, group: Any, search: Any, token: str | None = None) -> Any:
            if token and not self.expired:
                self.expired = True
                raise Rejected("The specified nextToken is invalid.")
            return super().page(group, search, token)

    logs = Expiring(page_events=2)
    for number in range(5):
        logs.write(-10, LogSource.CONNECT, -100 + number)
    assert times([each.event for each in shown(logs, follow=False)]) == [
        1000 * (-100 + number) for number in range(5)
    ]


def test_long_stall_is_caught_up_with_in_order() -> None:
    class Suspended(CloudWatch):
        def sleep(self, seconds: float) -> None:
            super().sleep(600 if 20 < self.now_s < 22 else seconds)

    logs = Suspended(page_events=20)
    for number in range(1200):
        logs.write(number / 2, list(LogSource)[number % 4], number / 2)
    found = shown(logs, 700.0)
    assert len(found) == 1200
    assert sum(each.late_ms > 0 for each in found) == 0


def test_idle_group_is_not_searched_from_the_beginning_each_time() -> None:
    logs, starts = CloudWatch(), list[int]()

    class Recording(CloudWatch):
        def page(self, group: Any, search: Any, token: str | None = None) -> Any:
            if search.end_ms is None:
                starts.append(search.start_ms)
            return super().page(group, search, token)

    logs = Recording()
    shown(logs, 60.0)
    assert starts[-1] >= ms(50)


def test_memory_of_ids_is_bounded_and_the_floor_says_from_where_it_knows_all() -> None:
    seen, logs = Seen(ms(0), most=100), CloudWatch()
    for second in range(1000):
        assert all(seen.add(logs.write(0, LogSource.CONNECT, second)) for _ in range(10))
        seen.forget(ms(second), 2_000)
        assert seen._count <= 110
    assert ms(985) <= seen.floor_ms <= ms(995)
    idle = Seen(ms(0))
    idle.forget(ms(1000), 2_000)
    assert idle.floor_ms == ms(1000) - HORIZON_MS
