"""What a person sees of meetings and attendees: every fact, no secret unless asked for."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from whatschat_ops.chime import (
    Attendee,
    AttendeeBatch,
    FailedAttendee,
    MediaPlacement,
    Meeting,
    MeetingRecord,
    MeetingStatus,
)
from whatschat_ops.chime.metering import UsageReport
from whatschat_ops.chime.minutes import prices_in, sum_of
from whatschat_ops.choices import UsageBy
from whatschat_ops.cli.chime import tables
from whatschat_ops.cli.chime.results import CreatedMeeting, DeletedMeeting, Sweep
from whatschat_ops.cli.chime.usage import notes
from whatschat_ops.cli.run import CommonOptions, Run
from whatschat_ops.cli.terminal.output import Output
from whatschat_ops.cli.terminal.redacting import unwrapped
from whatschat_ops.redaction import Secret

TOKEN = "join-token-of-alice"
ALICE = Attendee("id-alice", "alice [bold]", Secret(TOKEN), {"audio": "SendReceive"})
FAILED = FailedAttendee("bob", "LimitExceeded", "The meeting has 250 attendees already")
MEETING = Meeting(
    "m-1", "standup", "arn:x", "us-east-1", "eu-west-1", MediaPlacement("a", "b", "wss://signal", "d")
)


def run(*, show_secrets: bool = False, as_json: bool = False) -> Run:
    out = Output(show_secrets=show_secrets, as_json=as_json, stdout=io.StringIO(), stderr=io.StringIO())
    return Run(CommonOptions(), out)


def printed(run: Run, model: Any, render: Any) -> str:
    stream = unwrapped(run.out.stdout)
    run.out.result(model, render)
    assert isinstance(stream, io.StringIO)
    return stream.getvalue()


@pytest.mark.parametrize(("show_secrets", "shown"), [(False, "********"), (True, TOKEN)])
@pytest.mark.parametrize("as_json", [False, True])
def test_join_token_is_shown_only_when_asked_for(show_secrets: bool, shown: str, as_json: bool) -> None:
    here = run(show_secrets=show_secrets, as_json=as_json)
    text = printed(here, AttendeeBatch((ALICE,)), lambda batch: tables.render_batch(here, batch))
    assert shown in text
    assert (TOKEN in text) is show_secrets
    assert "alice [bold]" in text, "ids are not markup"


def test_new_meeting_shows_who_came_and_who_did_not() -> None:
    here = run()
    created = CreatedMeeting.of(MEETING, AttendeeBatch((ALICE,), (FAILED,)))
    text = printed(here, created, lambda model: tables.render_created(here, model))
    for part in ("m-1", "standup", "us-east-1", "eu-west-1", "wss://signal", "id-alice", FAILED.message):
        assert part in text


def test_ledger_shows_one_line_per_meeting() -> None:
    record = MeetingRecord(
        "m-1", "standup", "alice", "us-east-1", "eu-west-1",
        datetime.now(UTC) - timedelta(days=5, hours=1), MeetingStatus.ACTIVE,
    )  # fmt: skip
    text = printed(run(), [record], tables.render_records)
    assert "5 d ago" in text
    assert "active" in text
    assert len(text.splitlines()) == 2


RECORD = MeetingRecord(
    "m-1", "standup", "alice", "us-east-1", "us-east-1", datetime.now(UTC) - timedelta(hours=4),
    MeetingStatus.ACTIVE, purpose="test", delete_after=datetime.now(UTC) - timedelta(hours=3),
)  # fmt: skip


def test_ledger_shows_purpose_time_to_live_and_how_a_meeting_ended() -> None:
    young = replace(RECORD, delete_after=datetime.now(UTC) + timedelta(hours=3, minutes=30))
    swept = replace(RECORD, meeting_id="m-2", status=MeetingStatus.DELETED, end_reason="swept")
    unknown = replace(RECORD, meeting_id="m-3", status=MeetingStatus.CREATED, not_asked="denied")
    text = printed(run(), [RECORD, swept, unknown], tables.render_records)
    assert "created (not asked)" in text
    assert "test" in text
    assert "active, expired 3 h ago" in text
    assert "active, expires in 3 h" in printed(run(), [young], tables.render_records)
    assert "deleted (swept)" in text


def test_new_meeting_has_what_the_javascript_sdk_takes_under_sdk() -> None:
    here = run(as_json=True)
    meeting = replace(MEETING, sdk={"MeetingId": "m-1", "TenantIds": []})
    alice = replace(ALICE, sdk={"AttendeeId": "id-alice", "JoinToken": Secret(TOKEN)})
    created = CreatedMeeting.of(meeting, AttendeeBatch((alice,)))
    sdk = json.loads(printed(here, created, lambda model: tables.render_created(here, model)))["sdk"]
    assert sdk == {
        "Meeting": {"MeetingId": "m-1", "TenantIds": []},
        "Attendees": [{"AttendeeId": "id-alice", "JoinToken": "********"}],
    }


def test_features_of_a_meeting_are_shown_as_the_option_takes_them() -> None:
    features = {"Video": {"MaxResolution": "FHD"}, "Attendee": {"MaxCount": 25}}
    meeting = replace(MEETING, sdk={"MeetingFeatures": features, "MeetingHostId": "alice"})
    text = printed(run(), meeting, tables.render_meeting)
    assert "video=fhd,attendees=25" in text
    assert "Replica of" not in text


def test_sweep_shows_what_it_deletes_and_why_it_keeps_the_rest() -> None:
    kept = {"m-2": "purpose call", "m-3": "purpose call"}
    text = printed(run(), Sweep((RECORD,), kept, ()), tables.render_sweep)
    assert text == "Would delete m-1 (standup).\nKept 2: purpose call.\n"
    deleted = Sweep((RECORD,), {}, (DeletedMeeting("m-1", True),))
    assert printed(run(), deleted, tables.render_sweep) == "Deleted m-1.\n"
    assert printed(run(), Sweep((), {}, ()), tables.render_sweep) == "No open meetings.\n"


def test_no_changes_are_stated_in_words() -> None:
    assert printed(run(), [], tables.render_records) == "No meetings.\n"
    here = run()
    assert printed(here, [], lambda model: tables.render_attendees(here, model)) == "No attendees.\n"


def test_deletions_are_one_line_each() -> None:
    results = [DeletedMeeting("m-1", True), DeletedMeeting("m-2", False, "no such meeting")]
    text = printed(run(), results, tables.render_deleted)
    assert text == "Deleted m-1.\nNot deleted m-2: no such meeting\n"


def test_minutes_and_cost_are_columns_once_something_is_measured() -> None:
    used = {"guide": "0.0087", "aws": "0.0034"}
    video = replace(RECORD, attendee_minutes=2.0, minutes_estimated=False, cost_usd=used)
    same = dict.fromkeys(("guide", "aws"), "0.00425")
    guessed = replace(RECORD, attendee_minutes=2.5, minutes_estimated=True, cost_usd=same)
    words = printed(run(), [video, guessed, RECORD], tables.render_records).split()
    assert {"Minutes", "Cost", "2", "~2.5", "$0.0087", "$0.0034", "$0.00425", "-"} <= set(words)
    assert "Minutes" not in printed(run(), [RECORD], tables.render_records)


def test_deleted_meeting_is_shown_with_what_it_used() -> None:
    used = {"guide": "0.00425", "aws": "0.00425"}
    deleted = DeletedMeeting("m-1", True, attendee_minutes=2.5, minutes_estimated=True, cost_usd=used)
    assert (
        printed(run(), [deleted], tables.render_deleted) == "Deleted m-1: ~2.5 attendee-minutes, $0.00425.\n"
    )


@pytest.mark.parametrize(("days", "noted"), [(13, False), (15, True)])
def test_usage_beyond_the_retention_of_events_is_told(days: int, noted: bool) -> None:
    until = datetime(2026, 11, 29, tzinfo=UTC)
    since = until - timedelta(days=days)
    report = UsageReport(
        UsageBy.DAY, since, until, (), sum_of((), "total", prices_in("us-east-1")), unmatched=0, malformed=0
    )
    assert any("Events are kept for 14 days" in note for note in notes(report, 14)) is noted
