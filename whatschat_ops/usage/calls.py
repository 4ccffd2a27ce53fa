"""Records of calls (CSV, JSON lines, Parquet; any size) as attendee-minutes.

One row is one attendance: meeting, attendee, when they joined and left, or how long they stayed. A row without an attendee is
the meeting itself: attendances without an end last until its end at the latest. Columns have the names of `COLUMNS`, in any case;
in JSON, in the case of the first row. An attendance counts in the time in which it began.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from whatschat_ops.aws import Aws
from whatschat_ops.metrics.window import Window
from whatschat_ops.usage.attendances import Attended, Minutes, attendee_minutes
from whatschat_ops.usage.engine.database import Engine, engine
from whatschat_ops.usage.engine.database import name as quoted
from whatschat_ops.usage.engine.inputs import inputs
from whatschat_ops.usage.engine.staging import Wanted, stage
from whatschat_ops.usage.measured import Bounded, Findings, Measured, Name, total
from whatschat_ops.usage.texts import NO_ZONE, UnreadableText, boolean, length_s, moment

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "meeting": ("meeting_id", "meetingId", "meeting", "call_id", "callId", "call"),
    "attendee": (
        *("attendee_id", "attendeeId", "attendee", "participant_id", "participantId", "participant"),
        *("external_user_id", "externalUserId", "user_id", "userId", "user"),
    ),
    "joined": (
        *("joined_at", "joinedAt", "joined", "join_time", "joinTime", "started_at", "startedAt"),
        *("start_time", "startTime", "start"),
    ),
    "left": (
        *("left_at", "leftAt", "left", "leave_time", "leaveTime", "ended_at", "endedAt"),
        *("end_time", "endTime", "end"),
    ),
    "seconds": ("duration_seconds", "durationSeconds", "duration_s", "seconds"),
    "minutes": ("duration_minutes", "durationMinutes", "minutes"),
    "video": ("video", "has_video", "hasVideo", "video_enabled", "videoEnabled"),
}
"""What a row says, and the names that its column may have: the first one that has a value counts."""
ROWS_AT_ONCE: Final = 200_000
"""Ours: of some of the meetings, in memory at a time."""
MOST_SKEW: Final = timedelta(minutes=5)
"""Ours: how far another machine's clock may be ahead of this one's."""
LONGEST_ID: Final = 256
FUTURE_END: Final = "an end in the future: as without an end"
OTHER_WORD: Final = "a word for video that is neither yes nor no: without video"
DISAGREE: Final = "its length and its end differ by over a minute: the end counts"
Row = Sequence[str | None]
"""The values of `COLUMNS`; what `Rows` is given has the name of its file in addition."""


@dataclass(slots=True)
class Rows:
    """What rows of files say, and which of them say nothing that can be used."""

    window: Window
    now: datetime
    rejects: Findings
    handled: Findings = field(default_factory=Findings)
    attendances: int = 0
    meetings: int = 0
    """Rows that have no attendee."""
    outside: int = 0

    def attended(self, rows: Iterable[Row], ends: dict[str, datetime]) -> Iterator[Attended]:
        """All attendances: one of another time may overlap one of the window. Ends of meetings are added to `ends`."""
        for row in rows:
            *values, file = row
            try:
                found = self._attended(values, ends)
            except UnreadableText as error:
                shown = " ".join(value for value in values if value)
                self.rejects.add(str(error), shown or f"{file}: a row without values")
                continue
            if found is None:
                self.meetings += 1
                continue
            self.attendances += 1
            self.outside += not self.is_within(found)
            yield found

    def is_within(self, attended: Attended) -> bool:
        """Whether it began in the window."""
        return self.window.since <= attended.joined < self.window.until

    @property
    def remarks(self) -> Iterator[str]:
        """What else there was."""
        if self.outside:
            yield f"attendances that began at another time: {self.outside:,}"
        if self.meetings:
            yield f"rows of meetings, without an attendee: {self.meetings:,}"

    def _attended(self, row: Row, ends: dict[str, datetime]) -> Attended | None:
        meeting, attendee, joined_text, left_text, seconds, minutes, video = row
        if not meeting:
            raise UnreadableText("no meeting")
        if len(meeting) > LONGEST_ID or len(attendee or "") > LONGEST_ID:
            raise UnreadableText(f"an id of over {LONGEST_ID} characters")
        joined, left = self._moment(joined_text), self._moment(left_text)
        if joined is None and attendee:
            raise UnreadableText("no time of joining")
        left = self._end(joined, left, length_s(seconds, minutes))
        if joined and left and left < joined:
            raise UnreadableText("ends before it begins")
        if joined and joined > self.now + MOST_SKEW:
            raise UnreadableText("begins in the future")
        if left and left > self.now + MOST_SKEW:
            self.handled.add(FUTURE_END, f"{meeting} {attendee or ''} {left.isoformat()}")
            left = None
        if attendee and joined:
            return Attended(meeting.lower(), attendee.lower(), joined, left, self._has_video(video))
        if left is not None:
            ends[meeting.lower()] = max(left, ends.get(meeting.lower(), left))
        return None

    def _has_video(self, text: str | None) -> bool:
        found = boolean(text)
        if found is None:
            self.handled.add(OTHER_WORD, text or "")
        return found is True

    def _moment(self, text: str | None) -> datetime | None:
        found = moment(text)
        if found is None:
            return None
        if not found.has_zone:
            self.handled.add(NO_ZONE, text or "")
        return found.at

    def _end(self, joined: datetime | None, left: datetime | None, seconds: float | None) -> datetime | None:
        if joined is None or seconds is None:
            return left
        try:
            end = joined + timedelta(seconds=seconds)
        except OverflowError as error:
            raise UnreadableText("a length of time that cannot be read") from error
        if left is not None and abs(left - end) > timedelta(minutes=1):
            self.handled.add(DISAGREE, f"{joined.isoformat()} {left.isoformat()} {seconds:g} s")
        return left or end


def measure(paths: Sequence[str], window: Window, now: datetime, aws: Aws | None = None) -> Measured:
    """The attendances in files that began in the window. Raises UsageError for paths without files, OpsError without DuckDB."""
    with engine() as database:
        wanted = Wanted(COLUMNS, "SELECT *, '{file}' AS file FROM {rows}", required=("meeting",))
        staged = stage(database, inputs(paths, aws, flag="--from"), wanted, "calls", aws)
        rows = Rows(window, now, staged.rejects)
        parts = [_minutes(part, rows) for part in _parts(database, staged.rows)]
    return Measured(
        "calls",
        ", ".join(paths),
        window.since,
        window.until,
        _quantities(parts) if rows.attendances else {},
        rows.rejects.found,
        rows.handled.found,
        tuple(rows.remarks),
        staged.rows,
    )


def _minutes(part: Iterable[Row], rows: Rows) -> Minutes:
    ends: dict[str, datetime] = {}
    attended = list(rows.attended(part, ends))
    return attendee_minutes(attended, ends, rows.now, rows.handled, rows.is_within)


def _quantities(parts: Sequence[Minutes]) -> dict[Name, Bounded | None]:
    return {
        "meetings": Bounded.exactly(sum(part.meetings for part in parts)),
        "attendances": Bounded.exactly(sum(part.attendances for part in parts)),
        "chime_audio": total(part.audio for part in parts),
        "chime_video": total(part.video for part in parts),
    }


def _parts(database: Engine, rows: int) -> Iterator[Iterable[Row]]:
    """All rows, those of one meeting together."""
    number = max(1, math.ceil(rows / ROWS_AT_ONCE))
    fields = ", ".join(f"trim({quoted(column)})" for column in COLUMNS)
    for part in range(number):
        of_part = f"hash(coalesce(lower(trim(meeting)), '')) % {number} = {part}"
        yield database.rows(f"SELECT {fields}, file FROM calls WHERE {of_part}")
