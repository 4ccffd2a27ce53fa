"""The time that is looked at, and the period of its data points. Pure.

    window(now, timedelta(hours=1), compared=False).period_s     == 60
    window(now, timedelta(days=30), compared=False).period_s     == 86_400

CloudWatch keeps points of 60 s for 15 days, of 300 s for 63, of 3,600 s for 455 (GetMetricData in the API reference).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from whatschat_ops.errors import UsageError
from whatschat_ops.quotas import METRIC_RETENTION_S

MAX_POINTS: Final = 180
"""Of one metric in the time that is shown: more than a line of a terminal can show."""
DAY_S: Final = 86_400
INCOMPLETE: Final = timedelta(minutes=3)
"""What is younger may still grow: services publish once a minute, and Lambda under the time at which an invocation began."""


@dataclass(frozen=True, slots=True)
class Window:
    """From `since` until before `until`, both whole periods; with `compared`, as much time before `since` is read too."""

    since: datetime
    until: datetime
    period_s: int
    incomplete_from: datetime
    compared: bool

    @property
    def first(self) -> datetime:
        """Where the data that are read begin."""
        return self.since - (self.until - self.since) if self.compared else self.since

    @property
    def points(self) -> int:
        """Periods from `since` until `until`."""
        return int((self.until - self.since).total_seconds()) // self.period_s


def window(now: datetime, last: timedelta, *, compared: bool) -> Window:
    """The last `last` before `now`, rounded up to whole periods. Raises UsageError for none, or more than CloudWatch keeps."""
    if last < timedelta(minutes=1):
        raise UsageError("--last is at least 1m: the metrics of AWS have one value a minute.")
    period_s = _period_s(int(last.total_seconds()) * (2 if compared else 1), int(last.total_seconds()))
    until_s = -(-int(now.timestamp()) // period_s) * period_s
    points = -(-int(last.total_seconds()) // period_s)
    until = datetime.fromtimestamp(until_s, UTC)
    since = until - timedelta(seconds=points * period_s)
    return Window(since, until, period_s, now - INCOMPLETE, compared)


def _period_s(age_s: int, last_s: int) -> int:
    """The shortest period that is still kept for that age, and has not too many points."""
    kept = [period_s for period_s, retention_s in METRIC_RETENTION_S.items() if age_s <= retention_s]
    if not kept:
        longest = max(METRIC_RETENTION_S.values()) // DAY_S
        raise UsageError(f"--last is too long: CloudWatch keeps metrics for {longest} days.")
    return next((period for period in (*kept, DAY_S) if last_s <= period * MAX_POINTS), DAY_S)
