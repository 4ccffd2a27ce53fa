"""From records of who was connected to which meeting to attendee-minutes. Pure.

An attendee is connected to a meeting once at a time: rows of one attendee that overlap are one attendance, rows that are the
same count once. Each attendance is rounded up to 0.1 minute, in which Chime bills. One without an end ends at the latest when
the attendee joins again, when the meeting ends, after 24 hours, or now; and at the earliest at once: both are bounds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from whatschat_ops.chime.minutes import BILLED, LONGEST
from whatschat_ops.usage.measured import Bounded, Findings

TWICE: Final = "the same attendance again: counts once"
OVERLAPPING: Final = "overlaps another attendance of the attendee: they count as one"
WITHOUT_END: Final = "without an end: counts from nothing to its latest possible end"
TOO_LONG: Final = "longer than 24 hours, the longest meeting: cut"


@dataclass(frozen=True, slots=True)
class Attended:
    """One attendee, connected once. `left` None: not known."""

    meeting: str
    attendee: str
    joined: datetime
    left: datetime | None
    video: bool = False

    def __str__(self) -> str:
        left = "" if self.left is None else self.left.isoformat()
        return f"{self.meeting} {self.attendee} {self.joined.isoformat()} {left}".rstrip()


@dataclass(frozen=True, slots=True)
class Minutes:
    """Attendee-minutes of a number of attendances, without and with video."""

    meetings: int
    attendances: int
    audio: Bounded
    video: Bounded


def attendee_minutes(
    rows: Iterable[Attended],
    ends: Mapping[str, datetime],
    now: datetime,
    handled: Findings,
    counts: Callable[[Attended], bool] = lambda _: True,
) -> Minutes:
    """Of those attendances that `counts` says of: they are one with others that they overlap, in whose beginning they count.

    `ends`: when meetings ended, as far as it is known; `handled` counts rows that needed a rule.
    """
    by_attendee: defaultdict[tuple[str, str], list[Attended]] = defaultdict(list)
    for row in rows:
        by_attendee[row.meeting, row.attendee].append(row)
    low, high = {False: 0, True: 0}, {False: 0, True: 0}
    attendances, quiet = 0, Findings()
    meetings: set[str] = set()
    for (meeting, _), those in by_attendee.items():
        notes = handled if any(map(counts, those)) else quiet
        once = _once(those, notes) if len(those) > 1 else those
        latest = _closed(once, min(ends.get(meeting, now), now), notes)
        longest = list(filter(counts, _united(latest, notes)))
        attendances += len(longest)
        meetings.update({meeting} if longest else ())
        for each in longest:
            high[each.video] += _tenths(each)
        shortest = longest
        if any(row.left is None for row in once):
            shortest = list(filter(counts, _united(map(_at_the_earliest, once), quiet)))
        for each in shortest:
            low[each.video] += _tenths(each)
    audio, video = (
        Bounded(Decimal(min(low[it], high[it])) / 10, Decimal(max(low[it], high[it])) / 10)
        for it in (False, True)
    )
    return Minutes(len(meetings), attendances, audio, video)


def _once(rows: Sequence[Attended], handled: Findings) -> list[Attended]:
    """Without repetitions, in order. One without an end repeats one with an end that began at the same time."""
    found: dict[tuple[datetime, datetime | None], Attended] = {}
    last: Attended | None = None
    for row in sorted(rows, key=lambda row: (row.joined, row.left is None, row.left or row.joined)):
        same = found.get((row.joined, row.left))
        if same is not None or (row.left is None and last is not None and last.joined == row.joined):
            handled.add(TWICE, str(row))
            if same is not None and row.video:
                found[row.joined, row.left] = replace(same, video=True)
            continue
        found[row.joined, row.left] = last = row
    return list(found.values())


def _closed(rows: Sequence[Attended], last: datetime, handled: Findings) -> Iterator[Attended]:
    """Each with an end, at the latest. One without an end is the last of those that began at the same time."""
    for place, row in enumerate(rows):
        left = row.left
        if left is None:
            handled.add(WITHOUT_END, str(row))
            again = [later.joined for later in rows[place + 1 : place + 2]]
            left = max(row.joined, min([*again, row.joined + LONGEST, last]))
        elif left - row.joined > LONGEST:
            handled.add(TOO_LONG, str(row))
        yield _until(row, left)


def _at_the_earliest(row: Attended) -> Attended:
    return _until(row, row.left or row.joined)


def _until(row: Attended, left: datetime) -> Attended:
    """The row with this end, or one 24 hours after its beginning."""
    if left == row.left and left - row.joined <= LONGEST:
        return row
    return replace(row, left=min(left, row.joined + LONGEST))


def _united(rows: Iterable[Attended], handled: Findings) -> Iterator[Attended]:
    """Rows that overlap as one; one that begins when another ends is another attendance."""
    current: Attended | None = None
    for row in rows:
        if current is None:
            current = row
        elif row.joined < _left(current):
            handled.add(OVERLAPPING, str(row))
            left = max(_left(current), _left(row))
            current = replace(current, left=left, video=current.video or row.video)
        else:
            yield current
            current = row
    if current is not None:
        yield current


def _left(row: Attended) -> datetime:
    return row.left or row.joined


def _tenths(row: Attended) -> int:
    """Tenths of a minute, rounded up."""
    return -((row.joined - _left(row)) // BILLED)
