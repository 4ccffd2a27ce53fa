"""The time that usage is measured of, in whole periods of CloudWatch. Pure.

    usage_window(now, since, until).period_s     the longest period that the time is made of, of those that are kept

All sources are asked for the same time, so it is rounded to minutes (to five after 15 days, to hours after 63).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from whatschat_ops.errors import UsageError
from whatschat_ops.metrics.window import DAY_S, INCOMPLETE, Window
from whatschat_ops.quotas import METRIC_RETENTION_S

MINUTE_S: Final = 60


def usage_window(now: datetime, since: datetime, until: datetime, *, of_metrics: bool = True) -> Window:
    """From `since`, rounded down, until `until`, rounded up. Raises UsageError for no time, or more than CloudWatch keeps.

    Not `of_metrics`: no metric is read, and the time is rounded to minutes whatever its age.
    """
    if until > now:
        raise UsageError(
            f"The time ends in the future: {until:%Y-%m-%dT%H:%MZ}.", hint="Give an earlier time."
        )
    if since >= until:
        raise UsageError("The time is empty: it must end after it begins.")
    step_s = kept_period_s(now - since) if of_metrics else MINUTE_S
    first, last = _floor(since, step_s), _ceiling(until, step_s)
    periods = (DAY_S, *reversed(METRIC_RETENTION_S))
    fitting = (
        each for each in periods if each >= step_s and not (_epoch(first) % each or _epoch(last) % each)
    )
    return Window(first, last, next(fitting, step_s), now - INCOMPLETE, compared=False)


def kept_period_s(age: timedelta) -> int:
    """The shortest period of which CloudWatch has points that are that old. Raises UsageError for more than it keeps."""
    for period_s, retention_s in METRIC_RETENTION_S.items():
        if age.total_seconds() <= retention_s:
            return period_s
    longest = max(METRIC_RETENTION_S.values()) // DAY_S
    raise UsageError(f"The time begins too early: CloudWatch keeps metrics for {longest} days.")


def periods_around(window: Window, period_s: int, margin: timedelta) -> Window:
    """Whole periods of that length from `margin` before the window until its end or later."""
    until = _ceiling(window.until, period_s)
    since = _floor(window.since - margin, period_s)
    return Window(since, until, period_s, window.incomplete_from, compared=False)


def now_of(window: Window) -> datetime:
    """When the window was made."""
    return window.incomplete_from + INCOMPLETE


def _epoch(moment: datetime) -> int:
    return int(moment.timestamp())


def _floor(moment: datetime, step_s: int) -> datetime:
    return datetime.fromtimestamp(_epoch(moment) // step_s * step_s, UTC)


def _ceiling(moment: datetime, step_s: int) -> datetime:
    return datetime.fromtimestamp(-int(-moment.timestamp() // step_s) * step_s, UTC)
