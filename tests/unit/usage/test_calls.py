"""Records of calls: every form of file, and every damage, counted."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from whatschat_ops.errors import UsageError
from whatschat_ops.usage import calls
from whatschat_ops.usage.attendances import OVERLAPPING, TWICE, WITHOUT_END
from whatschat_ops.usage.engine.database import engine, text
from whatschat_ops.usage.measured import Bounded, Measured
from whatschat_ops.usage.texts import NO_ZONE
from whatschat_ops.usage.window import usage_window

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
WINDOW = usage_window(NOW, datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 29, tzinfo=UTC))
HEADER = "meeting_id,attendee_id,joined_at,left_at"
ROW = "m1,alice,2026-11-02T09:00:00Z,2026-11-02T09:10:00Z"
GOOD = f"{HEADER}\n{ROW}\nm1,bob,2026-11-02T09:00:00Z,2026-11-02T09:05:01Z\n"


def measured(tmp_path: Path, content: str | bytes, name: str = "calls.csv") -> Measured:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return calls.measure([str(path)], WINDOW, NOW)


def minutes(found: Measured) -> Bounded | None:
    return found.get("chime_audio")


def reasons(found: Measured) -> dict[str, int]:
    return {each.reason: each.count for each in (*found.rejects, *found.handled)}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("calls.csv", GOOD),
        ("windows.csv", "\ufeff" + GOOD.replace("\n", "\r\n")),
        ("calls.csv.gz", gzip.compress(GOOD.encode(), mtime=0)),
        (
            "other-names.csv",
            "Participant;Call;StartTime;EndTime\n"
            "alice;m1;1793610000;1793610600\n"
            "bob;m1;1793610000000;1793610301000\n",
        ),
        (
            "calls.jsonl",
            '{"meetingId":"m1","attendeeId":"alice","joinedAt":"2026-11-02T10:00:00+01:00","durationMinutes":10}\n'
            '{"meetingId":"M1","attendeeId":"bob","joinedAt":1793610000,"durationSeconds":"301"}\n',
        ),
        (
            "pascal.jsonl",
            '{"MeetingId":"m1","AttendeeId":"alice","JoinedAt":"2026-11-02T09:00:00Z","DurationMinutes":10}\n'
            '{"MeetingId":"M1","AttendeeId":"bob","JoinedAt":1793610000,"DurationSeconds":"301"}\n',
        ),
        (
            "pascal.json",
            '[\n {"MeetingId":"m1","AttendeeId":"alice","JoinedAt":"2026-11-02T09:00:00Z",\n  "LeftAt":"2026-11-02T09:10:00Z"},\n'
            ' {"MeetingId":"m1","AttendeeId":"bob","JoinedAt":1793610000,"LeftAt":1793610301}]\n',
        ),
    ],
)
def test_the_same_attendances_in_any_form_have_the_same_minutes(
    tmp_path: Path, name: str, content: str | bytes
) -> None:
    found = measured(tmp_path, content, name)
    assert (minutes(found), found.get("meetings"), found.get("attendances")) == (
        Bounded.exactly(Decimal("15.1")),
        Bounded.exactly(1),
        Bounded.exactly(2),
    )
    assert (reasons(found), found.rows) == ({}, 2)


def test_damaged_json_in_pascal_case_keeps_its_good_rows(tmp_path: Path) -> None:
    row = '{"MeetingId":"m1","AttendeeId":"alice","JoinedAt":"2026-11-02T09:00:00Z","DurationMinutes":10}\n'
    found = measured(tmp_path, f"{row}words\n", "pascal.jsonl")
    assert (minutes(found), reasons(found)) == (Bounded.exactly(10), {"a line that is not JSON": 1})


def test_times_of_parquet_are_read(tmp_path: Path) -> None:
    path = tmp_path / "calls.parquet"
    with engine() as database:
        database.rows(
            "COPY (SELECT 'm1' AS meeting, 'alice' AS attendee, TIMESTAMPTZ '2026-11-02 09:00:00+00' AS joined_at, "
            "TIMESTAMPTZ '2026-11-02 09:10:00.5+00' AS left_at, true AS video) "
            f"TO {text(path)} (FORMAT parquet)"
        )
    found = calls.measure([str(path)], WINDOW, NOW)
    assert (found.get("chime_video"), reasons(found)) == (Bounded.exactly(Decimal("10.1")), {})


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",alice,2026-11-02T09:00:00Z,", "no meeting"),
        ("m1,alice,,2026-11-02T09:00:00Z", "no time of joining"),
        ("m1,alice,yesterday,", "a time that cannot be read"),
        ("m1,alice,nan,", "a time that cannot be read"),
        ("m1,alice,99999999999999999999,", "a time that cannot be read"),
        ("m1,alice,2026-11-02T09:00:00Z,2026-11-02T08:59:59Z", "ends before it begins"),
        ("m1,alice,2026-12-24T09:00:00Z,", "begins in the future"),
        ("m1," + "x" * 300 + ",2026-11-02T09:00:00Z,", "an id of over 256 characters"),
        ("m1,alice,2026-11-02T09:00:00Z,,surplus", "a row with other columns than the header"),
    ],
)
def test_a_row_that_cannot_be_used_is_counted_and_the_others_count(
    tmp_path: Path, row: str, reason: str
) -> None:
    found = measured(tmp_path, f"{GOOD}{row}\n")
    assert (minutes(found), reasons(found)) == (Bounded.exactly(Decimal("15.1")), {reason: 1})
    assert found.rejects[0].samples


@pytest.mark.parametrize(
    ("row", "reason", "expected"),
    [
        (ROW, TWICE, Bounded.exactly(Decimal("15.1"))),
        ("m1,alice,2026-11-02T09:05:00Z,2026-11-02T09:11:00Z", OVERLAPPING, Bounded.exactly(Decimal("16.1"))),
        ("m1,eve,2026-11-02T09:00:00,2026-11-02T09:01:00Z", NO_ZONE, Bounded.exactly(Decimal("16.1"))),
        ("m2,eve,2026-11-29T11:00:00Z,", None, Bounded.exactly(Decimal("15.1"))),
        ("m2,eve,2026-11-28T23:00:00Z,", WITHOUT_END, Bounded(Decimal("15.1"), Decimal("795.1"))),
    ],
)
def test_rows_that_need_a_rule_are_counted_by_it(
    tmp_path: Path, row: str, reason: str | None, expected: Bounded
) -> None:
    found = measured(tmp_path, f"{GOOD}{row}\n")
    assert (minutes(found), reasons(found)) == (expected, {reason: 1} if reason else {})
    assert found.remarks == (() if reason else ("attendances that began at another time: 1",))


def test_a_row_of_the_meeting_ends_attendances_without_an_end(tmp_path: Path) -> None:
    rows = "m1,alice,2026-11-02T09:00:00Z,\nm1,,2026-11-02T08:59:00Z,2026-11-02T09:30:00Z\n"
    found = measured(tmp_path, f"{HEADER}\n{rows}")
    assert minutes(found) == Bounded(Decimal(0), Decimal(30))
    assert found.remarks == ("rows of meetings, without an attendee: 1",)


def test_an_end_and_a_length_that_differ_are_counted(tmp_path: Path) -> None:
    found = measured(tmp_path, f"{HEADER},minutes\n{ROW},20\n")
    assert (minutes(found), reasons(found)) == (Bounded.exactly(10), {calls.DISAGREE: 1})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "an empty file"),
        (b"name,age\nalice,30\n", "a file that cannot be read"),
        (gzip.compress(GOOD.encode(), mtime=0)[:-12], "a compressed file that is cut off or damaged"),
    ],
)
def test_a_damaged_file_is_counted(tmp_path: Path, content: bytes, reason: str) -> None:
    assert reason in reasons(measured(tmp_path, content))


@pytest.mark.parametrize(
    ("content", "rejects", "remarks"),
    [
        ({"other": 1}, {"no meeting": 1}, ()),
        ({"call": "m1", "start": 0}, {}, ("rows of meetings, without an attendee: 1",)),
    ],
)
def test_a_file_without_attendances_measures_nothing(
    tmp_path: Path, content: object, rejects: dict[str, int], remarks: tuple[str, ...]
) -> None:
    found = measured(tmp_path, json.dumps(content) + "\n", "calls.jsonl")
    assert (found.get("chime_audio"), reasons(found), found.remarks) == (None, rejects, remarks)


def test_a_path_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no files"):
        calls.measure([str(tmp_path / "*.csv")], WINDOW, NOW)


def test_meetings_are_counted_in_parts_and_none_is_in_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = datetime(2026, 11, 2, tzinfo=UTC)
    rows = [
        f"m{number % 50},a{number // 50},{began.isoformat()},{(began + timedelta(minutes=3)).isoformat()}"
        for number in range(500)
    ]
    content = "\n".join([HEADER, *rows, *rows])
    whole = measured(tmp_path, content)
    monkeypatch.setattr(calls, "ROWS_AT_ONCE", 70)
    parts = measured(tmp_path, content)
    assert replace(whole, handled=()) == replace(parts, handled=())
    assert (minutes(parts), parts.get("meetings"), reasons(parts)) == (
        Bounded.exactly(1_500),
        Bounded.exactly(50),
        {TWICE: 500},
    )


def test_an_end_in_the_future_is_not_one(tmp_path: Path) -> None:
    found = measured(tmp_path, f"{HEADER}\nm1,alice,2026-11-28T23:30:00Z,2026-11-29T23:00:00Z\n")
    assert minutes(found) == Bounded(Decimal(0), Decimal(750))
    assert reasons(found) == {calls.FUTURE_END: 1, WITHOUT_END: 1}


@pytest.mark.parametrize(
    ("earlier", "expected"),
    [
        ("m1,alice,2026-10-31T23:50:00Z,2026-11-01T00:10:00Z", 0),  # one attendance, of the month before
        ("m1,alice,2026-10-31T23:50:00Z,2026-11-01T00:05:00Z", 15),
    ],
)
def test_a_row_that_overlaps_one_of_another_time_counts_where_both_began(
    tmp_path: Path, earlier: str, expected: int
) -> None:
    row = "m1,alice,2026-11-01T00:05:00Z,2026-11-01T00:20:00Z"
    found = measured(tmp_path, f"{HEADER}\n{earlier}\n{row}\n")
    assert minutes(found) == Bounded.exactly(expected)
    assert found.get("meetings") == Bounded.exactly(int(expected > 0))


def test_an_attendance_without_an_end_lasts_until_the_attendee_joined_again_after_the_window(
    tmp_path: Path,
) -> None:
    rows = "m1,alice,2026-11-28T23:50:00Z,\nm1,alice,2026-11-29T00:05:00Z,2026-11-29T00:10:00Z\n"
    assert minutes(measured(tmp_path, f"{HEADER}\n{rows}")) == Bounded(Decimal(0), Decimal(15))


def test_a_word_for_video_that_is_neither_yes_nor_no_is_counted(tmp_path: Path) -> None:
    row = "m1,alice,2026-11-02T09:00:00Z,2026-11-02T09:10:00Z"
    found = measured(tmp_path, f"{HEADER},video\n{row},maybe\n{row.replace('alice', 'bob')},1.0\n")
    assert (minutes(found), found.get("chime_video")) == (Bounded.exactly(10), Bounded.exactly(10))
    assert reasons(found) == {calls.OTHER_WORD: 1}


def test_a_row_without_values_has_its_file_as_sample(tmp_path: Path) -> None:
    (reject,) = measured(tmp_path, f"{GOOD},,,\n").rejects
    assert reject.samples == (f"{tmp_path / 'calls.csv'}: a row without values",)
