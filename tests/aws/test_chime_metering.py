"""What meetings have used, on moto's DynamoDB and recorded events: reports, and what the ledger keeps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import boto3
import pytest
from moto import mock_aws

from tests.unit.chime.test_minutes import START, ended, event
from whatschat_ops.chime.events import LATEST_DELIVERY, EventLog, MeetingEvent
from whatschat_ops.chime.ledger import MeetingLedger
from whatschat_ops.chime.metering import UNKNOWN, Metering
from whatschat_ops.chime.minutes import prices_in
from whatschat_ops.chime.models import MeetingRecord, MeetingStatus
from whatschat_ops.choices import UsageBy
from whatschat_ops.errors import ConfigError

PRICES: Final = prices_in("us-east-1")
NOW: Final = START + timedelta(hours=3)


class Recorded(EventLog):
    """A log of these events. `asked`: since when they were read."""

    def __init__(self, events: Iterable[MeetingEvent], *, enabled: bool = True) -> None:
        self.recorded = list(events)
        self.on = enabled
        self.malformed = 0
        self.asked: list[datetime] = []

    @property
    def enabled(self) -> bool:
        return self.on

    def events(
        self, since: datetime, until: datetime | None = None, *, meeting_id: str | None = None
    ) -> Iterator[MeetingEvent]:
        self.require()
        self.asked.append(since)
        return (each for each in self.recorded if each.at >= since)


@pytest.fixture(scope="module")
def dynamodb() -> Iterator[Any]:
    """moto's, for all tests of this module: making a client is what takes the time."""
    with pytest.MonkeyPatch.context() as environment:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.setenv(name, "testing")
        with mock_aws():
            yield boto3.client("dynamodb", region_name="us-east-1")


@pytest.fixture
def ledger(dynamodb: Any, tmp_path: Path) -> MeetingLedger:
    table = f"meetings-{tmp_path.name}"
    dynamodb.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "meetingId", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "meetingId", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return MeetingLedger(dynamodb, table, clock=lambda: NOW)


def record(ledger: MeetingLedger, meeting_id: str, **fields: Any) -> MeetingRecord:
    made = MeetingRecord(
        meeting_id, f"call-{meeting_id}", "alice", "us-east-1", "us-east-1", START, MeetingStatus.CREATED
    )
    made = replace(made, request_token=f"token-{meeting_id}", **fields)
    ledger.begin(made)
    ledger.commit(made)
    return made


def attended(meeting: str, attendee: str, begin: float, end: float) -> list[MeetingEvent]:
    return [event("AttendeeJoined", begin, attendee, meeting), event("AttendeeLeft", end, attendee, meeting)]


EVENTS: Final = [
    *attended("m", "a", 0, 90),
    *attended("m", "b", 30, 90),
    *attended("n", "a", 3_600, 3_660),
    event("AttendeeLeft", 5, "c", "n"),
    ended(100),
]


@pytest.mark.parametrize(
    ("by", "keys"),
    [
        (UsageBy.USER, {"user-a": Decimal("2.5"), "user-b": Decimal("1")}),
        (UsageBy.PURPOSE, {"call": Decimal("2.5"), UNKNOWN: Decimal("1")}),
        (UsageBy.DAY, {"2026-11-28": Decimal("3.5")}),
    ],
)
def test_report_adds_up_by_user_purpose_or_day(
    ledger: MeetingLedger, by: UsageBy, keys: dict[str, Decimal]
) -> None:
    record(ledger, "m", purpose="call")
    report = Metering(Recorded(EVENTS), ledger, PRICES, clock=lambda: NOW).report(by, START)
    assert {row.key: row.attendee_minutes for row in report.rows} == keys
    assert (report.total.attendances, report.total.attendee_minutes) == (3, Decimal("3.5"))
    assert report.total.cost_usd == {"guide": Decimal("0.00595"), "aws": Decimal("0.00595")}
    assert report.unmatched == 1


def test_report_has_only_attendances_that_began_since(ledger: MeetingLedger) -> None:
    log = Recorded(EVENTS)
    report = Metering(log, ledger, PRICES, clock=lambda: NOW).report(
        UsageBy.USER, START + timedelta(seconds=30)
    )
    assert [(row.key, row.attendances) for row in report.rows] == [("user-a", 1), ("user-b", 1)]
    assert log.asked == [START + timedelta(seconds=30) - timedelta(days=1)], (
        "the joins of those who left since"
    )


def test_meeting_that_is_over_keeps_its_minutes(ledger: MeetingLedger) -> None:
    gone = record(ledger, "m", status=MeetingStatus.DELETED)
    open_ = record(ledger, "n")
    log = Recorded(EVENTS)
    metering = Metering(log, ledger, PRICES, clock=lambda: NOW)
    metered = metering.metered([gone, open_])
    assert [each.attendee_minutes for each in metered] == [2.5, 1.0]
    assert metered[0].cost_usd == {"guide": "0.00425", "aws": "0.00425"}
    stored = ledger.get("m")
    assert stored == metered[0]
    assert stored is not None
    assert (stored.attendances, stored.minutes_estimated) == (2, False)
    assert ledger.get("n") == open_, "it is not over yet"

    log.asked.clear()
    assert metering.metered([stored]) == [stored]
    assert log.asked == [], "what is final is not read again"


def test_join_of_the_first_second_counts_although_its_time_is_before_the_row(ledger: MeetingLedger) -> None:
    gone = record(ledger, "m", status=MeetingStatus.DELETED)
    log = Recorded(attended("m", "a", -0.9, 60))
    [metered] = Metering(log, ledger, PRICES, clock=lambda: NOW).metered([gone])
    assert (metered.attendances, metered.attendee_minutes) == (1, 1.1)


def test_estimate_is_replaced_when_the_event_arrives(ledger: MeetingLedger) -> None:
    gone = record(ledger, "m", status=MeetingStatus.DELETED, ended_at=START + timedelta(seconds=100))
    log = Recorded([event("AttendeeJoined", 0, "a")])
    metering = Metering(log, ledger, PRICES, clock=lambda: NOW)
    [estimated] = metering.metered([gone])
    assert (estimated.attendee_minutes, estimated.minutes_estimated) == (1.7, True)
    log.recorded.append(event("AttendeeLeft", 60, "a"))
    [exact] = metering.metered([estimated])
    assert (exact.attendee_minutes, exact.minutes_estimated) == (1.0, False)
    assert ledger.get("m") == exact


def test_minutes_are_an_estimate_until_late_events_are_in(ledger: MeetingLedger) -> None:
    gone = record(ledger, "m", status=MeetingStatus.DELETED, ended_at=START + timedelta(seconds=100))
    log = Recorded([event("MeetingStarted", 0, None)])
    now = START + timedelta(seconds=101)
    metering = Metering(log, ledger, PRICES, clock=lambda: now)
    [early] = metering.metered([gone])
    assert (early.attendee_minutes, early.minutes_estimated) == (0.0, True)
    stored = ledger.get("m")
    assert stored is not None
    log.recorded += attended("m", "a", 0, 60)
    now += LATEST_DELIVERY
    [late] = metering.metered([stored])
    assert (late.attendee_minutes, late.minutes_estimated) == (1.0, False)
    assert ledger.get("m") == late


@pytest.mark.parametrize("told", [True, False], ids=["MeetingEnded", "no MeetingEnded"])
def test_meeting_of_unknown_end_is_final_once_an_event_tells_of_it(ledger: MeetingLedger, told: bool) -> None:
    gone = record(ledger, "m", status=MeetingStatus.ENDED)
    log = Recorded([*attended("m", "a", 0, 60), *([ended(100)] if told else [])])
    [measured] = Metering(log, ledger, PRICES, clock=lambda: NOW).metered([gone])
    assert (measured.attendee_minutes, measured.minutes_estimated) == (1.0, not told)


def test_report_counts_no_end_before_since_as_unmatched(ledger: MeetingLedger) -> None:
    log = Recorded(EVENTS)
    since = START + timedelta(seconds=6)
    # The log is read from a day before, and the beginning of that end is before the log.
    assert Metering(log, ledger, PRICES, clock=lambda: NOW).report(UsageBy.USER, since).unmatched == 0


def test_events_that_are_off_are_told_before_the_ledger_is_read(dynamodb: Any) -> None:
    off = Metering(Recorded([], enabled=False), MeetingLedger(dynamodb, "no-such-table"), PRICES)
    with pytest.raises(ConfigError, match=r"Not measured: chime\.events is off"):
        off.report(UsageBy.DAY, START)


def test_without_events_nothing_is_measured(ledger: MeetingLedger) -> None:
    made = record(ledger, "m")
    off = Metering(Recorded([], enabled=False), ledger, PRICES)
    assert off.metered([made]) == [made]
    assert made.attendee_minutes is None
    with pytest.raises(ConfigError, match=r"Not measured: chime\.events is off"):
        off.report(UsageBy.DAY, START)
    on = Metering(Recorded([]), ledger, PRICES, clock=lambda: NOW)
    assert on.metered([made]) == [made], "no event tells of it: it may be older than the setting"


def test_ledger_row_of_a_deleted_meeting_is_not_made_again(ledger: MeetingLedger) -> None:
    unknown = MeetingRecord("m", "call", "alice", "us-east-1", "us-east-1", START, MeetingStatus.DELETED)
    Metering(Recorded(EVENTS), ledger, PRICES, clock=lambda: NOW).metered([unknown])
    assert ledger.records() == []
