"""Where a meeting can be reached: a client for the control Region that made it.

A meeting that was just made may be unknown to Chime for a moment; such an answer is asked for again here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from whatschat_ops.aws import Aws
from whatschat_ops.chime.ledger import MeetingLedger
from whatschat_ops.chime.models import MeetingRecord
from whatschat_ops.errors import NotFound

SETTLING = timedelta(seconds=30)
"""A meeting younger than this may be unknown to Chime for a moment (aws/aws-sdk-js#3328)."""

RETRY_DELAYS_S = (0.2, 0.5, 1.0)


class MeetingReach:
    """Calls about existing meetings. A meeting that the ledger does not know is looked for in `default_region`."""

    def __init__(
        self,
        aws: Aws,
        ledger: MeetingLedger,
        default_region: str,
        *,
        clock: Callable[[], datetime],
        sleep: Callable[[float], None],
    ) -> None:
        self._aws = aws
        self._ledger = ledger
        self._default_region = default_region
        self._clock = clock
        self._sleep = sleep

    def client(self, region: str) -> Any:
        """A boto3 client of Chime SDK Meetings in a control Region."""
        return self._aws.client("chime-sdk-meetings", region=region)

    def young(self, record: MeetingRecord) -> bool:
        """Whether "not found" may still mean "not yet"."""
        return not record.status.over and self._clock() - record.created_at < SETTLING

    def call(self, meeting_id: str, operation: str, **parameters: Any) -> tuple[str, dict[str, Any]]:
        """The meeting's control Region and the answer of `operation` (as boto3 names it) there."""
        record = self._ledger.get(meeting_id)
        region = record.control_region if record else self._default_region
        send = getattr(self.client(region), operation)
        for delay_s in RETRY_DELAYS_S if record is not None and self.young(record) else ():
            try:
                return region, send(MeetingId=meeting_id, **parameters)
            except NotFound:
                self._sleep(delay_s)
        try:
            return region, send(MeetingId=meeting_id, **parameters)
        except NotFound as error:
            raise _with_way_out(error, region) from error


def _with_way_out(error: NotFound, region: str) -> NotFound:
    return NotFound(
        f"{error.message} in {region}: it has ended, or was made in another control Region.",
        hint="whatschat-ops chime meeting list --all",
        aws_code=error.aws_code,
        operation=error.operation,
    )
