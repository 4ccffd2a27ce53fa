"""Bounds of connection minutes, from counts of the open connections and the number of those that were opened. Pure.

From one count to the next, at most those of the first and all that were opened since were open, and at least those of the
second that were not opened since. So the minutes are as far from the counts' sum as what was opened, times the time from
count to count. Without counts a connection lasts from nothing to two hours (API Gateway, quotas), as may those of the two hours before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from whatschat_ops.pricing.amounts import plain
from whatschat_ops.quotas import MAX_CONNECTION_S
from whatschat_ops.usage.measured import Bounded

LONGEST_MINUTES: Final = Decimal(MAX_CONNECTION_S) / 60
_NONE: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Period:
    """Minutes `since` the beginning of the time (negative before it) to `until`: how many connections were opened in it, and
    how many were counted at some moment of it; None where they were not counted.
    """

    since: Decimal
    until: Decimal
    opened: Decimal
    counted: Decimal | None = None


@dataclass(frozen=True, slots=True)
class _Between:
    """From the count in period number `first` to the next one in `last`; of the latter nothing is known after the last count.

    `length` is in the time, `reach` also in the period before it, in which this may have begun.
    """

    first: int
    last: int
    length: Decimal
    reach: Decimal
    before: Decimal
    after: Decimal


def connection_minutes(periods: Sequence[Period], minutes: Decimal) -> Bounded:
    """Of the time from minute 0 until before `minutes`. `periods` follow each other, from two hours before it or earlier."""
    counted = [number for number, period in enumerate(periods) if period.counted is not None]
    if not any(periods[number].until > 0 and periods[number].since < minutes for number in counted):
        return _without_counts(periods, minutes)
    low = high = _NONE
    longest = [_NONE] * len(periods)
    for each in _between_counts(periods, counted, minutes):
        low += each.after * each.length
        high += each.before * each.length
        for number in range(each.first, each.last + 1):
            longest[number] = max(longest[number], each.reach)
    opened = sum((period.opened * length for period, length in zip(periods, longest, strict=True)), _NONE)
    early, late = _edges(periods, counted, minutes)
    least = max(_NONE, low - opened - late)
    most, of_opened = high + opened + early, _without_counts(periods, minutes).high
    # Counts of more than were opened show that not all that were opened are known.
    return Bounded(plain(least), plain(min(most, of_opened) if of_opened >= least else most))


def _between_counts(
    periods: Sequence[Period], counted: Sequence[int], minutes: Decimal
) -> Iterator[_Between]:
    """Each count with the next one; before the first one there are at most those that were opened, after the last nothing is known."""
    ends, one = [*counted, len(periods) - 1], max(period.until - period.since for period in periods)

    def lengths(since: Decimal, until: Decimal) -> tuple[Decimal, Decimal]:
        return _within(since, until, minutes), _within(since + one, until + one, minutes + one)

    earlier = sum((period.opened for period in periods[: counted[0]]), _NONE)
    first = _count_of(periods[counted[0]])
    yield _Between(0, counted[0], *lengths(periods[0].since, periods[counted[0]].since), earlier, first)
    for place, number in enumerate(counted):
        last = place + 1 == len(counted)
        end = minutes if last else periods[ends[place + 1]].since
        after = _NONE if last else _count_of(periods[ends[place + 1]])
        count = _count_of(periods[number])
        yield _Between(number, ends[place + 1], *lengths(periods[number].since, end), count, after)


def _edges(periods: Sequence[Period], counted: Sequence[int], minutes: Decimal) -> tuple[Decimal, Decimal]:
    """What the bounds may be wrong by since a count is at some moment of its period: (of the upper one, of the lower one)."""
    inside = [n for n in counted if periods[n].until > 0 and periods[n].since < minutes]
    before = [n for n in counted if n < inside[0]]
    beyond = [n for n in counted if n > inside[-1]]
    length = max(periods[n].until - periods[n].since for n in (inside[0], inside[-1]))
    first, last = _count_of(periods[inside[0]]), _count_of(periods[inside[-1]])
    early = _count_of(periods[before[-1]]) - last if before else _NONE
    late = (_count_of(periods[beyond[0]]) if beyond else _NONE) - first
    return max(_NONE, early) * length, max(_NONE, late) * length


def _within(since: Decimal, until: Decimal, minutes: Decimal) -> Decimal:
    return max(_NONE, min(until, minutes) - max(since, _NONE))


def _count_of(period: Period) -> Decimal:
    return period.counted or _NONE


def _without_counts(periods: Sequence[Period], minutes: Decimal) -> Bounded:
    """Each connection lasts from nothing to two hours."""
    most = sum(
        (
            each.opened * min(_within(each.since, each.until + LONGEST_MINUTES, minutes), LONGEST_MINUTES)
            for each in periods
        ),
        _NONE,
    )
    return Bounded(_NONE, plain(most))
