"""Attendee-minutes: what is measured is what a simulator of attendances knows, to 0.1 minute."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import pytest

from whatschat_ops.chime.events import MeetingEvent
from whatschat_ops.chime.minutes import Attendance, cost_of, day_of, measure, prices_in, sum_of, usage
from whatschat_ops.chime.models import MeetingRecord, MeetingStatus

PRICES: Final = prices_in("us-east-1")
START: Final = datetime(2026, 11, 28, 22, tzinfo=UTC)
NOW: Final = START + timedelta(days=40)
ATTENDANCES: Final = 10_000


def event(
    kind: str, seconds: float, attendee: str | None = "a", meeting: str = "m", n: int = 0
) -> MeetingEvent:
    at = START + timedelta(seconds=seconds)
    user = None if attendee is None else f"user-{attendee}"
    name = f"{kind}-{meeting}-{attendee}-{seconds}-{n}"
    return MeetingEvent(kind, at, meeting, None, attendee, user, "us-east-1", name)


def ended(seconds: float, meeting: str = "m", n: int = 0) -> MeetingEvent:
    return event("MeetingEnded", seconds, None, meeting, n)


@dataclass(frozen=True)
class Truth:
    """What the simulator knows of an attendance, in milliseconds from START."""

    meeting: str
    attendee: str
    joined_ms: int
    left_ms: int
    until_the_end: bool

    @property
    def tenths(self) -> int:
        return -(-(self.left_ms - self.joined_ms) // 6_000)

    def begin(self) -> MeetingEvent:
        return event("AttendeeJoined", self.joined_ms / 1000, self.attendee, self.meeting)

    def end(self, kind: str) -> MeetingEvent:
        return event(kind, self.left_ms / 1000, self.attendee, self.meeting)


def simulated(rng: random.Random, least_gap_ms: int = 0) -> tuple[list[Truth], list[MeetingEvent]]:
    """10,000 attendances: they overlap, attendees join again at once or later, and some stay until the end."""
    known: list[Truth] = []
    of_meetings: list[MeetingEvent] = []
    while len(known) < ATTENDANCES:
        meeting = f"m{len(of_meetings)}"
        began = rng.randrange(0, 20 * 86_400_000)
        over = began + rng.randrange(60_000, 86_400_000)
        for number in range(rng.randrange(1, 8)):
            at = rng.randrange(began, over)
            while at < over and len(known) < ATTENDANCES:
                left = min(over, at + rng.choice([1, 5_999, 6_000, 6_001, rng.randrange(1, 3_600_000)]))
                known.append(Truth(meeting, f"{meeting}-{number}", at, left, left == over))
                at = left + rng.choice([least_gap_ms, 1, rng.randrange(1, 600_000), over])
        of_meetings.append(ended(over / 1000, meeting))
    return known, of_meetings


def delivered(events: list[MeetingEvent], rng: random.Random) -> list[MeetingEvent]:
    """In any order, a tenth of them twice: with the same id, or as another event of the same state change."""
    twice = [
        replace(each, event_id=each.event_id + rng.choice(["", "-again"]))
        for each in events
        if rng.random() < 0.1
    ]
    all_ = [*events, *twice]
    rng.shuffle(all_)
    return all_


def tenths(attendances: tuple[Attendance, ...]) -> Counter[str]:
    """Attendee -> minutes × 10."""
    found: Counter[str] = Counter()
    for each in attendances:
        found[each.attendee_id] += int(each.minutes * 10)
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_minutes_of_ten_thousand_attendances_are_those_that_the_simulator_knows(seed: int) -> None:
    rng = random.Random(seed)
    known, of_meetings = simulated(rng)
    events = [each.begin() for each in known]
    # Of those who stayed until the end, half of the ends are lost.
    lost = {each for each in known if each.until_the_end and rng.random() < 0.5}
    events += [
        each.end(rng.choice(["AttendeeLeft", "AttendeeDropped"])) for each in known if each not in lost
    ]
    measured = measure(delivered([*events, *of_meetings], rng), {}, NOW)
    expected: Counter[str] = Counter()
    for each in known:
        expected[each.attendee] += each.tenths
    assert len(measured.attendances) == ATTENDANCES
    assert tenths(measured.attendances) == expected
    assert sum(each.estimated for each in measured.attendances) == len(lost)
    assert len(lost) > 50
    assert measured.unmatched == 0
    total = sum_of(measured.attendances, "all", PRICES)
    assert total.attendee_minutes == Decimal(sum(expected.values())) / 10
    assert total.cost_usd["aws"] == total.attendee_minutes * Decimal("0.0017")


@pytest.mark.parametrize("seed", [4])
def test_lost_events_change_no_other_attendance_and_are_counted(seed: int) -> None:
    rng = random.Random(seed)
    known, of_meetings = simulated(rng, least_gap_ms=1)
    first = {each.attendee: each for each in reversed(known)}  # at most one loss for each attendee
    chosen = {each for each in first.values() if rng.random() < 0.3}
    lost_begins = {each for each in sorted(chosen, key=str) if rng.random() < 0.5}
    lost_ends = chosen - lost_begins
    events = [each.begin() for each in known if each not in lost_begins]
    events += [each.end("AttendeeLeft") for each in known if each not in lost_ends]
    measured = measure(delivered([*events, *of_meetings], rng), {}, NOW)
    assert measured.unmatched == len(lost_begins) > 100
    assert sum(each.estimated for each in measured.attendances) == len(lost_ends) > 100
    exact = {(each.attendee, each.joined_ms, each.left_ms) for each in known if each not in chosen}
    found = {
        (each.attendee_id, _ms(each.joined_at), _ms(each.left_at))
        for each in measured.attendances
        if not each.estimated
    }
    assert found == exact
    truth = {(each.attendee, each.joined_ms): each.left_ms for each in lost_ends}
    for each in measured.attendances:
        if each.estimated:
            assert _ms(each.left_at) >= truth[each.attendee_id, _ms(each.joined_at)]


def _ms(at: datetime) -> int:
    return (at - START) // timedelta(milliseconds=1)


def test_attendance_is_rounded_up_to_six_seconds() -> None:
    for seconds, minutes in ((0.001, "0.1"), (6, "0.1"), (6.001, "0.2"), (60, "1"), (3600, "60")):
        [found] = measure([event("AttendeeJoined", 0), event("AttendeeLeft", seconds)], {}, NOW).attendances
        assert (found.minutes, found.estimated) == (Decimal(minutes), False)


def test_leaving_and_joining_in_the_same_millisecond_is_two_attendances() -> None:
    events = [
        event("AttendeeJoined", 60),
        event("AttendeeJoined", 0),
        event("AttendeeLeft", 60),
        event("AttendeeLeft", 120),
    ]
    found = measure(events, {}, NOW)
    assert [each.minutes for each in found.attendances] == [1, 1]
    assert found.unmatched == 0


@pytest.mark.parametrize(
    ("others", "seconds"),
    [
        ([ended(600), ended(900, n=1)], 600),
        ([event("AttendeeDeleted", 300), ended(600)], 300),
        ([event("AttendeeJoined", 120), event("AttendeeLeft", 180), ended(600)], 120),
        ([event("MeetingStarted", -60, None)], 24 * 3600 - 60),
        ([], 24 * 3600),
    ],
)
def test_attendance_without_an_end_is_an_estimate(others: list[MeetingEvent], seconds: float) -> None:
    found = measure([event("AttendeeJoined", 0), *others], {}, NOW).attendances[0]
    assert (found.left_at - found.joined_at, found.estimated) == (timedelta(seconds=seconds), True)


def test_attendance_that_goes_on_lasts_until_now() -> None:
    [found] = measure([event("AttendeeJoined", 0)], {}, START + timedelta(minutes=5)).attendances
    assert (found.minutes, found.estimated) == (Decimal(5), True)


def test_ledger_tells_the_end_that_no_event_does() -> None:
    record = MeetingRecord(
        "m", "call", "alice", "us-east-1", "us-east-1", START, MeetingStatus.DELETED,
        ended_at=START + timedelta(seconds=90),
    )  # fmt: skip
    [found] = measure([event("AttendeeJoined", 0)], {"m": record}, NOW).attendances
    assert (found.minutes, found.estimated) == (Decimal("1.5"), True)


def test_end_in_the_events_wins_over_the_clocks_of_the_ledger_and_of_the_reader() -> None:
    """After `local clock advance` the service is ahead of both."""
    record = MeetingRecord(
        "m", "call", "alice", "us-east-1", "us-east-1", START, MeetingStatus.DELETED,
        ended_at=START + timedelta(seconds=20),
    )  # fmt: skip
    events = [event("AttendeeJoined", 0), event("MeetingEnded", 190), event("MeetingEnded", 200)]
    [found] = measure(events, {"m": record}, START + timedelta(seconds=21)).attendances
    assert (found.minutes, found.estimated) == (Decimal("3.2"), True)


def test_video_has_the_price_of_video_where_a_card_has_one() -> None:
    events = [
        event("AttendeeJoined", 0),
        event("AttendeeVideoStarted", 30),
        event("AttendeeLeft", 60),
        event("AttendeeJoined", 120),
        event("AttendeeLeft", 180),
    ]
    attendances = measure(events, {}, NOW).attendances
    assert [each.video for each in attendances] == [True, False]
    assert cost_of(attendances, PRICES) == {"guide": Decimal("0.0087"), "aws": Decimal("0.0034")}
    assert cost_of(attendances, prices_in("sa-east-1")) == {"guide": Decimal("0.0087")}


def test_usage_is_summed_by_key() -> None:
    events = [event("AttendeeJoined", 0), event("AttendeeLeft", 60)]
    events += [event("AttendeeJoined", 0, "b", "n"), event("AttendeeLeft", 30, "b", "n")]
    events += [event("AttendeeJoined", 7_200, "b", "n"), event("AttendeeLeft", 7_260, "b", "n")]
    attendances = measure(events, {}, NOW).attendances
    by_user = usage(attendances, lambda each: each.external_user_id, PRICES)
    assert [(each.key, each.meetings, each.attendances, each.attendee_minutes) for each in by_user] == [
        ("user-a", 1, 1, 1),
        ("user-b", 1, 2, Decimal("1.5")),
    ]
    assert [each.key for each in usage(attendances, day_of, PRICES)] == ["2026-11-28", "2026-11-29"]
