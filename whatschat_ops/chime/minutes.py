"""Attendee-minutes and what they cost, from the events of meetings and the ledger. Pure.

An attendance is from `AttendeeJoined` to `AttendeeLeft` or `AttendeeDropped` of the same attendee; it is rounded up to
0.1 minute, in which Chime bills (amazon-chime-sdk-js, guides/07_FAQs.md). Events may be missing, twice, or in any order. One
without its end lasts until the attendee joined again, was deleted, or the meeting ended, and is an estimate; so is one that
goes on. An end without its beginning cannot be measured: it is counted (`unmatched`).

Costs are list prices of both rate cards, AWS's of one Region, without their free tiers, which are an account's and a month's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Final

from whatschat_ops.chime.events import EventType, MeetingEvent
from whatschat_ops.chime.models import MeetingRecord
from whatschat_ops.pricing.pricing import FreeTiers, charge
from whatschat_ops.pricing.rates import RateCard, guide_card, known_card
from whatschat_ops.quotas import CHIME_MEETING_S

BILLED: Final = timedelta(seconds=6)
"""An attendance is billed in steps of this length: 0.1 minute."""
LONGEST: Final = timedelta(seconds=CHIME_MEETING_S)

Prices = Mapping[str, RateCard]
"""Rate cards by the names that results have them under."""

_JOINED: Final = EventType.ATTENDEE_JOINED.value
_ENDS: Final = (EventType.ATTENDEE_LEFT.value, EventType.ATTENDEE_DROPPED.value)
_CONNECTION: Final = (_JOINED, *_ENDS)


@dataclass(frozen=True, slots=True)
class Attendance:
    """One attendee, connected once. `estimated`: when it ended is not in the events. `video`: with the camera on at times."""

    meeting_id: str
    attendee_id: str
    external_user_id: str
    joined_at: datetime
    left_at: datetime
    estimated: bool
    video: bool = False

    @property
    def minutes(self) -> Decimal:
        """As billed: rounded up to 0.1 minute."""
        return Decimal(-((self.joined_at - self.left_at) // BILLED)) / 10


@dataclass(frozen=True, slots=True)
class Measured:
    """What events say: attendances, and the number of ends whose beginning is not among them."""

    attendances: tuple[Attendance, ...]
    unmatched: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """Attendances of one meeting, user, purpose or day. `cost_usd`: US dollars by rate card, of those that have the price."""

    key: str
    meetings: int
    attendances: int
    estimated: int
    attendee_minutes: Decimal
    cost_usd: Mapping[str, Decimal]


def measure(
    events: Iterable[MeetingEvent],
    records: Mapping[str, MeetingRecord],
    now: datetime,
    since: datetime | None = None,
) -> Measured:
    """All attendances in `events`. `records` (by meeting id) tell when meetings began and ended where events do not.

    `unmatched` has the ends since `since` only: of earlier ones, the beginning may be before the events that were read.
    """
    by_meeting: dict[str, list[MeetingEvent]] = defaultdict(list)
    for event in events:
        by_meeting[event.meeting_id].append(event)
    attendances: list[Attendance] = []
    unmatched = 0
    for meeting_id, of_meeting in by_meeting.items():
        last = end_of(of_meeting, records.get(meeting_id), now)
        for of_attendee in _by_attendee(of_meeting):
            found, without_beginning = _paired(of_attendee, last, now)
            attendances += found
            unmatched += sum(since is None or at >= since for at in without_beginning)
    return Measured(tuple(sorted(attendances, key=lambda each: each.joined_at)), unmatched)


def usage(attendances: Sequence[Attendance], key: Callable[[Attendance], str], prices: Prices) -> list[Usage]:
    """The sums of the attendances of each key, in order of the keys."""
    by_key: dict[str, list[Attendance]] = defaultdict(list)
    for attendance in attendances:
        by_key[key(attendance)].append(attendance)
    return [sum_of(by_key[each], each, prices) for each in sorted(by_key)]


def sum_of(attendances: Sequence[Attendance], key: str, prices: Prices) -> Usage:
    """Their number, minutes and cost."""
    return Usage(
        key,
        len({each.meeting_id for each in attendances}),
        len(attendances),
        sum(each.estimated for each in attendances),
        sum((each.minutes for each in attendances), Decimal(0)),
        cost_of(attendances, prices),
    )


def cost_of(attendances: Iterable[Attendance], prices: Prices) -> dict[str, Decimal]:
    """US dollars by rate card. Where a card has a price of video, attendances with video have that."""
    minutes = {False: Decimal(0), True: Decimal(0)}
    for each in attendances:
        minutes[each.video] += each.minutes
    return {
        name: _cost(card, minutes[False], minutes[True])
        for name, card in prices.items()
        if {"chime_audio", "chime_video"} <= card.rates.keys()
    }


def _cost(card: RateCard, audio: Decimal, video: Decimal) -> Decimal:
    audio_rate, video_rate = card.rates["chime_audio"], card.rates["chime_video"]
    charges = (
        charge(quantity, rate, free_tiers=FreeTiers.NONE)
        for quantity, rate in ((audio, audio_rate), (video, video_rate))
    )
    return sum((each.cost for each in charges), Decimal(0))


def prices_in(region: str) -> Prices:
    """The guide's prices, and AWS's in a control Region, which may not be known."""
    return {"guide": guide_card(), "aws": known_card(region)}


def end_of(events: Sequence[MeetingEvent], record: MeetingRecord | None, now: datetime) -> datetime | None:
    """When the meeting ended or must have; None: not yet. Chime may tell of the end twice: the first counts.

    The ledger's time is that of whoever wrote the row, so it counts only where no event tells.
    """
    ended = [event.at for event in events if event.event_type == EventType.MEETING_ENDED.value]
    if not ended and record is not None and record.ended_at is not None:
        ended.append(record.ended_at)
    started = [event.at for event in events if event.event_type == EventType.MEETING_STARTED.value]
    if record is not None:
        started.append(record.created_at)
    if started and min(started) + LONGEST <= now:
        ended.append(min(started) + LONGEST)
    return min(ended, default=None)


def _by_attendee(events: Iterable[MeetingEvent]) -> Iterator[list[MeetingEvent]]:
    """Events of each attendee, each once, in the order in which they happened."""
    kinds = (*_CONNECTION, EventType.ATTENDEE_DELETED.value, EventType.VIDEO_STARTED.value)
    seen: dict[tuple[str, str, datetime], MeetingEvent] = {}
    for event in events:
        if event.attendee_id is not None and event.event_type in kinds:
            seen.setdefault((event.attendee_id, event.event_type, event.at), event)
    ordered = sorted(seen.values(), key=lambda event: (event.attendee_id or "", event.at))
    for _, of_attendee in groupby(ordered, key=lambda event: event.attendee_id):
        yield list(of_attendee)


def _paired(
    events: Sequence[MeetingEvent], last: datetime | None, now: datetime
) -> tuple[list[Attendance], list[datetime]]:
    """The attendances of one attendee, and the times of the ends that have no beginning."""
    deleted = [event.at for event in events if event.event_type == EventType.ATTENDEE_DELETED.value]
    video = [event.at for event in events if event.event_type == EventType.VIDEO_STARTED.value]
    found: list[Attendance] = []
    unmatched: list[datetime] = []
    joined: MeetingEvent | None = None

    def close(at: datetime, *, estimated: bool) -> None:
        if joined is not None:
            with_video = any(joined.at <= started <= at for started in video)
            found.append(_attendance(joined, at, estimated, with_video))

    for event in _in_turn([event for event in events if event.event_type in _CONNECTION]):
        if event.event_type == _JOINED:
            close(event.at, estimated=True)
            joined = event
        elif joined is None:
            unmatched.append(event.at)
        else:
            close(event.at, estimated=False)
            joined = None
    if joined is not None:
        close(_latest(joined.at, deleted, last, now), estimated=True)
    return found, unmatched


def _in_turn(events: list[MeetingEvent]) -> Iterator[MeetingEvent]:
    """The events in order; of those of the same time, first the one that fits: an end while connected, else a beginning."""
    connected = False
    for _, group in groupby(events, key=lambda event: event.at):
        waiting = list(group)
        while waiting:
            fits = next((each for each in waiting if (each.event_type == _JOINED) != connected), waiting[0])
            waiting.remove(fits)
            connected = fits.event_type == _JOINED
            yield fits


def _latest(
    joined_at: datetime, deleted: Iterable[datetime], last: datetime | None, now: datetime
) -> datetime:
    """When an attendance without an end can have ended at the latest."""
    limits = [at for at in (*deleted, joined_at + LONGEST, last or now) if at >= joined_at]
    return min(limits, default=joined_at)


def _attendance(joined: MeetingEvent, left_at: datetime, estimated: bool, video: bool) -> Attendance:
    return Attendance(
        joined.meeting_id,
        joined.attendee_id or "",
        joined.external_user_id or "",
        joined.at,
        left_at,
        estimated,
        video,
    )


def day_of(attendance: Attendance) -> str:
    """The day (UTC) on which it began."""
    return attendance.joined_at.astimezone(UTC).date().isoformat()
